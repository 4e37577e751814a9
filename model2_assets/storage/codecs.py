"""One codec a format: tables as Parquet or JSON lines, pages, fold models; to a file and back.

No format carries a checksum: the record of a result vouches for its bytes.
"""

import hashlib
import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape, unescape
from io import BytesIO
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
from upath import UPath

from model2_assets.contracts import Contract, load_contract
from model2_assets.errors import ContractError, StoreError
from model2_assets.panel import date_parts
from model2_assets.storage.address import Address, Format
from model2_assets.storage.conformity import require_conformity
from model2_assets.storage.data_version import (
    INPUTS,
    data_version_of,
    facts_of,
    table_digest,
    with_provenance,
)
from model2_assets.storage.dataset import (
    DatasetManifest,
    DatasetPlace,
    part_files,
    write_dataset,
)
from model2_assets.storage.files import write_atomically
from model2_assets.storage.models import (
    MANIFEST_NAME,
    Manifest,
    StorableModels,
    StoredFoldModels,
    save_fold_models,
    store_models,
)
from model2_assets.storage.parquet import (
    TableFile,
    encode_anything,
    read_parquet,
    read_table,
    write_parquet,
)
from model2_assets.storage.record import Origin, Record, document_digest

Recognize = Callable[[str], Record]
"""Returns the record of a file by its hash, and refuses one that has none."""


@dataclass(frozen=True)
class Recorded:
    """Bytes of a file that have a record; messages call the file `origin`."""

    data: bytes
    record: Record
    origin: str


_SETTINGS = ("trainer", "params", "seed", "sample_weights")


@dataclass(frozen=True)
class Codec(ABC):
    """How the result of one address becomes a file, and a file the result."""

    address: Address
    path: UPath  # where the file belongs that its readers follow
    current: UPath = field(kw_only=True)  # where the bytes of that are read

    @abstractmethod
    def encode(self, value: Any, file: Path) -> Origin:
        """Write a value to a local file, and say what it is and what it was made from."""

    @abstractmethod
    def decode(self, file: Recorded) -> Any:
        """Return what a file holds."""

    def read(self, recognize: Recognize) -> Any:
        """Return the current value, whose bytes have a record."""
        data = self.current.read_bytes()
        record = recognize(hashlib.sha256(data).hexdigest())
        return self.decode(Recorded(data, record, str(self.path)))

    def verify(self, recognize: Recognize) -> None:
        """Read the current value as a whole."""
        self.read(recognize)

    def put_aside(self, value: Any, path: UPath) -> UPath:
        """Write a rejected candidate as plain Parquet, whatever its contract says."""
        target = path.with_name(f"{path.name}.parquet")
        write_atomically(target, encode_anything(value))
        return target

    @property
    def contract(self) -> Contract:
        """Contract of a table."""
        assert self.address.product.contract is not None
        return load_contract(self.address.product.contract)


class ParquetCodec(Codec):
    """Tables as Parquet (zstd), in one file, or in parts where readers follow a manifest.

    What a table was made from is in the metadata of its files besides.
    """

    def encode(self, value: pd.DataFrame, file: Path) -> Origin:
        """Write a table, some rows at a time, so that a large one is not in memory twice."""
        origin = origin_of(value)
        if not self.in_parts:
            with file.open("wb") as stream:
                write_parquet(
                    value, self.contract, stream, origin=str(self.path), name=self.address
                )
            return origin
        place = DatasetPlace(self.path.parent, self.address, self.contract)
        manifest = write_dataset(value, place, origin.data_version, scratch=file.parent)
        file.write_bytes(manifest.to_json())
        return replace(origin, files=manifest.sha256)

    def decode(self, file: Recorded) -> pd.DataFrame:
        """Return the table, with the file's metadata in ``attrs["provenance"]``."""
        return read_parquet(BytesIO(file.data), self.contract, origin=file.origin)

    def read(self, recognize: Recognize) -> pd.DataFrame:
        """Return the current table; every file of it is verified."""
        return read_table(self.files(recognize), self.contract, origin=str(self.path))

    def blocks(self, recognize: Recognize) -> Iterator[pd.DataFrame]:
        """Return the current table in parts of whole dates; of several files one at a time."""
        if self.in_parts:
            files = self.files(recognize)
            return (read_table([file], self.contract, origin=str(file.path)) for file in files)
        frame = self.read(recognize)
        return (frame.iloc[part] for part in date_parts(frame.index))

    def files(self, recognize: Recognize) -> list[TableFile]:
        """Return the files of the current table; of parts, once the manifest is recognized."""
        if not self.in_parts:
            return [TableFile(self.current, recognize)]
        return part_files(self.manifest(recognize), self.path)

    def manifest(self, recognize: Recognize) -> DatasetManifest:
        """Return the manifest of the current parts."""
        data = self.current.read_bytes()
        recognize(hashlib.sha256(data).hexdigest())
        return DatasetManifest.from_json(data, origin=str(self.path))

    @property
    def in_parts(self) -> bool:
        """Whether readers follow a manifest."""
        return self.path.name == MANIFEST_NAME


class JsonLinesCodec(Codec):
    """Tables as JSON lines, one validated document a row."""

    def encode(self, value: pd.DataFrame, file: Path) -> Origin:
        """Write a table."""
        file.write_bytes(encode_json_lines(value, self.contract, origin=str(self.path)))
        return origin_of(value)

    def decode(self, file: Recorded) -> pd.DataFrame:
        """Return the table; its record says what it was made from, as the file has no room."""
        frame = decode_json_lines(file.data, self.contract, origin=file.origin)
        stated = file.record
        return with_provenance(frame, data_version=stated.data_version, inputs=stated.inputs)


class HtmlCodec(Codec):
    """Reports: pages that are read by people."""

    def encode(self, value: str, file: Path) -> Origin:
        """Write a page."""
        file.write_bytes(value.encode())
        return origin_of_report(value)

    def decode(self, file: Recorded) -> str:
        """Return the page."""
        return file.data.decode()

    def put_aside(self, value: str, path: UPath) -> UPath:
        """Write a rejected page."""
        target = path.with_name(f"{path.name}.html")
        write_atomically(target, value.encode())
        return target


class FoldModelsCodec(Codec):
    """Models in a folder of their own, behind a manifest."""

    def encode(self, value: StorableModels, file: Path) -> Origin:
        """Write the model files where they belong, and the manifest that names them."""
        manifest = store_models(self.path.parent, value)
        file.write_bytes(manifest.to_json().encode())
        return Origin(
            data_version=manifest.data_version,
            inputs=manifest.data_versions,
            settings=_settings_digest(vars(manifest)),
            rows=len(manifest.folds),
            files={fold.file: fold.sha256 for fold in manifest.folds},
        )

    def decode(self, file: Recorded) -> StoredFoldModels:
        """Return the manifest and the models behind it; none is read."""
        manifest = Manifest.from_json(file.data, origin=file.origin)
        return StoredFoldModels(self.path.parent, manifest, file.record.sha256)

    def verify(self, recognize: Recognize) -> None:
        """Compare every model file with the manifest."""
        self.read(recognize).verify()

    def put_aside(self, value: StorableModels, path: UPath) -> UPath:
        """Write rejected models into a folder."""
        save_fold_models(path, value)
        return path


CODECS: Mapping[Format, type[Codec]] = {
    "parquet": ParquetCodec,
    "json_lines": JsonLinesCodec,
    "fold_models": FoldModelsCodec,
    "html": HtmlCodec,
}
"""The codec of every format, but for tables that are read as a matrix: see `MatrixCodec`."""


def origin_of(frame: pd.DataFrame) -> Origin:
    """Return the identity of a table, from its provenance where it states any."""
    facts = facts_of(frame)
    return Origin(
        data_version=data_version_of(frame) or table_digest(frame),
        inputs=facts.get(INPUTS, {}),
        settings=_settings_digest(facts),
        rows=len(frame),
    )


def _settings_digest(facts: Mapping[str, Any]) -> str:
    if not set(_SETTINGS) <= set(facts):
        return ""
    return document_digest({name: facts[name] for name in _SETTINGS})


_META_NAME = "model2-inputs"
_META = re.compile(rf'<meta name="{_META_NAME}" content="(?P<inputs>[^"]*)">')


def origin_of_report(html: str) -> Origin:
    """Return the identity of a report, from the element that states its inputs, if there is one."""
    found = _META.search(html)
    return Origin(
        data_version=hashlib.sha256(html.encode()).hexdigest()[:32],
        inputs=json.loads(unescape(found["inputs"])) if found else {},
    )


def inputs_element(inputs: Mapping[str, str]) -> str:
    """Return the ``meta`` element by which a report states what it was made from."""
    content = escape(json.dumps(dict(inputs), sort_keys=True))
    return f'<meta name="{_META_NAME}" content="{content}">'


def encode_json_lines(frame: pd.DataFrame, contract: Contract, *, origin: str) -> bytes:
    """Encode a table as JSON lines; the jsonschema library checks every document as well."""
    require_conformity(frame, contract, origin=origin)
    documents = [
        {name: _json_value(value) for name, value in zip(frame.columns, row, strict=True)}
        for row in frame.itertuples(index=False, name=None)
    ]
    _validate_documents(documents, contract, origin)
    return "".join(f"{json.dumps(document)}\n" for document in documents).encode()


def decode_json_lines(data: bytes, contract: Contract, *, origin: str) -> pd.DataFrame:
    """Decode JSON lines; columns are in the contract's order and types."""
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    documents = []
    for number, line in enumerate(lines, start=1):
        try:
            documents.append(json.loads(line.decode()))
        except ValueError as error:
            raise StoreError(
                f"{origin}: line {number} is not JSON ({error}); materialize the asset again"
            ) from error
    _validate_documents(documents, contract, origin)
    frame = pd.DataFrame(documents, columns=[column.name for column in contract.columns])
    types = {
        column.name: _pandas_type(column.arrow_type, nullable=column.nullable)
        for column in contract.columns
    }
    frame = frame.astype(types)
    require_conformity(frame, contract, origin=origin)
    return frame


def _pandas_type(arrow_type: str, *, nullable: bool) -> str:
    if arrow_type.startswith("int"):
        return arrow_type.capitalize() if nullable else arrow_type
    return {"string": "str", "double": "float64"}[arrow_type]


def _json_value(value: Any) -> Any:
    if value is None or pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def _validate_documents(
    documents: Sequence[Mapping[str, Any]], contract: Contract, origin: str
) -> None:
    validator = jsonschema.Draft202012Validator(contract.schema)
    for number, document in enumerate(documents, start=1):
        problem = jsonschema.exceptions.best_match(validator.iter_errors(document))
        if problem is not None:
            where = ".".join(map(str, problem.absolute_path)) or "the document"
            raise ContractError(
                f"{origin}: line {number}: {where}: {problem.message} ({contract.name})"
            )
        for name, value in document.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ContractError(
                    f"{origin}: line {number}: {name}: {value} is no JSON number ({contract.name})"
                )
