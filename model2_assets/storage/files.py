"""Atomic writes: a reader sees the whole old file or the whole new one.

Whoever writes a temporary file, or works in a scratch folder, holds a lock on it. The system
lets go of a lock when the process ends, however it ends. So a temporary file that nobody holds
is one that a killed process left, and whoever comes next may remove it.
"""

import errno
import fcntl
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from upath import UPath

from model2_assets.errors import StoreError

TEMPORARY_PREFIX = ".tmp-"
SCRATCH_PREFIX = "model2-assets-scratch-"

_ABANDONED_AFTER_S = 86_400
"""Age in seconds at which a temporary file is abandoned where the disk knows no locks."""

_REMEDIES = {
    errno.ENOSPC: "free some space on its disk",
    errno.EDQUOT: "free some space within your quota",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EROFS: "make the base path writable, or name another by MODEL2_STORAGE",
    errno.EACCES: "make the base path writable, or name another by MODEL2_STORAGE",
    errno.EPERM: "make the base path writable, or name another by MODEL2_STORAGE",
}


def write_atomically(path: UPath, data: bytes) -> None:
    """Replace a file's content in one step.

    On a local disk the bytes go to a temporary name beside the target, are flushed to
    the device and then renamed over it. An object store replaces an object in a
    single request, so there the bytes are put directly.

    Parameters
    ----------
    path : UPath
        The file to create or replace; missing folders are created.
    data : bytes
        Its whole content.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written; the old file is intact.
    """
    if not is_local(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return
    with replaced_atomically(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replaced_atomically(path: UPath) -> Iterator[Path]:
    """Replace a file in one step by one that is written bit by bit, never held in memory.

    Parameters
    ----------
    path : UPath
        The file to create or replace; missing folders are created.

    Yields
    ------
    Path
        A file to write on a local disk: beside the target, or in the system's folder of
        temporary files, from which it is then put where the target is. Where the block
        raises, nothing is replaced.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written; the old file is intact.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not is_local(path):
        with scratch_folder() as folder:
            yield folder / path.name
            path.fs.put_file(str(folder / path.name), path.path)
        return
    target = Path(path.path)
    with temporary_beside(target) as temporary:
        yield temporary
        flush_to_device(temporary)
        temporary.replace(target)


@contextmanager
def temporary_beside(target: Path) -> Iterator[Path]:
    """Create an empty temporary file that becomes another one by a rename.

    Parameters
    ----------
    target : Path
        What it is to become, in a folder that exists.

    Yields
    ------
    Path
        The temporary file, in the same folder. It is held until the block ends, and removed
        then if it still has that name. Write to it; do not replace it by another.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written.
    """
    descriptor, temporary = _claim_temporary(target)
    try:
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Create a folder among the system's temporary files that goes when the block ends.

    Yields
    ------
    Path
        The folder, held until the block ends.

    Raises
    ------
    OSError
        If the disk is full or the folder for temporary files cannot be written.
    """
    descriptor, folder = _claim_scratch()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def remove_abandoned(folder: Path) -> int:
    """Remove temporary files that killed processes left.

    Parameters
    ----------
    folder : Path
        Where to look, and in all folders below.

    Returns
    -------
    int
        Files removed. What another process is writing stays; so does, for a day, what is on a
        disk that knows no locks.
    """
    return sum(_remove_if_abandoned(path) for path in folder.rglob(f"{TEMPORARY_PREFIX}*"))


def remove_abandoned_scratch() -> int:
    """Remove scratch folders that killed processes left; return how many."""
    folders = Path(tempfile.gettempdir()).glob(f"{SCRATCH_PREFIX}*")
    return sum(_remove_if_abandoned(folder) for folder in folders)


@contextmanager
def storing(path: UPath | Path) -> Iterator[None]:
    """Have an error of the system in writing a result become one sentence with a remedy.

    Parameters
    ----------
    path : UPath or Path
        The result.

    Raises
    ------
    StoreError
        In place of an OSError.
    """
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
    """Have a file's bytes on the device, so that a power cut cannot lose them.

    Raises
    ------
    OSError
        If the device cannot take them.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link_atomically(source: UPath, target: UPath) -> None:
    """Replace a file by another one, in one step and at no space where the disk can link.

    Parameters
    ----------
    source : UPath
        A file that is never changed in place.
    target : UPath
        What becomes equal to it, under the same base path; missing folders are created. On a
        local disk it is a hard link, or a copy where links are not supported; in an object
        store it is a second object.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written; the old file is intact.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if not is_local(target):
        target.write_bytes(source.read_bytes())
        return
    file = Path(target.path)
    temporary = _temporary_name(file)
    descriptor = os.open(source.path, os.O_RDWR)
    try:
        # The new name is one of the same file, so it is held from the moment that it is there.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            os.link(source.path, temporary)
        except OSError:
            write_atomically(target, source.read_bytes())
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
