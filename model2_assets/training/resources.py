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
from functools import cache
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

    The smallest of the machine's memory, the limit of its control groups, and the limit on data
    of the process itself (``ulimit -d``), which the pages of mapped files do not count against.
    """
    return min(_machine_memory(), _data_limit())


def _data_limit() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit


def _data_room() -> int:
    """Return how much of its limit on data the process has left, in bytes."""
    limit = _data_limit()
    if limit == sys.maxsize:
        return limit
    release_unused_memory()
    return max(limit - _status_bytes("VmData"), 0)


def _machine_memory() -> int:
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

_FIT_BYTES_PER_ROW = 75
"""Of a fit, beside what it needs for values: its rows, labels and gradients."""

USABLE_SHARE = 0.75
"""Of the memory, where the configuration sets no limit; the rest is the system's."""


def estimate_training_bytes(
    shape: tuple[int, int], n_jobs: int, fit_bytes_per_value: float, *, mapped: bool = True
) -> float:
    """Estimate the peak resident memory of cross-validation, in bytes above what is measured.

    The interpreter, the float32 matrix of that shape that is mapped into memory, labels and
    roles of its rows, and for each of `n_jobs` splits fitted at once the trainer's working
    memory on at most all rows: its `BaseModelTrainer.fit_bytes_per_value`, over its date stride.
    Without `mapped`, the matrix does not count: the system may take back pages of a file.
    """
    n_rows, n_features = shape
    of_a_value = 4 * mapped + n_jobs * fit_bytes_per_value
    return _BASELINE_BYTES + n_rows * _BYTES_PER_ROW + n_rows * n_features * of_a_value


@dataclass(frozen=True)
class FitMemory:
    """How many fits run at once, and whether in external memory: from files, a part at a time."""

    n_jobs: int
    external: bool = False


def fits_in_memory(
    wanted: int,
    shape: tuple[int, int],
    fit_bytes_per_value: float,
    max_rss_gb: float | None,
    *,
    external_bytes_per_value: float | None = None,
) -> FitMemory:
    """Return how many fits at once memory allows, up to as many as are wanted; at least one.

    So many that `estimate_training_bytes` stays within `max_rss_gb` (10^9 bytes), by default 75%
    of the memory of the machine and its control groups, and that what they need besides what the
    process has stays within its limit on data. Where not even one does, fits run in external
    memory, if the trainer knows how: `BaseModelTrainer.external_bytes_per_value`. The log says so,
    and where that does not fit either, an error gives the numbers.
    """

    def lack(n_jobs: int, of_a_value: float, *, mapped: bool) -> str:
        need = estimate_training_bytes(shape, n_jobs, of_a_value, mapped=mapped)
        working = n_jobs * shape[0] * (of_a_value * shape[1] + _FIT_BYTES_PER_ROW)
        return _lack(need, working, max_rss_gb)

    lacks = [lack(n + 1, fit_bytes_per_value, mapped=True) for n in range(wanted)]
    if not lacks[0]:
        n_jobs = lacks.count("")
        if n_jobs < wanted:
            logger.warning(
                "%d splits are fitted at once instead of %d: %d %s",
                n_jobs,
                wanted,
                wanted,
                lacks[-1].replace("needs", "would need", 1),
            )
        return FitMemory(n_jobs)
    what, reason = f"training on {shape[0]} rows of {shape[1]} features", lacks[0]
    if external_bytes_per_value is not None:
        lacks = [lack(n + 1, external_bytes_per_value, mapped=False) for n in range(wanted)]
        if not lacks[0]:
            keep_no_freed_memory()
            logger.warning(
                "fitting in external memory, %d at once: in memory, %s %s",
                lacks.count(""),
                what,
                reason,
            )
            return FitMemory(lacks.count(""), external=True)
        reason += f"; in external memory, it {lacks[0]}"
    raise TrainingError(f"{what} {reason}; raise the limit, or train on fewer instruments or dates")


def table_fits_in_memory(shape: tuple[int, int], max_rss_gb: float | None) -> bool:
    """Tell whether a float32 table of that shape can be made in memory; where not, logs why."""
    lack = _lack(estimate_training_bytes(shape, 1, 0), 4 * shape[0] * shape[1], max_rss_gb)
    if lack:
        keep_no_freed_memory()
        logger.warning(
            "features are made block by block, in files: in memory, a table of %s rows and %d "
            "features %s",
            f"{shape[0]:,}",
            shape[1],
            lack,
        )
    return not lack


def _lack(need: float, working: float, max_rss_gb: float | None) -> str:
    """Say why memory does not suffice for a need, some of it not had yet; empty if it does."""
    if max_rss_gb is not None:
        limit, allowance = max_rss_gb * 1e9, f"execution.max_rss_gb allows {max_rss_gb:g} GB"
    else:
        limit = USABLE_SHARE * _machine_memory()
        allowance = (
            f"{USABLE_SHARE:.0%} of the memory of this machine or container is "
            f"{limit / 1e9:.1f} GB (execution.max_rss_gb sets another limit)"
        )
    if need > limit:
        return f"needs about {need / 1e9:.1f} GB, and {allowance}"
    if working > (room := _data_room()):
        return (
            f"needs about {working / 1e9:.2f} GB besides what the process has, and its limit on "
            f"data (ulimit -d) of {_data_limit() / 1e9:.2f} GB leaves {room / 1e9:.2f} GB"
        )
    return ""


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


def _status_bytes(name: str) -> int:
    """Return an amount of memory that the system states of this process; 0 where it does not."""
    for line in _lines(_STATUS):
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def _peak_rss_bytes() -> int:
    if stated := _status_bytes("VmHWM"):
        return stated
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_LARGE_BYTES = 32 * 1024


@cache
def keep_no_freed_memory() -> None:
    """Have glibc hand every large array back once it is freed: mallopt(3).

    By default it soon allocates arrays of up to 32 MiB in heaps, where what is small and stays
    keeps it from handing back the holes between: of 840,000 rows, 600 MB of them in a retrain.
    New pages for every array take time, so this is for where memory is short.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_ARENA_MAX, 2)


def release_unused_memory() -> None:
    """Hand freed memory back, of which allocators keep a part for later.

    The steps of a run share a process, so what allocators keep after one step would count in
    the peak of every later one. Trims Arrow's pool and, where it is glibc's, the heap. Under a
    limit on data, nothing large is kept from now on.
    """
    if _data_limit() < sys.maxsize:
        keep_no_freed_memory()
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
