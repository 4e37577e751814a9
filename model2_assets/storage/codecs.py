"""One codec a format: tables as Parquet or JSON lines, pages, fold models; to a file and back.

No format carries a checksum: the record of a result vouches for its bytes.
"""

import hashlib
import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape, unescape
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import jsonschema
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from model2_assets.contracts import Contract, load_contract
from model2_assets.errors import ContractError, StoreError, lack_of_memory
from model2_assets.panel import INDEX_NAMES, with_plain_names
from model2_assets.storage.address import Address, Format
from model2_assets.storage.conformity import require_conformity
from model2_assets.storage.data_version import (
    INPUTS,
    PROVENANCE,
    data_version_of,
    facts_of,
    table_digest,
    with_provenance,
)
from model2_assets.storage.files import write_atomically
from model2_assets.storage.models import (
    Manifest,
    StorableModels,
    StoredFoldModels,
    save_fold_models,
    store_models,
)
from model2_assets.storage.record import Origin, Record, document_digest

ROW_GROUP_ROWS = 131_072
"""Rows of a Parquet file that are encoded, and decoded, at a time."""

Recognize = Callable[[str], Record]
"""Returns the record of a file by its hash, and refuses one that has none."""


@dataclass(frozen=True)
class Recorded:
    """Bytes of a file that have a record; messages call the file `origin`."""

    data: bytes
    record: Record
    origin: str


_METADATA_KEY = b"model2"
_SETTINGS = ("trainer", "params", "seed", "sample_weights")


@dataclass(frozen=True)
class Codec(ABC):
    """How the result of one address becomes a file, and a file the result."""

    address: Address
    path: UPath  # the file that its readers follow

    @abstractmethod
    def encode(self, value: Any, file: Path) -> Origin:
        """Write a value to a local file, and say what it is and what it was made from."""

    @abstractmethod
    def decode(self, file: Recorded) -> Any:
        """Return what a file holds."""

    def read(self, recognize: Recognize) -> Any:
        """Return the current value, whose bytes have a record."""
        data = self.path.read_bytes()
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
    """Tables as Parquet (zstd); what a table was made from is in the file's metadata besides."""

    def encode(self, value: pd.DataFrame, file: Path) -> Origin:
        """Write a table, a row group at a time, so that a large one is not in memory twice."""
        with file.open("wb") as stream:
            write_parquet(value, self.contract, stream, origin=str(self.path), name=self.address)
        return origin_of(value)

    def decode(self, file: Recorded) -> pd.DataFrame:
        """Return the table, with the file's metadata in ``attrs["provenance"]``."""
        return read_parquet(BytesIO(file.data), self.contract, origin=file.origin)


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


def write_parquet(
    frame: pd.DataFrame, contract: Contract, file: BinaryIO, *, origin: str, name: object = ""
) -> None:
    """Write a table as Parquet (zstd), after checking its contract; pandas restores the index.

    What the table states of its origin, and the name of its place, go into the metadata.
    """
    require_conformity(frame, contract, origin=origin)
    bare = frame.copy(deep=False)
    bare.attrs = {}
    metadata = {
        "contract": contract.schema["$id"],
        "name": str(name),
        PROVENANCE: frame.attrs.get(PROVENANCE, {}),
    }
    own = {_METADATA_KEY: json.dumps(metadata, sort_keys=True)}
    tables = _row_groups(bare, contract)
    table = next(tables)
    schema = table.schema.with_metadata({**(table.schema.metadata or {}), **own})
    # The next rows are turned into columns while these are compressed.
    with (
        pq.ParquetWriter(file, schema, compression="zstd", compression_level=3) as writer,
        ThreadPoolExecutor(1) as pool,
    ):
        while table is not None:
            following = pool.submit(next, tables, None)
            writer.write_table(table.replace_schema_metadata(schema.metadata))
            table = following.result()


def read_parquet(file: BinaryIO, contract: Contract, *, origin: str) -> pd.DataFrame:
    """Read a Parquet file and check its contract."""
    with readable_parquet(origin):
        # Few names, in many rows: as codes they are read in a third of the time.
        table = pq.read_table(file, use_threads=False, read_dictionary=[INDEX_NAMES[0]])
        provenance = stated_metadata(table.schema).get(PROVENANCE, {})
        frame = _without_categories(table.to_pandas())
    require_conformity(frame, contract, origin=origin)
    frame.attrs[PROVENANCE] = provenance
    return frame


@contextmanager
def readable_parquet(origin: str) -> Iterator[None]:
    """Turn whatever a damaged Parquet file makes Arrow and pandas raise into a StoreError.

    A lack of memory says nothing about the file, and is left as it is.
    """
    try:
        yield
    except StoreError:
        raise
    except Exception as error:  # a damaged footer can fail anywhere
        if lack_of_memory(error) is not None:
            raise
        raise StoreError(
            f"{origin}: not a readable Parquet file ({error}); materialize the asset again"
        ) from error


def encode_anything(frame: pd.DataFrame) -> bytes:
    """Encode a table for people, whatever its contract says; as text if Parquet cannot hold it."""
    bare = frame.copy(deep=False)
    bare.attrs = {}
    try:
        return bytes(bare.to_parquet(compression="zstd"))
    except (TypeError, ValueError):
        return bytes(bare.reset_index().astype("str").to_parquet(compression="zstd"))


def _row_groups(frame: pd.DataFrame, contract: Contract) -> Iterator[pa.Table]:
    """Yield at least one part of a table, each of at most so many rows."""
    indexed = frame.index.names[0] is not None
    fields = [_field(name, contract) for name in frame.columns]
    if indexed:
        fields += [_field(str(name), contract) for name in frame.index.names]
    for start in range(0, max(len(frame), 1), ROW_GROUP_ROWS):
        rows = frame.iloc[start : start + ROW_GROUP_ROWS]
        yield pa.Table.from_pandas(rows, schema=pa.schema(fields), preserve_index=indexed)


def _field(name: str, contract: Contract) -> pa.Field:
    column = contract.column(name)
    assert column is not None
    annotations = {"unit": column.unit, "description": column.description}
    return pa.field(name, pa.type_for_alias(column.arrow_type), metadata=annotations)


def _without_categories(frame: pd.DataFrame) -> pd.DataFrame:
    categories = frame.select_dtypes("category").columns
    if len(categories):
        frame = frame.astype({name: frame[name].cat.categories.dtype for name in categories})
    if isinstance(frame.index, pd.MultiIndex):
        frame.index = with_plain_names(frame.index)
    return frame


def stated_metadata(schema: pa.Schema) -> dict[str, Any]:
    """Return what a Parquet file states of its origin; empty where others wrote it."""
    metadata: dict[str, Any] = json.loads((schema.metadata or {}).get(_METADATA_KEY, b"{}"))
    return metadata


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
