"""Tables that a team's own builders return: taken where their meaning is plain, else refused."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import infer_dtype

from model2_assets.config.load import load_object
from model2_assets.contracts import Contract, load_contract
from model2_assets.errors import ConfigError, ContractError, Model2Error
from model2_assets.panel import INDEX_NAMES, to_canonical
from model2_assets.storage.conformity import (
    TYPES,
    require_columns,
    require_conformity,
    table_columns,
)

_NUMBERS = ("floating", "integer", "mixed-integer-float", "decimal", "boolean")
_DATES = ("datetime64", "datetime", "date")
"""Kinds that pandas infers of values, whatever their type."""


def built_table(panel: pd.DataFrame, config: Any, *, key: str, contract: str) -> pd.DataFrame:
    """Call the builder that a section of the configuration names; return its table as ours are.

    Rows may come in any order, and values in any type of pandas whose meaning is plain: numbers
    of any kind, and truth values as 0 and 1, become the floats of the contract, with NaN for what
    is missing; dates at midnight become datetime64[us], in whatever unit, time zone or type they
    are; text and categories of text name instruments.

    A ConfigError says that the builder cannot be imported, fails or returns no table indexed by
    ``(instrument, datetime)``; a ContractError names the column and its type, or the first row,
    that breaks the contract of that name.
    """
    origin = f"{key}: {config.builder}"
    builder = load_object(config.builder, key=key)
    try:
        table = builder(panel.copy(deep=False), config)  # it may write into its own
    except Model2Error:
        raise
    except Exception as error:
        raise ConfigError(f"{origin} failed: {type(error).__name__}: {error}") from error
    if not isinstance(table, pd.DataFrame) or set(table.index.names) != set(INDEX_NAMES):
        found = type(table).__name__
        if isinstance(table, pd.DataFrame):
            found += f" indexed by ({', '.join(map(str, table.index.names))})"
        raise ConfigError(
            f"{origin} must return a DataFrame indexed by (instrument, datetime), not a {found}"
        )
    return _conformed(table, load_contract(contract), origin=origin)


def _conformed(table: pd.DataFrame, contract: Contract, *, origin: str) -> pd.DataFrame:
    if table.columns.nlevels > 1:
        raise ContractError(
            f"{origin}: columns have {table.columns.nlevels} levels, first {table.columns[0]}; "
            f"{contract.name} requires one: drop the others by columns.droplevel"
        )
    plain = table.set_axis([str(name) for name in table.columns], axis="columns")
    columns = table_columns(plain, origin)
    typed = {name: _typed(name, values, contract, origin) for name, values in columns.items()}
    require_columns(typed, contract, origin)
    plain = plain.assign(**{n: typed[n] for n in plain.columns if typed[n] is not columns[n]})
    levels = [typed[name] for name in INDEX_NAMES]
    plain.index = pd.MultiIndex.from_arrays(levels, names=list(INDEX_NAMES))
    plain.attrs = table.attrs
    ordered = to_canonical(plain)
    require_conformity(ordered, contract, origin=origin)
    return ordered


def _typed(
    name: str, values: pd.Index | pd.Series, contract: Contract, origin: str
) -> pd.Index | pd.Series:
    """Return values in the type of the contract; as they are where that is not plain."""
    column = contract.column(name)
    needed = "" if column is None else TYPES[column.arrow_type][0]
    made: Any = None
    if needed == "datetime64[us]":
        made = _dates(values)
        if made is not None and len(late := made[made != made.normalize()].dropna()):
            raise ContractError(
                f"{origin}: column {name!r} is {values.dtype} with times of day, first {late[0]}; "
                f"{contract.name} requires session dates, at midnight"
            )
    elif needed == "str" and values.dtype != needed:
        text = values.astype(object)
        is_text = infer_dtype(text, skipna=True) == "string"
        made = pd.Index(text, dtype="str") if is_text else None
    elif needed in ("float32", "float64") and values.dtype != needed:
        made = numbers(values)
        with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and refused
            made = None if made is None else made.astype(needed)
    if made is None or isinstance(values, pd.Index):
        return values if made is None else made
    return pd.Series(made, index=values.index, copy=False)


def numbers(values: pd.Index | pd.Series) -> NDArray[np.float64] | None:
    """Return numbers of any type as float64, NaN where missing; None where they are none."""
    try:
        if values.isna().all():
            return np.full(len(values), np.nan)
        is_numbers = infer_dtype(values, skipna=True) in _NUMBERS
        return values.to_numpy(dtype=np.float64, na_value=np.nan) if is_numbers else None
    except ArithmeticError:  # a decimal or a whole number that no float can be
        return None


def _dates(values: pd.Index | pd.Series) -> pd.DatetimeIndex | None:
    if values.isna().all():
        return pd.DatetimeIndex(np.full(len(values), np.datetime64("NaT", "us")))
    if infer_dtype(values, skipna=True) not in _DATES:
        return None
    try:
        return pd.DatetimeIndex(values).tz_localize(None).as_unit("us")
    except ValueError:  # several time zones
        return None
