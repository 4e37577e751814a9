"""Working files: what can be made again at any time, kept on a local disk to save the time."""

import hashlib
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from upath import UPath

from model2_assets.storage.archive import VERSIONS
from model2_assets.storage.files import (
    TEMPORARY_PREFIX,
    flush_to_device,
    is_local,
    remove_abandoned,
    temporary_beside,
)
from model2_assets.storage.rejected import REJECTED

if TYPE_CHECKING:
    import pandas as pd


logger = logging.getLogger(__name__)

KEPT_KEYS = 2
"""Keys of a kind that stay, the ones used last."""

_FOLDER = "working_folder"
"""Key of ``DataFrame.attrs`` under which a stored table tells where working files belong."""

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class WorkingFiles:
    """Working files of one region, ``<folder>/<kind>/<key>``.

    Attributes
    ----------
    folder : Path or None
        A local folder, made when it is first needed; None keeps nothing.

    Notes
    -----
    After every write, the `keep` keys of the kind that were used last stay and the others
    are removed, and so are temporary files whose writer is gone. Whoever has mapped a removed
    file can go on reading it.
    """

    folder: Path | None

    def get(
        self,
        kind: str,
        key: str,
        *,
        write: Callable[[Path], None],
        read: Callable[[Path], _Value],
        keep: int = KEPT_KEYS,
    ) -> _Value | None:
        """Read a working file, after writing it if it is not there or not readable.

        Two processes may write the same file at once: each writes one of its own, and the
        last to finish replaces the other's, which has the same content.

        Parameters
        ----------
        kind : str
            What it is, such as ``features``; a folder.
        key : str
            Name of the file: a digest of everything that its content depends on, and a
            suffix such as ``.npy``.
        write : callable
            Writes the file at a given path that ends in `key`.
        read : callable
            Reads the file at a given path, or maps it; raises where it is damaged.
        keep : int, default 2
            Keys of this kind that stay.

        Returns
        -------
        object or None
            What `read` returns; None where nothing can be kept, because there is no folder,
            it cannot be written, or its disk is full. The last two are logged as a warning,
            once in a process.

        Raises
        ------
        Exception
            What `write` raises, other than OSError, and `read` of a file just written.

        Examples
        --------
        >>> import tempfile
        >>> working = WorkingFiles(Path(tempfile.mkdtemp()))
        >>> write = lambda path: path.write_text("sum: 3")
        >>> working.get("sums", "4f2a.txt", write=write, read=Path.read_text)
        'sum: 3'
        """
        if self.folder is None:
            return None
        path = self.folder / kind / key
        found = _read_if_there(path, read)
        return found if found is not None else _make(path, write, read, keep)

    def put(
        self, kind: str, key: str, *, write: Callable[[Path], None], keep: int = KEPT_KEYS
    ) -> None:
        """Write a working file, in place of the one that is there if there is one.

        For who has the content at hand and need not trust what is there. Parameters, warnings
        and errors are those of `get`.
        """
        if self.folder is not None:
            _make(self.folder / kind / key, write, lambda path: path, keep)


def note_working_files(frame: "pd.DataFrame", working: WorkingFiles) -> None:
    """Have a table tell where working files that are made of it belong."""
    if working.folder is not None:
        frame.attrs[_FOLDER] = str(working.folder)


def working_files_of(frame: "pd.DataFrame") -> WorkingFiles:
    """Return where working files that are made of a table belong.

    Parameters
    ----------
    frame : DataFrame
        Such as the features that a store has read.

    Returns
    -------
    WorkingFiles
        Those of the table's region; of a table from elsewhere, some that keep nothing.
    """
    folder = frame.attrs.get(_FOLDER)
    return WorkingFiles(Path(folder) if folder else None)


def _make(
    path: Path, write: Callable[[Path], None], read: Callable[[Path], _Value], keep: int
) -> _Value | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_beside(path) as temporary:
            write(temporary)
            flush_to_device(temporary)
            # Read before it gets its name: from then on another process may remove it.
            made = read(temporary)
            temporary.replace(path)
    except OSError as error:
        _warn_once(str(path.parent), str(error))
        return None
    _prune(path.parent, keep=keep)
    return made


def _read_if_there(path: Path, read: Callable[[Path], _Value]) -> _Value | None:
    try:
        found = read(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception as error:  # a damaged file can fail anywhere; it is made again
        logger.warning("%s: not readable (%s); making it again", path, error)
        return None
    with suppress(OSError):
        os.utime(path)
    return found


def _prune(folder: Path, *, keep: int) -> None:
    remove_abandoned(folder)
    files: list[tuple[float, Path]] = []
    for path in folder.iterdir():
        with suppress(OSError):
            if not path.name.startswith(TEMPORARY_PREFIX):
                files.append((path.stat().st_mtime, path))
    for _, path in sorted(files, reverse=True)[keep:]:
        with suppress(OSError):
            path.unlink()


@cache
def _warn_once(folder: str, reason: str) -> None:
    logger.warning("%s: no working file can be kept (%s); going on without", folder, reason)


WORKING = ".working"
LOCKS = ".locks"


def working_root(base: UPath, chosen: str | None) -> Path | None:
    """Return the local folder under which every region has its working files."""
    if chosen:
        return Path(chosen).expanduser().absolute() / _digest(str(base))
    if is_local(base):
        return Path(base.path) / WORKING
    home = os.environ.get("DAGSTER_HOME")
    return Path(home).absolute() / WORKING / _digest(str(base)) if home else None


def lock_folder(base: UPath, working: Path | None) -> Path | None:
    """Return the local folder of locks; None where there is none."""
    if is_local(base):
        return Path(base.path) / LOCKS
    return working / LOCKS if working else None


def local_folders(base: UPath, working: Path | None, region: str) -> list[Path]:
    """Return the local folders that files of a region are written to."""
    folders = [working / region] if working is not None else []
    if is_local(base):
        local = Path(base.path)
        folders += [local / region, local / VERSIONS / region, local / REJECTED / region]
    return folders


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
