"""Work shared out to threads in fixed chunks, so that results do not depend on their number."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import joblib


def for_each_chunk(
    task: Callable[[int, int], None], n_items: int, *, chunk_size: int, n_threads: int | None
) -> None:
    """Call a task for consecutive chunks of items.

    Parameters
    ----------
    task : callable
        Called as ``task(first, stop)``. Calls must write to disjoint memory, and
        gain from threads as far as they release the interpreter lock.
    n_items : int
        Number of items.
    chunk_size : int
        Items per call; the last call may get fewer.
    n_threads : int or None
        Calls at once; None: one per usable core.
    """
    chunks = [(first, min(first + chunk_size, n_items)) for first in range(0, n_items, chunk_size)]
    n_workers = min(n_threads or joblib.cpu_count(), len(chunks))
    if n_workers <= 1:
        for first, stop in chunks:
            task(first, stop)
        return
    with ThreadPoolExecutor(n_workers) as pool:
        for future in [pool.submit(task, first, stop) for first, stop in chunks]:
            future.result()
