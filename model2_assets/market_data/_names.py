"""Names of instruments: which can be used, and which look like the same."""

import unicodedata

import pandas as pd
from pandas.api.types import infer_dtype, is_integer_dtype

from model2_assets.errors import MarketDataError
from model2_assets.market_data._shown import first_row, shown

LONGEST_NAME = 100
"""Characters; a longer name is a quote that was never closed, or another column."""


def instrument_names(column: pd.Series, *, origin: str) -> "pd.Series[str]":
    """Return the names of instruments as text.

    Parameters
    ----------
    column : Series of shape (n_rows,)
        Text, categories of text, or whole numbers, which become text.
    origin : str
        What messages call the data.

    Returns
    -------
    Series of shape (n_rows,), str

    Raises
    ------
    MarketDataError
        If the column holds something else, or a name is empty, longer than `LONGEST_NAME`, has
        white space around it or a character that cannot be printed.
    """
    missing = column.isna()
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if is_integer_dtype(column.dtype):
        column = column.astype("str")
    elif infer_dtype(column, skipna=True) not in ("string", "empty"):
        raise MarketDataError(
            f"{origin}: column 'instrument' holds {column.dtype}, not text; write names as text"
        )
    names = column.astype("str")
    empty = (missing | (names.str.strip() == "")).to_numpy(dtype=bool)
    if empty.any():
        raise MarketDataError(
            f"{origin}: column 'instrument' is empty in data row {first_row(empty)}; name the "
            f"instrument or remove the row"
        )
    _refuse_odd_names(names, origin)
    return names


def _refuse_odd_names(names: "pd.Series[str]", origin: str) -> None:
    for name in names.unique():
        reason = _reason(name)
        if reason:
            row = first_row((names == name).to_numpy(dtype=bool))
            raise MarketDataError(
                f"{origin}: column 'instrument', data row {row}: the name "
                f"'{shown(name)}' {reason}; correct it in the source"
            )


def _reason(name: str) -> str:
    if name != name.strip():
        return "has white space around it"
    if not name.isprintable():
        return "has a character that cannot be printed"
    if len(name) > LONGEST_NAME:
        return f"has {len(name):,} characters, more than {LONGEST_NAME}"
    return ""


def spelled_alike(names: pd.Index) -> list[tuple[str, ...]]:
    """Return the names that differ in case or Unicode form alone.

    Parameters
    ----------
    names : Index of shape (n_instruments,), str
        Distinct names.

    Returns
    -------
    list of tuple of str
        Each with two names or more, in the order given.

    Examples
    --------
    >>> spelled_alike(pd.Index(["AA", "B", "Aa"]))
    [('AA', 'Aa')]
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(unicodedata.normalize("NFKC", name).casefold(), []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]
