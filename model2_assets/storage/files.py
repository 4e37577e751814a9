"""Atomic writes: a reader sees the whole old file or the whole new one.

What is not whole yet is in a temporary folder, on which its writer holds a lock. The system lets
go of a lock when the process ends, however it ends. So a temporary folder that nobody holds is
one that a killed process left, and whoever comes next may remove it.
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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from upath import UPath

from model2_assets.errors import StoreError

logger = logging.getLogger(__name__)

TEMPORARY_PREFIX = ".tmp-model2-"
"""What the names of temporary folders begin with."""

ABANDONED_AFTER = timedelta(days=1)
"""Age at which what nobody can be known to write, or to need, is nobody's any more."""

_WRITABLE = "make the base path writable, or name another by MODEL2_STORAGE"
_REMEDIES = {
    errno.ENOSPC: "free some space on its disk",
    errno.EDQUOT: "free some space within your quota",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EROFS: _WRITABLE,
    errno.EACCES: _WRITABLE,
    errno.EPERM: _WRITABLE,
}


class ObjectStoreError(StoreError, OSError):
    """An object store refuses a request, or does not answer; `code` is the name of the reason."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code

    @property
    def is_refusal(self) -> bool:
        """Whether the credentials lack a permission."""
        return self.code in ("AccessDenied", "AllAccessDisabled", "403")


_held = threading.local()
"""Lock files that the thread holds; it may hold what it holds already."""


def write_atomically(path: UPath, data: bytes) -> None:
    """Replace a file's content in one step; missing folders are created."""
    if is_local(path):
        with temporary_file(path) as temporary:
            temporary.write_bytes(data)
            publish(temporary, path)
    else:  # one request replaces an object, so that an error cannot publish half of it
        make_folder(path.parent)
        path.fs.pipe_file(path.path, data)


@contextmanager
def temporary_file(path: UPath) -> Iterator[Path]:
    """Name a local file, not there yet, that `publish` puts in the place of another.

    It is in a temporary folder beside its place or, where that is in an object store, among the
    system's temporary files. It is gone when the block ends.
    """
    make_folder(path.parent)
    with scratch_folder(Path(path.path).parent if is_local(path) else None) as folder:
        yield folder / path.name


def publish(temporary: Path, path: UPath) -> None:
    """Put what `temporary_file` gave for a path in its place, in one step.

    Its bytes are on the device before, so that a power cut cannot lose them.
    """
    if not is_local(path):
        path.fs.put_file(str(temporary), path.path)
        return
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path.path)


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """Create a folder, by default among the system's temporary files; it goes with the block."""
    descriptor, folder = _claim(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def remove_abandoned(*folders: Path) -> int:
    """Remove temporary folders that killed processes left; return how many.

    They are looked for in the given folders and below, and among the system's temporary files.
    What another process is writing stays; so does, for a day, what is on a disk that cannot lock
    folders.
    """
    pattern = f"{TEMPORARY_PREFIX}*"
    found = [*Path(tempfile.gettempdir()).glob(pattern)]
    found += [path for folder in folders for path in folder.rglob(pattern)]
    return sum(map(_remove_if_abandoned, found))


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


def link_atomically(source: UPath | Path, target: UPath) -> None:
    """Replace a file by another one, in one step and at no space where the disk can link.

    On a local disk the target becomes a hard link to the source, which is never changed in
    place, or a copy where links are not supported; in an object store it is a second object.
    """
    if is_local(target):
        with suppress(OSError), temporary_file(target) as temporary:
            os.link(UPath(source).path, temporary)
            temporary.replace(target.path)
            return
    elif isinstance(source, Path):
        make_folder(target.parent)
        publish(source, target)
        return
    write_atomically(target, source.read_bytes())


def discard(path: UPath) -> None:
    """Remove a file or folder that nobody needs; where that fails, it stays and the log says so."""
    try:
        path.fs.rm(path.path, recursive=True)
    except FileNotFoundError:  # another process has removed it
        return
    except OSError as error:
        logger.warning("%s: cannot be removed (%s); remove it by hand", path, error)


def make_folder(path: UPath) -> None:
    """Make a folder, with those above it, where a store has folders."""
    if not is_s3(path):  # which would make a bucket
        path.mkdir(parents=True, exist_ok=True)


def is_s3(path: UPath) -> bool:
    """Tell whether a path is in a store that speaks the protocol of Amazon S3."""
    return path.protocol in ("s3", "s3a")


def is_local(path: UPath) -> bool:
    """Tell whether a path is on a local disk, where a rename is atomic."""
    return path.protocol in ("", "file", "local")


def _claim(parent: Path | None) -> tuple[int, Path]:
    """Create a folder and hold it, by the descriptor that is returned with it."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=parent))
        with suppress(FileNotFoundError):  # another process took it for abandoned at once
            descriptor = os.open(folder, os.O_RDONLY)
            if _lock_if_free(descriptor) is not False and folder.exists():
                return descriptor, folder
            os.close(descriptor)


def _remove_if_abandoned(folder: Path) -> bool:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        free = _lock_if_free(descriptor)
        if free is None:
            oldest = time.time() - ABANDONED_AFTER.total_seconds()
            free = os.fstat(descriptor).st_mtime < oldest
        if free:
            shutil.rmtree(folder)
        return free
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _lock_if_free(descriptor: int) -> bool | None:
    """Lock a folder, and tell whether nobody else had; None on a disk that knows no such locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
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


def signature() -> str:
    """Return who works on something from now on, for those who wait; it is no more than that."""
    return (
        f"process {os.getpid()} on {socket.gethostname()}, "
        f"which works on it since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    )


def _sign(descriptor: int) -> None:
    text = signature().encode()
    with suppress(OSError):
        os.pwrite(descriptor, text, 0)
        os.ftruncate(descriptor, len(text))


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 500, 0).decode(errors="replace") or "another process"
