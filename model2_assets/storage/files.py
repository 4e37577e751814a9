"""Atomic writes: a reader sees the whole old file or the whole new one.

Whoever writes a temporary file, or works in a scratch folder, holds a lock on it. The system
lets go of a lock when the process ends, however it ends. So a temporary file that nobody holds
is one that a killed process left, and whoever comes next may remove it.
"""

import errno
import fcntl
import logging
import os
import shutil
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from upath import UPath

from model2_assets.errors import StoreError

logger = logging.getLogger(__name__)

TEMPORARY_PREFIX = ".tmp-"
SCRATCH_PREFIX = "model2-assets-scratch-"

_ABANDONED_AFTER_S = 86_400
"""Age in seconds at which a temporary file is abandoned where the disk knows no locks."""

_WRITABLE = "make the base path writable, or name another by MODEL2_STORAGE"
_REMEDIES = {
    errno.ENOSPC: "free some space on its disk",
    errno.EDQUOT: "free some space within your quota",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EROFS: _WRITABLE,
    errno.EACCES: _WRITABLE,
    errno.EPERM: _WRITABLE,
}

_held = threading.local()
"""Lock files that the thread holds; it may hold what it holds already."""


def write_atomically(path: UPath, data: bytes) -> None:
    """Replace a file's content in one step; missing folders are created.

    On a local disk the bytes go to a temporary name beside the target, are flushed to
    the device and then renamed over it. An object store replaces an object in a
    single request, so there the bytes are put directly.
    """
    if not is_local(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return
    with temporary_file(path) as temporary:
        temporary.write_bytes(data)
        publish(temporary, path)


@contextmanager
def temporary_file(path: UPath) -> Iterator[Path]:
    """Create an empty file on a local disk that `publish` puts in the place of another.

    It is beside the target or, where that is in an object store, among the system's temporary
    files. It is held until the block ends, and removed then if it still has that name. Write to
    it; do not replace it by another.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_local(path):
        with temporary_beside(Path(path.path)) as temporary:
            yield temporary
        return
    with scratch_folder() as folder:
        (folder / path.name).touch()
        yield folder / path.name


def publish(temporary: Path, path: UPath) -> None:
    """Put what `temporary_file` gave for a path in its place, in one step."""
    if not is_local(path):
        path.fs.put_file(str(temporary), path.path)
        return
    flush_to_device(temporary)
    temporary.replace(path.path)


@contextmanager
def temporary_beside(target: Path) -> Iterator[Path]:
    """Create an empty temporary file in the folder of another; it is held as `temporary_file`."""
    descriptor, temporary = _claim_temporary(target)
    try:
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Create a folder among the system's temporary files that goes when the block ends."""
    descriptor, folder = _claim_scratch()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def remove_abandoned(folder: Path) -> int:
    """Remove temporary files that killed processes left in a folder and below; return how many.

    What another process is writing stays; so does, for a day, what is on a disk that knows no
    locks.
    """
    return sum(_remove_if_abandoned(path) for path in folder.rglob(f"{TEMPORARY_PREFIX}*"))


def remove_abandoned_scratch() -> int:
    """Remove scratch folders that killed processes left; return how many."""
    folders = Path(tempfile.gettempdir()).glob(f"{SCRATCH_PREFIX}*")
    return sum(_remove_if_abandoned(folder) for folder in folders)


@contextmanager
def storing(path: UPath | Path) -> Iterator[None]:
    """Have an OSError in writing a result become a StoreError: one sentence with a remedy."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        remedy = _REMEDIES.get(error.errno or 0, "mend the cause")
        raise StoreError(
            f"{path}: cannot be written ({reason}); {remedy}, then run again: the last good "
            f"result stays"
        ) from error


def flush_to_device(path: Path) -> None:
    """Have a file's bytes on the device, so that a power cut cannot lose them."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link_atomically(source: UPath | Path, target: UPath) -> None:
    """Replace a file by another one, in one step and at no space where the disk can link.

    On a local disk the target becomes a hard link to the source, which is never changed in
    place, or a copy where links are not supported; in an object store it is a second object.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if not is_local(target):
        target.write_bytes(source.read_bytes())
        return
    file, origin = Path(target.path), Path(str(source))
    temporary = _temporary_name(file)
    descriptor = os.open(origin, os.O_RDWR)
    try:
        # The new name is one of the same file, so it is held from the moment that it is there,
        # by this or, where it is a temporary file of ours, by whoever made that.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            os.link(origin, temporary)
        except OSError:
            write_atomically(target, origin.read_bytes())
            return
        try:
            temporary.replace(file)
        finally:
            with suppress(OSError):
                # Renaming one link over another of the same file does nothing, and leaves both.
                temporary.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def is_local(path: UPath) -> bool:
    """Tell whether a path is on a local disk, where a rename is atomic."""
    return path.protocol in ("", "file", "local")


def _temporary_name(target: Path) -> Path:
    return target.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}-{target.name}")


def _claim_temporary(target: Path) -> tuple[int, Path]:
    while True:
        temporary = _temporary_name(target)
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if _is_held(descriptor):
            return descriptor, temporary
        os.close(descriptor)


def _claim_scratch() -> tuple[int, Path]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX))
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # another process took it for abandoned before it was held
            continue
        if _is_held(descriptor):
            return descriptor, folder
        os.close(descriptor)


def _is_held(descriptor: int) -> bool:
    """Lock what has just been made; False if it was taken for abandoned before that."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a disk without locks: its age protects it
        return True
    return os.fstat(descriptor).st_nlink > 0


def _remove_if_abandoned(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except OSError:
        return False
    try:
        if not _is_abandoned(descriptor):
            return False
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _is_abandoned(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return os.fstat(descriptor).st_mtime < time.time() - _ABANDONED_AFTER_S
    return True


@contextmanager
def locked(path: Path, what: str, *, shared: bool) -> Iterator[None]:
    """Hold a lock file, alone or with others; waits, and says for whom, where somebody has it.

    The system lets go of a lock when a process ends, however it ends: none is ever stale, and a
    lock file without a holder means nothing.
    """
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
