"""Whether a table keeps its contract; if not, which column, and which row first."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types as pandas_types

from model2_assets.contracts import Column, Contract
from model2_assets.errors import ContractError
from model2_assets.panel import INDEX_NAMES, level_codes


def _is_text(values: pd.Index | pd.Series) -> bool:
    if values.dtype == np.dtype(object):
        return pandas_types.infer_dtype(values, skipna=True) in ("string", "empty")
    return bool(pandas_types.is_string_dtype(values.dtype))


def _is(*names: str) -> Callable[[Any], bool]:
    return lambda values: str(values.dtype) in names


TYPES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "string": ("str", _is_text),
    "timestamp[us]": ("datetime64[us]", _is("datetime64[us]")),
    "double": ("float64", _is("float64")),
    "float": ("float32", _is("float32")),
    "bool": ("bool", lambda values: pandas_types.is_bool_dtype(values.dtype)),
    "int8": ("int8", _is("int8", "Int8")),
    "int16": ("int16", _is("int16", "Int16")),
}
"""Name in pandas of each type of Arrow, and whether values are of it."""

_BOUNDS: Mapping[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "minimum": ("is below", operator.ge),
    "exclusiveMinimum": ("is not above", operator.gt),
    "maximum": ("is above", operator.le),
}
_LIMITS = frozenset((*_BOUNDS, "enum", "pattern", "minLength"))
"""Keywords of a schema that single values may break."""


def require_conformity(frame: pd.DataFrame, contract: Contract, *, origin: str) -> None:
    """Refuse a table, called `origin`, at its first breach of its contract; names column and row.

    Names, types, missing values, ranges, and uniqueness and order of the key are
    enforced. Limits that depend on the configuration (``x-checks``) are not.
    """
    columns = table_columns(frame, origin)
    require_columns(columns, contract, origin)
    for name, values in columns.items():
        column = contract.column(name)
        assert column is not None
        for breach, rows in _breaches(values, column):
            _refuse_rows(rows, f"column {name!r} {breach}", columns, contract, origin)
    _require_key(frame.index, columns, contract, origin)


def table_columns(frame: pd.DataFrame, origin: str = "") -> dict[str, pd.Index | pd.Series]:
    """Return index levels and columns by name, which no two may share; no unnamed index."""
    levels = {
        str(name): frame.index.get_level_values(position)
        for position, name in enumerate(frame.index.names)
        if name is not None
    }
    names = pd.Index([*levels, *map(str, frame.columns)])
    if not names.is_unique:
        problem = f"column {names[names.duplicated()][0]!r} appears twice; give each name once"
        raise ContractError(f"{origin}: {problem}" if origin else problem)
    return {**levels, **{str(name): frame[name] for name in frame.columns}}


def require_columns(
    columns: Mapping[str, pd.Index | pd.Series], contract: Contract, origin: str
) -> None:
    """Refuse columns whose names or types are not those of a contract."""
    missing = [column.name for column in contract.columns if column.required]
    for name in missing:
        if name not in columns:
            raise ContractError(
                f"{origin}: column {name!r} is missing; {contract.name} requires it"
            )
    for name in columns:
        if contract.column(name) is None:
            raise ContractError(
                f"{origin}: column {name!r} is not part of {contract.name}; {_advice(contract)}"
            )
    for name, values in columns.items():
        column = contract.column(name)
        assert column is not None
        needed, fits = TYPES[column.arrow_type]
        if not fits(values):
            raise ContractError(
                f"{origin}: column {name!r} is {values.dtype}; {contract.name} requires "
                f"{needed}, convert it"
            )


def _advice(contract: Contract) -> str:
    patterns = " or ".join(column.name for column in contract.patterns)
    return f"drop it, or name it to match {patterns}" if patterns else "drop it"


def _breaches(values: pd.Index | pd.Series, column: Column) -> list[tuple[str, NDArray[np.bool_]]]:
    schema = column.schema
    number = column.arrow_type in ("double", "float")
    if number and not _LIMITS.intersection(schema):
        return []
    missing = np.asarray(values.isna())
    found: list[tuple[str, NDArray[np.bool_]]] = []
    if not column.nullable and not number:
        found.append(("is missing", missing))
    kept = missing if column.nullable else np.zeros(len(values), dtype=bool)
    for keyword, (breach, keeps) in _BOUNDS.items():
        if keyword in schema:
            limit = schema[keyword]
            found.append((f"{breach} {limit}", ~(_holds(keeps(values, limit)) | kept)))
    if "enum" in schema:
        allowed = ", ".join(map(str, schema["enum"]))
        found.append((f"is none of {allowed}", ~(np.asarray(values.isin(schema["enum"])) | kept)))
    if "pattern" in schema:
        fits = np.asarray(
            pd.Series(values, dtype="str").str.contains(schema["pattern"], regex=True)
        )
        found.append((f"does not match {schema['pattern']}", ~(fits | kept)))
    if schema.get("minLength"):
        found.append(("is empty", np.asarray(values == "") & ~kept))
    return found


def _holds(comparison: Any) -> NDArray[np.bool_]:
    """Return a comparison as plain booleans; a missing value compares as false."""
    return pd.Series(comparison).to_numpy(dtype=bool, na_value=False)


def _require_key(
    index: pd.Index, columns: Mapping[str, pd.Index | pd.Series], contract: Contract, origin: str
) -> None:
    place = _ranks(index, columns, contract.order)
    steps = np.diff(place, prepend=place[:1])
    if set(contract.order) == set(contract.key) and (steps[1:] > 0).all():
        return  # in order, and every row after another: no key is repeated
    repeated = pd.Series(_ranks(index, columns, contract.key)).duplicated().to_numpy()
    _refuse_rows(repeated, "repeats the key of an earlier row", columns, contract, origin)
    order = ", ".join(contract.order)
    _refuse_rows(steps < 0, f"breaks the order {order}; sort the rows", columns, contract, origin)


def _ranks(
    index: pd.Index, columns: Mapping[str, pd.Index | pd.Series], names: Sequence[str]
) -> NDArray[np.int64]:
    """Return the rank of every row by several columns, the first before the others."""
    ranks = np.zeros(len(index), dtype=np.int64)
    for name in names:
        if name in INDEX_NAMES and tuple(index.names) == INDEX_NAMES:
            codes = level_codes(index, name).codes
        else:
            codes = pd.factorize(columns[name], sort=True, use_na_sentinel=False)[0]
        ranks *= codes.max(initial=0) + 1
        ranks += codes
    return ranks


def _refuse_rows(
    rows: NDArray[np.bool_],
    breach: str,
    columns: Mapping[str, pd.Index | pd.Series],
    contract: Contract,
    origin: str,
) -> None:
    if not rows.any():
        return
    first = int(np.argmax(rows))
    row = ", ".join(f"{name}={_shown(columns[name], first)}" for name in contract.key)
    raise ContractError(
        f"{origin}: {breach} ({contract.name}): first at row {first} ({row}), "
        f"{int(rows.sum())} rows in all"
    )


def _shown(values: pd.Index | pd.Series, position: int) -> str:
    value = values.iloc[position] if isinstance(values, pd.Series) else values[position]
    return f"{value:%Y-%m-%d}" if isinstance(value, pd.Timestamp) else str(value)
