"""Whether a process may map as much memory as a retrain maps."""

import resource

from model2_assets.errors import ConfigError

LEAST_BYTES = 4_000_000_000
"""Address space of the retrain of a small region: libraries, stacks and pools of threads. Most
of it is never used."""


def require_address_space() -> None:
    """Refuse a limit on address space under which threads could not be started.

    Where a thread has no memory to begin with, the C library ends the process with no word of
    ours, so this is found out before there is work to lose.

    Raises
    ------
    ConfigError
        If the limit (``RLIMIT_AS``) is below `LEAST_BYTES`.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_BYTES:
        raise ConfigError(
            f"the address space of this process is limited to {limit / 1e9:.1f} GB (ulimit -v), "
            f"and a retrain maps {LEAST_BYTES / 1e9:.0f} GB, most of which it never uses; raise "
            f"the limit, and limit memory by a control group or execution.max_rss_gb instead"
        )
