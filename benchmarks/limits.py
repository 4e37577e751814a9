"""What this machine can do at best: the yardsticks of what bounds the remaining time."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.inputs import Inputs
from benchmarks.outcome import Outcome
from benchmarks.sizes import N_FEATURES

_ROWS = 200_000
_BLOCK_ROWS = 4_096
_BINS = 256
_REPEATS = 5
_CORES = len(os.sched_getaffinity(0))


def run(inputs: Inputs) -> Outcome:  # noqa: ARG001 -- called as every program is
    """Measure memory bandwidth, products of matrices, and histograms of gradients.

    Parameters
    ----------
    inputs : Inputs
        Unused: the limits are the machine's.

    Returns
    -------
    Outcome
        Facts: ``copy_gb_s`` (bytes read and written), ``gram_gflop_s`` (XᵀX in float64,
        counted as n·p² multiply-adds, of which half are done), each on all cores; and
        ``histogram_ns``, of one value of one row on one core.
    """
    outcome = Outcome()
    outcome.facts["cores"] = _CORES
    with threadpool_limits(limits=1, user_api="blas"):
        outcome.facts["copy_gb_s"] = _copy_rate()
        outcome.facts["gram_gflop_s"] = _gram_rate()
    outcome.facts["histogram_ns"] = _histogram_time()
    return outcome


def _copy_rate() -> float:
    source = np.ones(64_000_000, dtype=np.float64)
    target = np.empty_like(source)
    parts = np.array_split(np.arange(len(source)), _CORES)

    def copy(core: int) -> None:
        part = slice(parts[core][0], parts[core][-1] + 1)
        target[part] = source[part]

    return 2 * source.nbytes / _on_all_cores(copy) / 1e9


def _gram_rate() -> float:
    block = np.random.default_rng(0).standard_normal((_BLOCK_ROWS, N_FEATURES + 1))
    per_core = 64

    def products(_core: int) -> None:
        for _ in range(per_core):
            block.T @ block

    flop: float = 2.0 * _CORES * per_core * block.shape[0] * block.shape[1] ** 2
    return flop / _on_all_cores(products) / 1e9


def _histogram_time() -> float:
    generator = np.random.default_rng(0)
    bins = generator.integers(0, _BINS, (_ROWS, N_FEATURES), dtype=np.uint8)
    gradients = generator.standard_normal((_ROWS, 2)).astype(np.float32)
    histogram = np.zeros((N_FEATURES, _BINS, 2))
    _add_up(bins[:10], gradients, histogram)
    seconds = _fastest(lambda: _add_up(bins, gradients, histogram))
    return 1e9 * seconds / float(bins.size)


@njit(nogil=True)
def _add_up(
    bins: NDArray[np.uint8], gradients: NDArray[np.float32], histogram: NDArray[np.float64]
) -> None:
    for row in range(bins.shape[0]):
        gradient, hessian = gradients[row, 0], gradients[row, 1]
        for feature in range(bins.shape[1]):
            value = bins[row, feature]
            histogram[feature, value, 0] += gradient
            histogram[feature, value, 1] += hessian


def _on_all_cores(work: Callable[[int], None]) -> float:
    with ThreadPoolExecutor(_CORES) as pool:
        return _fastest(lambda: list(pool.map(work, range(_CORES))))


def _fastest(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
