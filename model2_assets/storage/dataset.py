"""A large table as a dataset: a folder of Parquet files, its parts, behind a manifest.

A folder cannot be replaced in one step. So it is named by its content and written whole, and
readers follow the manifest beside it, which is replaced last. Pandas, Arrow, Dask and DuckDB read
the folder as one table: its parts have one schema and one index, and nothing else is in it.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from upath import UPath

from model2_assets.contracts import Contract
from model2_assets.errors import StoreError
from model2_assets.panel import date_parts
from model2_assets.storage.address import Address
from model2_assets.storage.files import discard, make_folder, publish
from model2_assets.storage.parquet import TableFile, file_schema, write_parquet

_FOLDER = r"^[0-9a-f]{12}-[0-9a-f]{6}$"
_AT_ONCE = 2
"""Parts that are made at a time: one is turned into columns while another is compressed."""

_Date = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
_Count = Annotated[int, Field(ge=0)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Part(_Document):
    """One file of a dataset, and which rows of the table it has."""

    file: Annotated[str, Field(pattern=r"^part-\d{5,}\.parquet$")]
    rows: _Count
    first_date: _Date
    last_date: _Date
    bytes: _Count
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class DatasetManifest(_Document):
    """What readers of a dataset follow; no other file of its folder is any part of the table."""

    format_version: Literal[1] = 1
    address: str = Field(description="where the table belongs, below the base path")
    folder: Annotated[str, Field(pattern=_FOLDER)]
    columns: tuple[str, ...] = Field(description="of the table, without its index")
    provenance: dict[str, Any] = Field(description="what the table states of its origin")
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        dates = [date for part in self.parts for date in (part.first_date, part.last_date)]
        if [part.file for part in self.parts] != [_name(n) for n in range(len(self.parts))]:
            raise ValueError("the parts must be numbered from 0, each once")
        if dates != sorted(dates):
            raise ValueError("the dates of the parts must ascend")
        return self

    @property
    def rows(self) -> int:
        """Number of rows of all parts."""
        return sum(part.rows for part in self.parts)

    @property
    def sha256(self) -> Mapping[str, str]:
        """Hash of every part's bytes, by its path beside the manifest."""
        return {f"{self.folder}/{part.file}": part.sha256 for part in self.parts}

    def to_json(self) -> bytes:
        """Return the manifest as JSON text."""
        return self.model_dump_json(indent=1).encode() + b"\n"

    @classmethod
    def from_json(cls, text: bytes, *, origin: str) -> Self:
        """Read a manifest, which messages call `origin`; StoreError names what is wrong in it."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            problem = error.errors()[0]
            key = ".".join(map(str, problem["loc"])) or "manifest"
            raise StoreError(
                f"{origin}: {key}: {problem['msg']}; materialize the asset again"
            ) from error


@dataclass(frozen=True)
class DatasetPlace:
    """Where the folders of a table are, and what it is."""

    folder: UPath
    address: Address
    contract: Contract


def write_dataset(
    frame: pd.DataFrame, place: DatasetPlace, data_version: str, *, scratch: Path
) -> DatasetManifest:
    """Write a table into a folder of parts, part by part, and return the manifest.

    No reader follows it yet. The folder's name depends on every byte in it: on the values, what
    is stated of them, the schema and how rows are cut. So where it is there already, as of an
    earlier attempt, its files are replaced by equal ones. Parts are made in a local folder.
    """
    cuts = date_parts(frame.index)
    target = place.folder / _folder_name(frame, place, data_version, cuts)
    was_there = target.exists()
    make_folder(target)

    def write(number: int) -> Part:
        return _write_part(frame.iloc[cuts[number]], place, target / _name(number), scratch)

    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            parts = tuple(pool.map(write, range(len(cuts))))
    except BaseException:
        if not was_there:
            discard(target)
        raise
    for path in _others(target, {part.file for part in parts}):
        discard(path)
    return DatasetManifest(
        address=str(place.address),
        folder=target.name,
        columns=tuple(map(str, frame.columns)),
        provenance=frame.attrs.get("provenance", {}),
        parts=parts,
    )


def _write_part(rows: pd.DataFrame, place: DatasetPlace, path: UPath, scratch: Path) -> Part:
    temporary = scratch / f"{path.name}.tmp"
    with temporary.open("w+b") as file:
        write_parquet(rows, place.contract, file, origin=str(path), name=place.address)
        size = file.tell()
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    publish(temporary, path)
    temporary.unlink(missing_ok=True)
    dates = [f"{date:%Y-%m-%d}" for date in rows.index.get_level_values("datetime")[[0, -1]]]
    return Part(
        file=path.name,
        rows=len(rows),
        first_date=dates[0],
        last_date=dates[-1],
        bytes=size,
        sha256=sha256,
    )


def _folder_name(
    frame: pd.DataFrame, place: DatasetPlace, data_version: str, cuts: list[slice]
) -> str:
    schema = file_schema(frame, place.contract, name=place.address).serialize().to_pybytes()
    rows = json.dumps([part.stop for part in cuts]).encode()
    return f"{data_version[:12]}-{hashlib.sha256(schema + rows).hexdigest()[:6]}"


def _name(number: int) -> str:
    return f"part-{number:05}.parquet"


def part_files(manifest: DatasetManifest, entry: UPath) -> list[TableFile]:
    """Return the files that a manifest, at `entry`, names; refuse a folder that has other ones.

    StoreError names a part that is missing, and a file that others would read as one.
    """
    folder = entry.parent / manifest.folder
    names = {part.file for part in manifest.parts}
    again = f"materialize {entry.parent.name} again"
    others = _others(folder, names)
    there = {path.name for path in folder.iterdir()} if folder.exists() else set()
    for name in sorted(names - there):
        raise StoreError(f"{folder / name}: is missing; {again}")
    for path in others:
        raise StoreError(f"{path}: is no part of this table; remove it, or {again}")
    return [
        TableFile(folder / part.file, partial(_verify, manifest, folder / part.file, part))
        for part in manifest.parts
    ]


def _others(folder: UPath, names: Collection[str]) -> list[UPath]:
    """Return files that are no parts and that some reader takes for one, or for an index of them.

    All readers leave hidden files alone that do not end as parts do.
    """
    return [
        path
        for path in (folder.iterdir() if folder.exists() else ())
        if path.name not in names and not (path.name.startswith(".") and path.suffix != ".parquet")
    ]


def _verify(manifest: DatasetManifest, path: UPath, part: Part, found: str) -> None:
    if found == part.sha256:
        return
    same = [other.file for other in manifest.parts if other.sha256 == found]
    problem = (
        f"has the content of {same[0]}" if same else "was changed or cut off since it was written"
    )
    raise StoreError(f"{path}: {problem}; materialize {path.parent.parent.name} again")


def followed_folder(entry: UPath, current: UPath) -> UPath | None:
    """Return the folder of parts that the manifest of `entry` names; None if there is none."""
    try:
        with current.open("rb") as file:
            first = file.read(1)
            if first != b"{":  # a table in one file, which may be larger than memory
                return None
            manifest = DatasetManifest.from_json(first + file.read(), origin="")
        return entry.parent / manifest.folder
    except (FileNotFoundError, StoreError):
        return None


def remove_folders(place: UPath, *, keep: Collection[UPath | None]) -> None:
    """Remove all folders of parts of a table but those to keep."""
    for path in list(place.iterdir()) if place.exists() else ():
        if re.fullmatch(_FOLDER, path.name) and path not in keep:
            discard(path)
