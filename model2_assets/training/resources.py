"""Cores and memory that this process may use, and what its steps cost."""

import ctypes
import logging
import math
import os
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

    The smallest of the machine's cores, the CPU affinity of the process and the CPU quota of
    its control groups, rounded up. A container of two cores on a machine of 64 gives 2.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # Linux
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    for folder in _control_groups():
        of_version_2 = _words(folder / "cpu.max")
        of_version_1 = _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
        for quota, period in (words for words in (of_version_2, of_version_1) if len(words) == 2):
            if quota.isdigit() and int(quota) > 0:  # neither max nor -1
                cores = min(cores, math.ceil(int(quota) / int(period)))
    return cores


def usable_memory() -> int:
    """Return how much memory this process can have before the system ends it, in bytes.

    The smaller of the machine's memory and the limit of its control groups.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for folder in _control_groups():
        for name in ("memory.max", "memory.limit_in_bytes"):
            for limit in _words(folder / name):
                if limit.isdigit():  # not max; version 1 states a number beyond any memory
                    memory = min(memory, int(limit))
    return memory


def _control_groups() -> list[Path]:
    """List folders of the process's groups and all their ancestors, versions 1 and 2: cgroups(7).

    Some may not exist: a container may see its own group as the root.
    """
    folders = []
    for line in _lines(PROC_CGROUP):
        _, controllers, group = line.split(":", 2)
        mounts = [controllers, *controllers.split(",")] if controllers else [".", "unified"]
        path = Path(group.lstrip("/"))
        for mount in dict.fromkeys(mounts):
            folders += [CGROUP_ROOT / mount / part for part in (path, *path.parents)]
    return folders


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


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
    shape: tuple[int, int], n_jobs: int, fit_bytes_per_value: float
) -> float:
    """Estimate the peak resident memory of cross-validation, in bytes above what is measured.

    The interpreter, the float32 matrix of that shape that is mapped into memory, labels and
    roles of its rows, and for each of `n_jobs` splits fitted at once the trainer's working
    memory on at most all rows: its `BaseModelTrainer.fit_bytes_per_value`, over its date stride.
    """
    n_rows, n_features = shape
    of_a_value = 4 + n_jobs * fit_bytes_per_value
    return _BASELINE_BYTES + n_rows * _BYTES_PER_ROW + n_rows * n_features * of_a_value


def fits_in_memory(
    wanted: int, shape: tuple[int, int], fit_bytes_per_value: float, max_rss_gb: float | None
) -> int:
    """Return how many fits at once memory allows, up to as many as are wanted; at least one.

    So many that `estimate_training_bytes` stays within `max_rss_gb` (10^9 bytes), by default 75%
    of `usable_memory`. Where not even one does, an error gives the numbers.
    """
    if max_rss_gb is not None:
        limit, allowance = max_rss_gb * 1e9, f"execution.max_rss_gb allows {max_rss_gb:g} GB"
    else:
        limit = _USABLE_SHARE * usable_memory()
        allowance = (
            f"{_USABLE_SHARE:.0%} of the memory of this machine or container is "
            f"{limit / 1e9:.1f} GB (execution.max_rss_gb sets another limit)"
        )
    needs = [estimate_training_bytes(shape, n + 1, fit_bytes_per_value) for n in range(wanted)]
    n_jobs = sum(need <= limit for need in needs)
    if not n_jobs:
        raise TrainingError(
            f"training on {shape[0]} rows of {shape[1]} features needs about "
            f"{needs[0] / 1e9:.1f} GB, and {allowance}; raise the limit, or train on fewer "
            f"instruments or dates"
        )
    if n_jobs < wanted:
        logger.warning(
            "%d splits are fitted at once instead of %d: %d would need about %.1f GB, and %s",
            n_jobs,
            wanted,
            wanted,
            needs[-1] / 1e9,
            allowance,
        )
    return n_jobs


_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")

_open: "list[ResourceUsage]" = []
_lock = threading.Lock()


@dataclass(eq=False)
class ResourceUsage:
    """What a block of code cost: wall time, and the process's largest resident memory meanwhile.

    Complete once the block is left. Where the system cannot reset its mark (not Linux), the
    memory is the largest since the process started.
    """

    seconds: float = 0.0
    peak_rss_bytes: int = 0


@contextmanager
def measure_resources() -> Iterator[ResourceUsage]:
    """Measure wall time and peak resident memory of a block, also if it fails; blocks may nest.

    Writing 5 resets the peak that ``VmHWM`` states, see proc_pid_clear_refs(5).
    """
    usage = ResourceUsage()
    started = time.monotonic()
    with _lock:
        _note_peak()
        _open.append(usage)
        with suppress(OSError):
            _CLEAR_REFS.write_text("5", encoding="ascii")
    try:
        yield usage
    finally:
        with _lock:
            _note_peak()
            _open.remove(usage)
        usage.seconds = time.monotonic() - started


def _note_peak() -> None:
    """Note the mark in every open measurement, before anyone resets it."""
    peak = _peak_rss_bytes()
    for usage in _open:
        usage.peak_rss_bytes = max(usage.peak_rss_bytes, peak)


def _peak_rss_bytes() -> int:
    for line in _lines(_STATUS):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def release_unused_memory() -> None:
    """Hand freed memory back, of which allocators keep a part for later.

    The steps of a run share a process, so what allocators keep after one step would count in
    the peak of every later one. Trims Arrow's pool and, where it is glibc's, the heap.
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


def total_costs(costs: "pd.DataFrame") -> tuple[float, float, tuple[str, ...]]:
    """Add up a table of costs, see `COLUMNS`, of steps executed one after another.

    Returns hours of wall time, the largest resident memory of any step (10^9 bytes), and the
    names of what is not counted, such as ``features`` or ``oof_paths (2 partitions)``.
    """
    seconds = costs[["load_seconds", "seconds", "write_seconds"]].sum().sum()
    missing = costs[costs["seconds"].isna()]
    unknown = tuple(
        f"{asset} ({len(rows)} partitions)" if (rows["partition"] != "").all() else str(asset)
        for asset, rows in missing.groupby("asset", sort=False)
    )
    return float(seconds) / 3600, float(costs["peak_rss_mb"].fillna(0).max()) / 1e3, unknown
