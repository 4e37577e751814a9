"""Identity of a table: a digest of its values, never of file bytes, and what it was made from.

Results of different inputs never mix: a table states the data versions of its inputs, and who
brings tables together compares them.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from model2_assets.errors import StoreError
from model2_assets.panel import date_parts
from model2_assets.storage.conformity import table_columns

PROVENANCE = "provenance"
"""Key of ``DataFrame.attrs`` under which what a table states of its origin travels."""

DATA_VERSION = "data_version"
INPUTS = "inputs"

_COLUMNS_AT_ONCE = 16


def table_digest(frame: pd.DataFrame) -> str:
    """Digest a table's names, types, values and row order.

    Two tables have the same digest if and only if they hold equal values, however they
    were stored. A missing value counts as one value, whatever its bits, and so does zero,
    whatever its sign. It is made of the digests of the parts that `date_parts` cuts.
    """
    in_columns = list(frame.columns).count("datetime") == 1 and "datetime" not in frame.index.names
    dates = pd.Index(frame["datetime"]) if in_columns else frame.index
    return joined_digest(part_digest(frame.iloc[part]) for part in date_parts(dates))


def joined_digest(parts: Iterable[str]) -> str:
    """Return the digest of a table from those of all its parts, in order: of one part, its own."""
    digests = list(parts)
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()[:32]


def part_digest(frame: pd.DataFrame) -> str:
    """Digest a part of a table, from its own rows alone; see `joined_digest`."""
    digest = hashlib.sha256(f"{len(frame)} rows".encode())
    for name, values in _columns(frame):
        for part in _parts(values):
            digest.update(json.dumps([name, part.dtype.str, part.size]).encode())
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()[:32]


def _columns(frame: pd.DataFrame) -> Iterator[tuple[str, pd.Index | pd.Series]]:
    """Yield index levels and columns by name, those of a matrix by row copied side by side."""
    columns = table_columns(frame)
    values = frame.to_numpy() if _is_matrix_by_row(frame) else None
    if values is None:
        yield from columns.items()
        return
    names = list(map(str, frame.columns))
    yield from ((name, level) for name, level in columns.items() if name not in set(names))
    for start in range(0, len(names), _COLUMNS_AT_ONCE):
        # One column of a matrix by row costs as much memory traffic as these together.
        copied = np.ascontiguousarray(values[:, start : start + _COLUMNS_AT_ONCE].T)
        for name, column in zip(names[start : start + _COLUMNS_AT_ONCE], copied, strict=True):
            yield name, pd.Series(column, copy=False)


def _is_matrix_by_row(frame: pd.DataFrame) -> bool:
    first = frame.iloc[:2].to_numpy()
    one_type = isinstance(first.dtype, np.dtype) and first.dtype.kind == "f"
    return (
        one_type
        and len(set(frame.dtypes)) == 1
        and frame.shape[0] > 1 < frame.shape[1]
        and bool(first.flags.c_contiguous)
    )


def _parts(values: pd.Index | pd.Series) -> tuple[np.ndarray[Any, Any], ...]:
    dtype = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        numbers = np.array(values, copy=True)
        numbers[np.isnan(numbers)] = np.nan
        numbers[numbers == 0] = 0
        return (numbers,)
    if isinstance(dtype, np.dtype) and dtype.kind == "M":
        return (np.asarray(values, dtype="datetime64[us]").view(np.int64),)
    if isinstance(dtype, np.dtype) and dtype.kind in "iub":
        return (np.asarray(values),)
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_integer_dtype(dtype):
        missing = np.asarray(values.isna())
        kind = "bool" if pd.api.types.is_bool_dtype(dtype) else str(dtype).lower()
        return pd.Series(values).to_numpy(dtype=kind, na_value=0), missing
    codes, distinct = pd.factorize(values, sort=True)
    text = json.dumps([str(value) for value in distinct]).encode()
    return codes.astype(np.int64), np.frombuffer(text, dtype=np.uint8)


def with_provenance(
    frame: pd.DataFrame, *, data_version: str, inputs: Mapping[str, str], **facts: Any
) -> pd.DataFrame:
    """Return a table that states its origin, in ``attrs["provenance"]``; facts are JSON-able."""
    marked = frame.copy(deep=False)
    marked.attrs = {PROVENANCE: {DATA_VERSION: data_version, INPUTS: dict(inputs), **facts}}
    return marked


def stamped(frame: pd.DataFrame, *, inputs: Mapping[str, str], **facts: Any) -> pd.DataFrame:
    """Return a table that states the digest of its values, its inputs' versions, and facts."""
    return with_provenance(frame, data_version=table_digest(frame), inputs=inputs, **facts)


def data_version_of(frame: pd.DataFrame) -> str:
    """Return the data version that a table's file states; empty if it states none."""
    return str(frame.attrs.get(PROVENANCE, {}).get(DATA_VERSION, ""))


def facts_of(frame: pd.DataFrame) -> Mapping[str, Any]:
    """Return everything that a table's file states of its origin."""
    facts: Mapping[str, Any] = frame.attrs.get(PROVENANCE, {})
    return facts


def data_versions_of(**frames: pd.DataFrame) -> dict[str, str]:
    """Return the data version of tables by asset, computed where a table states none."""
    return {asset: data_version_of(frame) or table_digest(frame) for asset, frame in frames.items()}


def require_made_from(asset: str, made_from: Mapping[str, str], inputs: Mapping[str, str]) -> None:
    """Refuse a result that was made from other inputs than those at hand.

    Fold models of other splits, for example, may have seen the rows that they are
    about to predict.
    """
    for name in sorted(set(made_from) & set(inputs)):
        if made_from[name] != inputs[name]:
            raise StoreError(
                f"{asset} was made from {name} of version {made_from[name][:12]}, but {name} "
                f"is now of version {inputs[name][:12]}; materialize {asset} again"
            )


def require_same_origin(asset: str, **frames: pd.DataFrame) -> None:
    """Refuse tables, given by asset, that state different versions of the asset all are made of."""
    versions = {
        name: facts_of(frame).get(INPUTS, {}).get(asset, "") for name, frame in frames.items()
    }
    if len(set(versions.values())) > 1:
        stated = ", ".join(f"{name} from {version[:12]}" for name, version in versions.items())
        raise StoreError(
            f"made from different versions of {asset}: {stated}; materialize "
            f"{' and '.join(versions)} again"
        )
