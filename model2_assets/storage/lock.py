"""One writer at a time: who waits for whom when several processes work on one region.

A run of one partition holds that partition, and shares the region with runs of others. What
prepares or compares all partitions, a whole `model2 retrain` and a rollback hold the region.
So results that belong together are written by one process, from one configuration and one
state of the data. Who has to wait says for whom, and goes on as soon as the other has ended.

Locks are those of the system on files in ``<base>/.locks``. It lets go of them when a process
ends, however it ends: none is ever stale, and a lock file without a holder means nothing.
"""

import fcntl
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from model2_assets.storage.files import remove_abandoned, remove_abandoned_scratch, storing
from model2_assets.storage.store import Store

logger = logging.getLogger(__name__)

_held = threading.local()


@contextmanager
def hold_region(store: Store, region: str, *, partition: str | None = None) -> Iterator[None]:
    """Hold a region, or one of its partitions, while the block writes its results.

    What killed processes left of temporary files goes first.

    Parameters
    ----------
    store : Store
        Where results are. Those of an object store are held among the processes of a machine
        that have the same ``DAGSTER_HOME`` or ``execution.working_dir``, and of no others.
    region : str
        Its name.
    partition : str, optional
        Such as ``21d|ridge``: holds this partition, and shares the region with other ones.

    Raises
    ------
    StoreError
        If the base path cannot be written.

    Notes
    -----
    A thread may hold what it holds already: the runs of a retrain are within its own hold.
    """
    folder = store.lock_folder
    with ExitStack() as stack:
        if folder is not None:
            path = folder / f"{region}.lock"
            stack.enter_context(_locked(path, region, shared=partition is not None))
            if partition is not None:
                own = folder / f"{region}.{partition.replace('|', '.')}.lock"
                stack.enter_context(_locked(own, f"{region} {partition}", shared=False))
            _remove_leftovers(store, region)
        yield


@contextmanager
def share_region(store: Store, region: str) -> Iterator[None]:
    """Have nobody write results of a region while the block reads them.

    Where the base path cannot be written there is nobody to wait for.

    Parameters
    ----------
    store : Store
        Where results are.
    region : str
        Its name.
    """
    folder = store.lock_folder
    path = folder / f"{region}.lock" if folder is not None else None
    if path is None or not os.access(path, os.W_OK):
        yield
        return
    with _locked(path, region, shared=True):
        yield


@contextmanager
def _locked(path: Path, what: str, *, shared: bool) -> Iterator[None]:
    holds: set[Path] = _held.__dict__.setdefault("paths", set())
    if path in holds:
        yield
        return
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with storing(path):
            _lock(descriptor, what, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        holds.add(path)
        try:
            yield
        finally:
            holds.discard(path)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, what: str, mode: int) -> None:
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        logger.info("%s: waiting for %s", what, _holder(descriptor))
        fcntl.flock(descriptor, mode)
        logger.info("%s: going on", what)
    _sign(descriptor)


def _sign(descriptor: int) -> None:
    """Leave word of who holds a lock, for those who wait; it is no more than that."""
    text = (
        f"process {os.getpid()} on {socket.gethostname()}, "
        f"which works on it since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    )
    with suppress(OSError):
        os.pwrite(descriptor, text.encode(), 0)
        os.ftruncate(descriptor, len(text.encode()))


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 500, 0).decode(errors="replace") or "another process"


def _remove_leftovers(store: Store, region: str) -> None:
    removed = sum(remove_abandoned(folder) for folder in store.local_folders(region))
    removed += remove_abandoned_scratch()
    if removed:
        logger.info("%s: removed %d temporary files that a killed process left", region, removed)
