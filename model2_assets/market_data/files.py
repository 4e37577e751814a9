"""Input files behind one path: a single file, a folder or a glob, local or at a URL."""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from statistics import mode
from typing import IO, Any

import fsspec
import pyarrow as pa
import pyarrow.dataset as pa_dataset
from fsspec.core import has_magic, url_to_fs
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import glob_translate, infer_compression

from model2_assets.config import ExtraFeaturesConfig, MarketDataConfig, TableSource
from model2_assets.errors import MarketDataError
from model2_assets.market_data.bars import reason
from model2_assets.market_data.lakes import open_delta, refuse_parts

logger = logging.getLogger(__name__)

SUFFIXES = {
    "csv": (".csv", ".csv.gz", ".csv.bz2", ".csv.xz", ".csv.zst", ".csv.zip"),
    "parquet": (".parquet", ".pq"),
}
"""Endings of the files of a folder that count, by source."""

ANY_SUFFIX = (*SUFFIXES["csv"], *SUFFIXES["parquet"])
"""Those of files whose format their own ending tells."""

_STAMPS = (
    *("ETag", "etag", "md5Hash", "mtime"),
    *("LastModified", "last_modified", "updated", "created"),
)
"""What file systems call the entity tag or the time of the last change, most telling first."""

_NO_DATA = (".", "_", "~", "#", "lost+found")
"""How the names of hidden, unfinished and backup files and folders begin, and those of markers
such as ``_SUCCESS``."""

_OF_A_FOLDER = re.compile(r"([^/]*=[^/]*/)*[^/]+\Z")
_HIVE_KEY = re.compile(r"(?<![^/])([^/=]+)=[^/]*(?=/)")
_TOLD = 5


@dataclass(frozen=True)
class InputFile:
    """One file of a source."""

    name: str
    """Local path or URL; what messages call the file."""
    stamp: str
    """Size in bytes, and the time of the last change or the entity tag, as far as the file system
    tells them; differs once the file has changed."""
    is_delta: bool = False
    """Whether it is a Delta table, a folder."""

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
            members = [member for member in members if not _is_hidden(member.path)]
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
    path: str, *, suffixes: Sequence[str] = ANY_SUFFIX, key: str = "market_data.path"
) -> list[InputFile]:
    """List the files that a path stands for, by name: of a file, a folder, or a glob.

    A relative path starts at the working directory; a URL is one that fsspec knows. A file named
    by the user counts whatever its ending, and so does what a glob such as ``*.txt`` finds. A
    folder is its own files and those of its Hive folders (``year=2020``), or one Delta table.
    ``key`` is what gave the path, for messages.
    """
    try:
        file_system, inner_path = url_to_fs(path)
        file_system.invalidate_cache()
        files = _found(file_system, inner_path, suffixes)
        if not files:
            raise MarketDataError(f"{path}: {_why_none(file_system, inner_path, suffixes, key)}")
    except MarketDataError:
        raise
    except ImportError as error:
        raise MarketDataError(
            f"{path}: {error}; install that package, or copy the files to a local folder"
        ) from error
    except Exception as error:  # those of an installed package's file system are its own
        raise MarketDataError(
            f"{path}: cannot be reached ({reason(error)}); correct {key} or the access rights"
        ) from error
    return files


def _why_none(file_system: Any, path: str, suffixes: Sequence[str], key: str) -> str:
    for folder in filter(file_system.isdir, [path, *file_system.glob(path)]):
        entries = file_system.ls(folder, detail=True)
        names = [PurePosixPath(entry["name"]) for entry in entries if entry["type"] != "directory"]
        visible = [name.suffix for name in names if not _is_hidden(name.name)]
        ending = mode([ending for ending in visible if ending not in suffixes] or [""])
        sources = [f"source: {source}" for source in SUFFIXES if ending in SUFFIXES[source]]
        other = f", or {[*sources, f'/*{ending} after it'][0]} for those that end in {ending}"
        return (
            f"the folder has no file that ends in {', '.join(suffixes)}; correct {key}, or write "
            f"/**/*{suffixes[0]} after it for files of its folders{other if ending else ''}"
        )
    hint = "a relative path starts at the working directory"
    hint += "; in a glob, [[] stands for a bracket" if "[" in path else ""
    hint += "; of variables, $HOME alone is expanded" if "$" in path else ""
    return f"no such file; correct {key} ({hint})"


def _found(file_system: Any, path: str, suffixes: Sequence[str]) -> list[InputFile]:
    is_local = isinstance(file_system, LocalFileSystem)
    full_name = str if is_local else file_system.unstrip_protocol
    if file_system.isfile(path):
        folder = path.rpartition("/")[0]
        with suppress(OSError):  # a file may be readable in a folder that is not
            beside = file_system.ls(folder or "/", detail=False) if is_local else []
            refuse_parts(file_system, folder, beside, [path])
        return [InputFile(full_name(path), _stamp(file_system.info(path)))]
    folder, pattern = _split_glob(file_system, path)
    entries = _listing(file_system, folder, pattern)
    if not pattern and "_delta_log" in entries:
        table = open_delta(full_name(folder))
        version = f"{table.metadata().id} version {table.version()}"
        return [InputFile(full_name(folder), version, is_delta=True)]
    if is_local:
        _refuse_closed(entries, pattern)
    chosen = [entries[name] for name in sorted(_data_files(entries, pattern, suffixes))]
    parts = [entry["name"] for entry in chosen] + [f"{folder}/"] * (not pattern)
    refuse_parts(file_system, folder, [entry["name"] for entry in entries.values()], parts)
    targets = ((entry["name"], _target(file_system, entry)) for entry in chosen)
    return [
        InputFile(full_name(name), _stamp(entry))
        for name, entry in targets
        if entry["type"] == "file"
    ]


def _split_glob(file_system: Any, path: str) -> tuple[str, str]:
    """Return the folder that a glob starts in, whose name may have brackets, and the rest."""
    parts = path.split("/")
    n = 0
    while n < len(parts) and (
        not has_magic(parts[n]) or file_system.isdir("/".join(parts[: n + 1]))
    ):
        n += 1
    return "/".join(parts[:n]) or "/" * path.startswith("/"), "/".join(parts[n:])


def _listing(file_system: Any, folder: str, pattern: str) -> dict[str, Mapping[str, Any]]:
    """Return the entries below a folder, by path, as deep as a glob or Hive folders go."""
    depth = None if "**" in pattern else pattern.count("/") + 1
    if pattern:
        found = file_system.find(folder, maxdepth=depth, withdirs=True, detail=True).values()
    else:
        found = file_system.ls(folder, detail=True) if file_system.isdir(folder) else []
        names = [PurePosixPath(entry["name"]).name for entry in found]
        if "_delta_log" not in names and any("=" in name for name in names):
            found = file_system.find(folder, withdirs=True, detail=True).values()
    return {entry["name"].removeprefix(folder).strip("/"): entry for entry in found}


def _data_files(
    entries: Mapping[str, Mapping[str, Any]], pattern: str, suffixes: Sequence[str]
) -> list[str]:
    """Return the paths that a glob takes, or a folder where there is none."""
    matches = re.compile(glob_translate(pattern) if pattern else _OF_A_FOLDER).match
    in_place = sorted(path for path in entries if matches(path))
    like_data = {path for path in in_place if path.lower().endswith(tuple(suffixes))}
    visible = [path for path in in_place if not _is_hidden(path, pattern)]
    if hidden := like_data.difference(visible):
        logger.info("not read, since hidden: %s", ", ".join(sorted(hidden)[:_TOLD]))
    files = [path for path in visible if entries[path]["type"] != "directory"]
    data = [path for path in files if path in like_data]
    ending = PurePosixPath(pattern).suffix
    taken = files if pattern and (not data or (ending and not has_magic(ending))) else data
    for folder in like_data.intersection(visible).difference(files):
        if taken and not any(path.startswith(f"{folder}/") for path in taken):
            raise MarketDataError(
                f"{entries[folder]['name']}: is a folder among files; move it, or name the files "
                f"of folders too by a glob such as **/*{suffixes[0]}"
            )
    return taken


def _is_hidden(path: str, pattern: str = "") -> bool:
    """Tell whether a part of a path is hidden, and the glob has none that begins like it."""
    named = [part for part in pattern.split("/") if part.startswith(_NO_DATA)]
    return any(
        part.startswith(_NO_DATA) and not any(fnmatchcase(part, name) for name in named)
        for part in path.split("/")
    )


def _refuse_closed(entries: Mapping[str, Mapping[str, Any]], pattern: str) -> None:
    """Refuse folders that hold files of the path, and may not be listed."""
    for path, entry in entries.items():
        is_above = "**" in pattern or path.count("/") < pattern.count("/") or not path
        is_entered = entry["type"] == "directory" and (is_above if pattern else "=" in path)
        is_meant = is_entered and not _is_hidden(path, pattern)
        if is_meant and not os.access(entry["name"], os.R_OK | os.X_OK):
            raise PermissionError(f"no right to list {entry['name']}")


def _target(file_system: Any, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an entry, or that of what it links to."""
    try:
        return file_system.info(entry["name"]) if entry.get("islink") else entry
    except FileNotFoundError:
        raise MarketDataError(
            f"{entry['name']}: is a link to a file that is not there; fetch it, such as by git "
            f"annex get or dvc pull, or remove the link"
        ) from None


def hive_values(name: str) -> dict[str, str | None]:
    """Return what Hive folders say, as text: ``{"instrument": "0005"}`` of instrument=0005/a.csv.

    None stands for ``__HIVE_DEFAULT_PARTITION__``. Of year, month and day a datetime is made.
    """
    keys = dict.fromkeys(_HIVE_KEY.findall(name))
    schema = pa.schema([(key, pa.string()) for key in keys])
    parsed = pa_dataset.partitioning(schema, flavor="hive").parse(name)
    values = dict(pa_dataset.get_partition_keys(parsed))
    if {"year", "month", "day"} <= values.keys():
        values.setdefault("datetime", "{year}-{month:0>2}-{day:0>2}".format(**values))
    return values


def _stamp(entry: Mapping[str, Any]) -> str:
    changed = next((entry[name] for name in _STAMPS if entry.get(name) is not None), "")
    return f"{entry.get('size')} {changed}"


def list_source(config: TableSource, *, key: str = "market_data.path") -> list[InputFile]:
    """List the files of a section, of its format, or of any where it names none."""
    suffixes = SUFFIXES.get(config.source or "", ANY_SUFFIX)
    return list_files(str(config.path), suffixes=suffixes, key=key)


def file_stamps(
    config: MarketDataConfig, extra: Sequence[ExtraFeaturesConfig] = ()
) -> dict[str, str]:
    """Return the stamps of all files that a region is read from, by name.

    They differ once a file is added, removed, or of another size, time of change or entity tag.
    """
    files = list_source(config) if config.path else []
    files += list_files(config.universe, key="market_data.universe") if config.universe else []
    for entry in extra:
        files += list_source(entry, key="path in features.extra") if entry.path else []
    return {file.name: file.stamp for file in files}
