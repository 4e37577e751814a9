"""Compilation of kernels, in one place so that every kernel keeps the same promises."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function to machine code when it is first called.

    The code is cached on disk where there is a folder to write it to. It releases the
    interpreter lock (so that threads run side by side), divides by zero as IEEE 754 says
    (no exception), and keeps the order of floating-point operations as written (no
    ``fastmath``), so that results are equal to the bit in every run on the same machine.

    Parameters
    ----------
    function : callable
        Function in numba's nopython subset. Its callees must lie in the same file:
        the cache is renewed when that file changes, not when another one does.

    Returns
    -------
    callable
        The compiled function, with the same signature.
    """
    try:
        compile_ = njit(cache=True, nogil=True, error_model="numpy")
        return cast(Function, compile_(function))
    except RuntimeError:  # no folder can be written, as in a read-only image
        compile_ = njit(nogil=True, error_model="numpy")
        return cast(Function, compile_(function))
