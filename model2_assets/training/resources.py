"""Cores and memory that this process may use, and what its steps cost."""

import ctypes
import logging
import math
import os
import re
import resource
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_info

from model2_assets.errors import ConfigError, TrainingError

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

PROC_CGROUP = Path("/proc/self/cgroup")
CGROUP_ROOT = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Return the number of cores that this process can keep busy.

    The smallest of the machine's cores, the CPU affinity of the process and the CPU
    quota of its control groups (versions 1 and 2, every ancestor group counted), rounded
    up to whole cores. A container with a quota of two cores on a machine of 64 gives 2.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = min(cores, len(os.sched_getaffinity(0)))
    quota = cgroup_cpu_quota()
    if quota is not None:
        cores = min(cores, math.ceil(quota))
    return max(cores, 1)


def usable_memory() -> int | None:
    """Return how much memory this process can have before the system ends it, in bytes.

    The smaller of the machine's memory and the limit of its control groups (versions 1 and
    2, every ancestor group counted); None where the system does not tell.
    """
    known = [memory for memory in (_machine_memory(), cgroup_memory_limit()) if memory is not None]
    return min(known, default=None)


def _machine_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def cgroup_cpu_quota(*, membership: Path = PROC_CGROUP, root: Path = CGROUP_ROOT) -> float | None:
    """Return the tightest CPU quota of the process's control groups, in cores; None of none."""
    quotas = []
    for folder in _group_folders("cpu", membership=membership, root=root):
        of_version_2 = _words(folder / "cpu.max")
        of_version_1 = _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
        for quota, period in (words for words in (of_version_2, of_version_1) if len(words) == 2):
            if quota.isdigit() and int(quota) > 0:  # neither max nor -1
                quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def cgroup_memory_limit(*, membership: Path = PROC_CGROUP, root: Path = CGROUP_ROOT) -> int | None:
    """Return the tightest memory limit of the process's control groups, in bytes; None of none.

    Version 1 states a number beyond any memory where it has none: that is returned.
    """
    limits = [
        int(words[0])
        for folder in _group_folders("memory", membership=membership, root=root)
        for name in ("memory.max", "memory.limit_in_bytes")
        if (words := _words(folder / name)) and words[0].isdigit()
    ]
    return min(limits, default=None)


def _group_folders(controller: str, *, membership: Path, root: Path) -> list[Path]:
    """List the folders of the process's groups and their ancestors, see cgroups(7).

    Some may not exist: a container may see its own group as the root.
    """
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    folders = [root, root / controller]
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mounts = [controllers, controller] if controllers else [".", "unified"]
        relative = Path(group.lstrip("/"))
        for mount in mounts:
            folders += [root / mount / part for part in (relative, *relative.parents)]
    return list(dict.fromkeys(folders))


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []


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


LEAST_BYTES = 4_000_000_000
"""Address space of the retrain of a small region: libraries, stacks and pools of threads. Most
of it is never used."""


def require_address_space() -> None:
    """Refuse a limit on address space (``ulimit -v``) below `LEAST_BYTES` by a `ConfigError`.

    Where a thread has no memory to begin with, the C library ends the process with no word of
    ours, so this is found out before there is work to lose.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_BYTES:
        raise ConfigError(
            f"the address space of this process is limited to {limit / 1e9:.1f} GB (ulimit -v), "
            f"and a retrain maps {LEAST_BYTES / 1e9:.0f} GB, most of which it never uses; raise "
            f"the limit, and limit memory by a control group or execution.max_rss_gb instead"
        )


_BASELINE_BYTES = 400_000_000
"""An interpreter with pandas, scikit-learn and XGBoost loaded."""

_BYTES_PER_ROW = 300
"""Of rows, labels and roles, and of finding the rows of one table in another."""

_USABLE_SHARE = 0.75
"""Of the memory, where the configuration sets no limit; the rest is the system's."""


def estimate_training_bytes(
    n_rows: int, n_features: int, n_jobs: int, *, fit_bytes_per_value: float = 32
) -> int:
    """Estimate the peak resident memory of cross-validation, in bytes above what is measured.

    The interpreter, the float32 matrix that is mapped into memory, labels and roles of its
    rows, and for each of `n_jobs` splits fitted at once the trainer's working memory on at most
    all rows: its `BaseModelTrainer.fit_bytes_per_value`, over its date stride.

    Examples
    --------
    >>> estimate_training_bytes(1_000_000, 100, 2, fit_bytes_per_value=10)
    3100000000
    """
    values = n_rows * n_features
    fits = int(values * n_jobs * fit_bytes_per_value)
    return _BASELINE_BYTES + n_rows * _BYTES_PER_ROW + 4 * values + fits


def fit_n_jobs_to_memory(
    n_jobs: int,
    *,
    n_rows: int,
    n_features: int,
    max_rss_gb: float | None,
    fit_bytes_per_value: float = 32,
) -> int:
    """Lower the number of splits fitted at once until `estimate_training_bytes` fits in memory.

    That is `max_rss_gb` (10^9 bytes), by default 75% of what `usable_memory` returns. Where not
    even one fits, an error gives the numbers.
    """
    usable = usable_memory()
    if max_rss_gb is not None:
        limit, allowance = max_rss_gb * 1e9, f"execution.max_rss_gb allows {max_rss_gb:g} GB"
    elif usable is not None:
        limit = _USABLE_SHARE * usable
        allowance = (
            f"{_USABLE_SHARE:.0%} of the memory of this machine or container is "
            f"{limit / 1e9:.1f} GB (execution.max_rss_gb sets another limit)"
        )
    else:
        return n_jobs

    def estimate(jobs: int) -> int:
        return estimate_training_bytes(
            n_rows, n_features, jobs, fit_bytes_per_value=fit_bytes_per_value
        )

    fitting = [jobs for jobs in range(1, n_jobs + 1) if estimate(jobs) <= limit]
    if not fitting:
        raise TrainingError(
            f"training on {n_rows} rows of {n_features} features needs about "
            f"{estimate(1) / 1e9:.1f} GB, and {allowance}; raise the limit, or train on fewer "
            f"instruments or dates"
        )
    if fitting[-1] < n_jobs:
        logger.warning(
            "%d splits are fitted at once instead of %d: %d would need about %.1f GB, and %s",
            fitting[-1],
            n_jobs,
            n_jobs,
            estimate(n_jobs) / 1e9,
            allowance,
        )
    return fitting[-1]


_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
_HIGH_WATER_MARK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)

_active: "list[ResourceUsage]" = []
_lock = threading.Lock()


@dataclass
class ResourceUsage:
    """What a block of code cost: wall time, and the process's largest resident memory meanwhile.

    Complete once the block is left. Where the system cannot reset its mark (not Linux), the
    memory is the largest since the process started.
    """

    seconds: float = 0.0
    peak_rss_bytes: int = 0


@contextmanager
def measure_resources() -> Iterator[ResourceUsage]:
    """Measure wall time and peak resident memory of a block; blocks may nest.

    What is yielded is filled when the block is left, also by an exception.

    References
    ----------
    proc_pid_clear_refs(5): writing 5 resets the peak resident set size; ``VmHWM`` in
    proc_pid_status(5) reads it.

    Examples
    --------
    >>> with measure_resources() as usage:
    ...     total = sum(range(1000))
    >>> usage.peak_rss_bytes > 0
    True
    """
    usage = ResourceUsage()
    started = time.monotonic()
    with _lock:
        _fold_peak_into_active()
        _active.append(usage)
        with suppress(OSError):
            _CLEAR_REFS.write_text("5", encoding="ascii")
    try:
        yield usage
    finally:
        with _lock:
            _fold_peak_into_active()
            # By identity: two measurements may hold equal numbers.
            _active[:] = [other for other in _active if other is not usage]
        usage.seconds = time.monotonic() - started


def _fold_peak_into_active() -> None:
    """Note the mark in every open measurement, before anyone resets it."""
    peak = _peak_rss_bytes()
    for usage in _active:
        usage.peak_rss_bytes = max(usage.peak_rss_bytes, peak)


def _peak_rss_bytes() -> int:
    with suppress(OSError):
        if match := _HIGH_WATER_MARK.search(_STATUS.read_text(encoding="ascii")):
            return int(match.group(1)) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def release_unused_memory() -> None:
    """Hand freed memory back, of which allocators keep a part for later.

    The steps of a run share a process, so what allocators keep after one step would count in
    the peak of every later one. Trims Arrow's pool and, where the C library is glibc, its
    heap (malloc_trim(3)), which takes milliseconds; elsewhere the last part does nothing.
    """
    arrow = sys.modules.get("pyarrow")
    if arrow is not None:
        arrow.default_memory_pool().release_unused()
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


COLUMNS = ("asset", "partition", "load_seconds", "seconds", "write_seconds", "peak_rss_mb")
"""Columns of a table of costs, a row for every asset and partition: wall seconds of loading the
inputs, of the work itself and of publishing; peak resident memory, 10^6 bytes. The partition is
empty where an asset has none, costs are NaN where they are not known."""


@dataclass(frozen=True)
class RegionCosts:
    """Costs of a region's steps, executed one after another in one process.

    `hours` of wall time in all, the largest resident memory of any step (10^9 bytes), and the
    names of what is not counted, such as ``features`` or ``oof_paths (2 partitions)``.
    """

    hours: float
    peak_rss_gb: float
    unknown: tuple[str, ...]


def total_costs(costs: "pd.DataFrame") -> RegionCosts:
    """Add up a table of costs, see `COLUMNS`: those that are known, 0 where none is."""
    seconds = costs[["load_seconds", "seconds", "write_seconds"]].sum().sum()
    peak = costs["peak_rss_mb"].max()
    missing = costs[costs["seconds"].isna()]
    return RegionCosts(
        hours=float(seconds) / 3600,
        peak_rss_gb=0.0 if math.isnan(peak) else float(peak) / 1e3,
        unknown=tuple(
            f"{asset} ({len(rows)} partitions)" if (rows["partition"] != "").all() else str(asset)
            for asset, rows in missing.groupby("asset", sort=False)
        ),
    )
