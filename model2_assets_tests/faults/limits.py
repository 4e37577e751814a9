"""What the system can refuse to a retrain: space, writing, memory."""

import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MB = 10**6


@contextmanager
def small_disk(folder: Path, *, megabytes: int) -> Iterator[Path]:
    """Mount a disk of a few 10^6 bytes on a folder.

    Raises
    ------
    PermissionError
        If this process may not mount.
    """
    folder.mkdir()
    options = f"size={megabytes * MB}"
    _mount("-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path, *, leaving: int) -> Path:
    """Fill a disk but for some bytes; return the file that fills it."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        file.write(bytes(shutil.disk_usage(disk).free - leaving))
    return filler


@contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """Have a mounted disk refuse to be written while the block runs."""
    _mount("-o", "remount,ro", str(disk))
    try:
        yield
    finally:
        _mount("-o", "remount,rw", str(disk))


def little_memory() -> None:
    """Limit this process to 80 MB of address space beyond what it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 80 * MB
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def little_memory_from_here() -> None:
    """Have a retrain, once it has looked at its limits, go on with as little memory."""
    from model2_assets.cli import gate

    require = gate.require_address_space

    def require_and_limit() -> None:
        require()
        little_memory()

    gate.require_address_space = require_and_limit


def _mount(*arguments: str) -> None:
    try:
        subprocess.run(["mount", *arguments], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise PermissionError(f"this process may not mount: {error}") from error
