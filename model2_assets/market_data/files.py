"""Input files behind one path: a single file, a folder or a glob, local or at a URL."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any

import fsspec
from fsspec.core import url_to_fs
from fsspec.utils import infer_compression

from model2_assets.config import MarketDataConfig
from model2_assets.errors import MarketDataError
from model2_assets.market_data.bars import reason
from model2_assets.storage.record import document_digest

SUFFIXES = {
    "csv": (".csv", ".csv.gz", ".csv.bz2", ".csv.xz", ".csv.zst", ".csv.zip"),
    "parquet": (".parquet", ".pq"),
}
"""Endings of the files of a folder that count, by source."""

_STAMPS = (
    *("ETag", "etag", "md5Hash", "mtime"),
    *("LastModified", "last_modified", "updated", "created"),
)
"""What file systems call the entity tag or the time of the last change, most telling first."""


@dataclass(frozen=True)
class InputFile:
    """One file of a source."""

    name: str
    """Local path or URL; what messages call the file."""
    stamp: str
    """Size in bytes, and the time of the last change or the entity tag, as far as the file system
    tells them; differs once the file has changed."""

    @property
    def stem(self) -> str:
        """File name without suffixes of format and compression: ``BRK.B`` of ``BRK.B.csv.gz``."""
        stem = PurePosixPath(self.name).stem
        return PurePosixPath(stem).stem if infer_compression(self.name) else stem

    def open(self) -> AbstractContextManager[IO[bytes]]:
        """Open the file for reading bytes, without the compression that its suffix tells of."""
        opened: AbstractContextManager[IO[bytes]]
        if self.name.lower().endswith(".zip"):
            # By itself, fsspec reads the first of the files in an archive.
            members = fsspec.open_files(f"zip://**::{self.name}", "rb")
            if len(members) != 1:
                raise MarketDataError(
                    f"{self.name}: holds {len(members)} files, not one; unpack it, and name the "
                    f"folder"
                )
            opened = members[0]
        else:
            opened = fsspec.open(self.name, "rb", compression="infer")
        return opened


def list_files(
    path: str, *, suffixes: Sequence[str], key: str = "market_data.path"
) -> list[InputFile]:
    """List the files that a path stands for, by name: of a file, a folder, or a glob.

    A relative path starts at the working directory; a URL is one that fsspec knows. A file or
    glob named by the user counts whatever its ending. ``key`` is what gave the path, for messages.
    """
    try:
        file_system, inner_path = url_to_fs(path)
        file_system.invalidate_cache()
        entries = _entries(file_system, inner_path, suffixes)
    except ImportError as error:
        raise MarketDataError(
            f"{path}: {error}; install that package, or copy the files to a local folder"
        ) from error
    except Exception as error:  # those of an installed package's file system are its own
        raise MarketDataError(
            f"{path}: cannot be reached ({reason(error)}); correct {key} or the access rights"
        ) from error
    if not entries and file_system.isdir(inner_path):
        raise MarketDataError(
            f"{path}: the folder has no file that ends in {', '.join(suffixes)}; correct {key}"
        )
    if not entries:
        raise MarketDataError(
            f"{path}: no such file; correct {key} (a relative path starts at the working directory)"
        )
    is_local = isinstance(file_system, fsspec.get_filesystem_class("file"))
    return [
        InputFile(name if is_local else file_system.unstrip_protocol(name), _stamp(entry))
        for name, entry in sorted(entries.items())
    ]


def _entries(file_system: Any, path: str, suffixes: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    if file_system.isfile(path):
        return {path: file_system.info(path)}
    is_folder = file_system.isdir(path)
    if is_folder:
        found = {str(entry["name"]): entry for entry in file_system.ls(path, detail=True)}
    else:
        found = file_system.glob(path, detail=True)
    return {
        name: entry
        for name, entry in found.items()
        if entry["type"] == "file" and (not is_folder or _is_data_file(name, suffixes))
    }


def _is_data_file(name: str, suffixes: Sequence[str]) -> bool:
    base = PurePosixPath(name).name
    return base.lower().endswith(tuple(suffixes)) and not base.startswith((".", "_"))


def _stamp(entry: Mapping[str, Any]) -> str:
    changed = next((entry[name] for name in _STAMPS if entry.get(name) is not None), "")
    return f"{entry.get('size')} {changed}"


def list_universe_files(path: str) -> list[InputFile]:
    """List the files of a universe, which may be of any format."""
    suffixes = (*SUFFIXES["csv"], *SUFFIXES["parquet"])
    return list_files(path, suffixes=suffixes, key="market_data.universe")


@dataclass(frozen=True)
class InputFingerprint:
    """State of the files that market data are read from."""

    digest: str
    """Differs once a file is added, removed, or of another size, time of change or entity tag."""
    n_files: int


def fingerprint_inputs(config: MarketDataConfig) -> InputFingerprint | None:
    """Return the state of a source's files, those of the universe included; None without a file."""
    files = []
    if config.path is not None:
        files += list_files(config.path, suffixes=SUFFIXES[config.source])
    if config.universe is not None:
        files += list_universe_files(config.universe)
    if not files:
        return None
    stamps = {file.name: file.stamp for file in files}
    return InputFingerprint(digest=document_digest(stamps), n_files=len(files))
