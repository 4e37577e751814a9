"""Input files behind one path: a single file, a folder or a glob, local or at a URL."""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO, Any

import fsspec
from fsspec.compression import available_compressions
from fsspec.core import url_to_fs

from model2_assets.errors import MarketDataError
from model2_assets.market_data.columns import reason

_COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".zip": "zip"}


@dataclass(frozen=True)
class InputFile:
    """One file of a source.

    Attributes
    ----------
    name : str
        Local path or URL; what messages call the file.
    stamp : str
        Size in bytes, and the time of the last change or the entity tag, as far as the file
        system tells them; differs once the file has changed.
    """

    name: str
    stamp: str = field(default="", compare=False)

    @property
    def stem(self) -> str:
        """File name without suffixes of format and compression: ``BRK.B`` of ``BRK.B.csv.gz``."""
        path = PurePosixPath(self.name)
        if path.suffix.lower() in _COMPRESSIONS:
            path = path.with_suffix("")
        return path.stem

    @contextmanager
    def open(self, *, decompress: bool = False) -> Iterator[IO[bytes]]:
        """Open the file for reading bytes.

        Parameters
        ----------
        decompress : bool, default False
            Undo the compression that the suffix tells of, such as ``.gz``.

        Yields
        ------
        binary file object

        Raises
        ------
        MarketDataError
            If the file cannot be opened, needs a package to be decompressed, or is an archive
            of several files.
        """
        method = self._compression() if decompress else None
        with ExitStack() as stack:
            try:
                file = stack.enter_context(self._opened(stack, method))
            except MarketDataError:
                raise
            except Exception as error:  # those of an installed package's file system are its own
                raise MarketDataError(
                    f"{self.name}: cannot be opened ({reason(error)}); correct the path or the "
                    f"access rights"
                ) from error
            yield file

    def _opened(self, stack: ExitStack, method: str | None) -> IO[bytes]:
        if method != "zip":
            opened: IO[bytes] = fsspec.open(self.name, "rb", compression=method)
            return opened
        archive = zipfile.ZipFile(stack.enter_context(fsspec.open(self.name, "rb")))
        members = [name for name in archive.namelist() if not name.endswith("/")]
        if len(members) != 1:
            raise MarketDataError(
                f"{self.name}: holds {len(members)} files, not one; unpack it, and name the folder"
            )
        return archive.open(members[0])

    def _compression(self) -> str | None:
        method = _COMPRESSIONS.get(PurePosixPath(self.name).suffix.lower())
        if method and method not in available_compressions():
            raise MarketDataError(
                f"{self.name}: {method} cannot be decompressed here; install the Python package of "
                f"that method, or compress the file with gzip"
            )
        return method


def list_files(
    path: str, *, suffixes: Sequence[str], key: str = "market_data.path"
) -> list[InputFile]:
    """List the files that a path stands for.

    Parameters
    ----------
    path : str
        A file, a folder, or a glob (``*``, ``?``, ``[...]``, ``**``); local, where a relative
        path starts at the working directory, or a URL that fsspec knows (``s3://...``).
    suffixes : sequence of str
        Endings of the files of a folder that count, such as ``.csv``. A file or glob
        named by the user counts whatever its ending.
    key : str, default "market_data.path"
        The configuration key that gave the path, for messages.

    Returns
    -------
    list of InputFile
        At least one file, sorted by name.

    Raises
    ------
    MarketDataError
        If the path cannot be reached, or no file is there.
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
    local = "file" in _protocols(file_system)
    return [
        InputFile(name if local else file_system.unstrip_protocol(name), _stamp(entry))
        for name, entry in sorted(entries.items())
    ]


def _entries(file_system: Any, path: str, suffixes: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    if file_system.isfile(path):
        return {path: file_system.info(path)}
    if file_system.isdir(path):
        found = file_system.ls(path, detail=True)
        files = {str(entry["name"]): entry for entry in found if entry["type"] == "file"}
        return {name: entry for name, entry in files.items() if _is_data_file(name, suffixes)}
    matches = file_system.glob(path, detail=True)
    return {str(name): entry for name, entry in matches.items() if entry["type"] == "file"}


_STAMPS = (
    "ETag",
    "etag",
    "md5Hash",
    "mtime",
    "LastModified",
    "last_modified",
    "updated",
    "created",
)
"""What file systems call the entity tag or the time of the last change, most telling first."""


def _stamp(entry: Mapping[str, Any]) -> str:
    changed = next((entry[name] for name in _STAMPS if entry.get(name) is not None), "")
    return f"{entry.get('size')} {changed}"


def _is_data_file(name: str, suffixes: Sequence[str]) -> bool:
    base = PurePosixPath(name).name
    return base.lower().endswith(tuple(suffixes)) and not base.startswith((".", "_"))


def _protocols(file_system: Any) -> tuple[str, ...]:
    protocol = file_system.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
