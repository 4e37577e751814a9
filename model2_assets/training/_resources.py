"""What a step of work costs, and how much of it fits in memory at once."""

import logging
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from model2_assets.errors import TrainingError
from model2_assets.training._turns import tasks_at_once
from model2_assets.training._usable_memory import usable_memory

logger = logging.getLogger(__name__)

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
_HIGH_WATER_MARK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)

_BASELINE_BYTES = 400_000_000
"""An interpreter with pandas, scikit-learn and XGBoost loaded."""

_BYTES_PER_ROW = 300
"""Of rows, labels and roles, and of finding the rows of one table in another."""

_DEFAULT_FIT_BYTES_PER_VALUE = 32

_USABLE_SHARE = 0.75
"""Of the memory, where the configuration sets no limit; the rest is the system's."""

_active: "list[ResourceUsage]" = []
_lock = threading.Lock()


@dataclass
class ResourceUsage:
    """What a block of code cost; complete once the block is left.

    Attributes
    ----------
    seconds : float
        Wall time.
    peak_rss_bytes : int
        Largest resident memory of the whole process while the block ran, bytes. Where
        the system cannot reset its mark (not Linux), the largest since the process
        started.
    """

    seconds: float = 0.0
    peak_rss_bytes: int = 0


@contextmanager
def measure_resources() -> Iterator[ResourceUsage]:
    """Measure wall time and peak resident memory of a block; blocks may nest.

    Yields
    ------
    ResourceUsage
        Filled when the block is left, also by an exception.

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
            _CLEAR_REFS.write_text(_RESET_PEAK, encoding="ascii")
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
    try:
        match = _HIGH_WATER_MARK.search(_STATUS.read_text(encoding="ascii"))
    except OSError:
        match = None
    if match is not None:
        return int(match.group(1)) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def estimate_training_bytes(
    n_rows: int,
    n_features: int,
    n_jobs: int,
    *,
    fit_bytes_per_value: float = _DEFAULT_FIT_BYTES_PER_VALUE,
) -> int:
    """Estimate the peak resident memory of cross-validation.

    The interpreter, the float32 matrix that is mapped into memory, labels and roles of its
    rows, and for every split fitted at once the trainer's working memory on at most all rows.

    Parameters
    ----------
    n_rows, n_features : int
        Shape of the feature matrix.
    n_jobs : int
        Splits in memory at once.
    fit_bytes_per_value : float, default 32
        `BaseModelTrainer.fit_bytes_per_value` of the trainer, over its date stride.

    Returns
    -------
    int
        Bytes; meant to be above what is measured.

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
    n_splits: int | None = None,
    fit_bytes_per_value: float = _DEFAULT_FIT_BYTES_PER_VALUE,
) -> int:
    """Lower the number of splits fitted at once until the estimate fits in memory.

    Parameters
    ----------
    n_jobs : int
        Splits wanted at once.
    n_rows, n_features : int
        Shape of the feature matrix.
    max_rss_gb : float or None
        Limit in 10^9 bytes; None: 75% of what `usable_memory` returns.
    n_splits : int, optional
        All splits: the last of them take turns, so some more than `n_jobs` may be in memory.
    fit_bytes_per_value : float, default 32
        `BaseModelTrainer.fit_bytes_per_value` of the trainer, over its date stride.

    Returns
    -------
    int
        The largest number of splits up to `n_jobs` that fits.

    Raises
    ------
    TrainingError
        If not even one fits; the message gives the numbers.
    """
    limit = _limit_bytes(max_rss_gb)
    if limit is None:
        return n_jobs

    def estimate(jobs: int) -> int:
        at_once = jobs if n_splits is None else tasks_at_once(n_splits, jobs)
        return estimate_training_bytes(
            n_rows, n_features, at_once, fit_bytes_per_value=fit_bytes_per_value
        )

    fitting = [jobs for jobs in range(1, n_jobs + 1) if estimate(jobs) <= limit]
    if not fitting:
        raise TrainingError(
            f"training on {n_rows} rows of {n_features} features needs about "
            f"{estimate(1) / 1e9:.1f} GB, and {_allowance(max_rss_gb, limit)}; raise the limit, "
            f"or train on fewer instruments or dates"
        )
    if fitting[-1] < n_jobs:
        logger.warning(
            "%d splits are fitted at once instead of %d: %d would need about %.1f GB, and %s",
            fitting[-1],
            n_jobs,
            n_jobs,
            estimate(n_jobs) / 1e9,
            _allowance(max_rss_gb, limit),
        )
    return fitting[-1]


def _limit_bytes(max_rss_gb: float | None) -> float | None:
    if max_rss_gb is not None:
        return max_rss_gb * 1e9
    usable = usable_memory()
    return None if usable is None else _USABLE_SHARE * usable


def _allowance(max_rss_gb: float | None, limit: float) -> str:
    if max_rss_gb is not None:
        return f"execution.max_rss_gb allows {max_rss_gb:g} GB"
    return (
        f"{_USABLE_SHARE:.0%} of the memory of this machine or container is {limit / 1e9:.1f} GB "
        f"(execution.max_rss_gb sets another limit)"
    )
