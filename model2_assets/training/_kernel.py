"""Which linear algebra kernel this process computes with."""

from threadpoolctl import threadpool_info


def blas_kernel() -> str:
    """Name the loaded BLAS kernels, such as ``openblas 0.3.30 SkylakeX``.

    Sums of products are rounded in the order that the kernel of the processor adds them
    up, so equal bits are promised for equal kernels only.
    """
    import numpy  # noqa: F401 -- loads its BLAS
    import scipy.linalg  # noqa: F401 -- loads its own

    kernels = {
        f"{library['internal_api']} {library['version']} {library.get('architecture', '')}".strip()
        for library in threadpool_info()
        if library["user_api"] == "blas"
    }
    return ", ".join(sorted(kernels))
