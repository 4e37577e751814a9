"""Atomic writes: a reader sees the whole old file or the whole new one."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from upath import UPath

TEMPORARY_PREFIX = ".tmp-"


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
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder) / path.name
            path.fs.put_file(str(Path(folder) / path.name), path.path)
        return
    target = Path(path.path)
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}-{target.name}")
    try:
        yield temporary
        flush_to_device(temporary)
        temporary.replace(target)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


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
    temporary = file.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}-{file.name}")
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


def is_local(path: UPath) -> bool:
    """Tell whether a path is on a local disk, where a rename is atomic."""
    return path.protocol in ("", "file", "local")
