"""Which column of a file is which of ours, and what a message shows of a file."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from model2_assets.errors import MarketDataError

_LONGEST = 60
_LONGEST_REASON = 300


def shown(text: str, *, longest: int = _LONGEST) -> str:
    r"""Return a text without what a terminal would act on, cut where it is long.

    Parameters
    ----------
    text : str
        Anything that a file holds.
    longest : int, default 60
        Characters that are kept.

    Returns
    -------
    str

    Examples
    --------
    >>> shown("A\nB")
    'A\\nB'
    """
    cut = text if len(text) <= longest else f"{text[:longest]}…"
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in cut)


def reason(error: Exception) -> str:
    """Return what another package says is wrong, on one line.

    Parameters
    ----------
    error : Exception
        It may quote the bytes of a damaged file.

    Returns
    -------
    str
    """
    return shown(" ".join(str(error).split()), longest=_LONGEST_REASON)


def first_row(mask: NDArray[np.bool_]) -> int:
    """Return the number of the first row that is marked; the first data row is 1.

    Parameters
    ----------
    mask : ndarray of shape (n_rows,), bool
        At least one is True.

    Returns
    -------
    int
    """
    return int(np.flatnonzero(mask)[0]) + 1


PRICE_COLUMNS = ("open", "high", "low", "close", "adjusted_close", "vwap")
"""Columns in the currency of the market, all positive."""

NUMERIC_COLUMNS = ("open", "high", "low", "close", "volume", "adjusted_close", "vwap")
"""Every number of a bar, in the order of the market_data table."""

CURRENCY = "currency"
"""Optional text, read to be checked; the market_data table does not have it."""

REQUIRED_COLUMNS = ("instrument", "datetime", "close")
BAR_COLUMNS = ("instrument", "datetime", *NUMERIC_COLUMNS)

_LISTED = 30

_USUAL_NAMES = {
    "instrument": ("instrument", "ticker", "symbol", "name", "asset", "security", "permno"),
    "datetime": ("datetime", "date", "timestamp", "time", "day"),
    "close": ("close", "price", "last", "closing price", "px_last", "prc"),
}


def resolve_columns(
    found: Sequence[str],
    mapping: Mapping[str, str] | None,
    *,
    origin: str,
    required: Sequence[str] = REQUIRED_COLUMNS,
    optional: Sequence[str] = NUMERIC_COLUMNS,
) -> dict[str, str]:
    """Decide which columns of a file to read.

    A column that the mapping names is read from there; any other is read where the file
    has it under our own name.

    Parameters
    ----------
    found : sequence of str
        Column names in the file.
    mapping : mapping of str to str, or None
        Our column name to the name in the file; None for a file that takes no mapping.
    origin : str
        What messages call the file.
    required, optional : sequence of str
        Our names of the columns that must and may be there.

    Returns
    -------
    dict of str to str
        Our name to the name in the file, for every column to read.

    Raises
    ------
    MarketDataError
        If a required or mapped column is missing, or a column to read is there twice.
    """
    wanted = dict.fromkeys([*required, *optional])
    named = mapping or {}
    columns = {ours: named.get(ours, ours) for ours in wanted}
    for ours, theirs in columns.items():
        if theirs not in found and (ours in required or ours in named):
            raise MarketDataError(_missing(ours, theirs, found, mapping, origin))
    columns = {ours: theirs for ours, theirs in columns.items() if theirs in found}
    for theirs in columns.values():
        if list(found).count(theirs) > 1:
            raise MarketDataError(
                f"{origin}: column {theirs!r} is there more than once; rename one of them"
            )
    return columns


def _missing(
    ours: str,
    theirs: str,
    found: Sequence[str],
    mapping: Mapping[str, str] | None,
    origin: str,
) -> str:
    listed = ", ".join(shown(name) for name in found[:_LISTED]) or "no columns"
    if len(found) > _LISTED:
        listed += f" and {len(found) - _LISTED} more"
    if mapping is None:
        return f"{origin}: no column {ours!r}; the file has: {listed}; rename its column"
    if ours in mapping:
        return (
            f"{origin}: no column {theirs!r}, which market_data.columns gives for {ours!r}; the "
            f"file has: {listed}"
        )
    return (
        f"{origin}: no column {ours!r}; the file has: {listed}. Say under market_data which one "
        f"it is, such as `columns: {{{ours}: {_likely(ours, found)}}}`"
    )


def _likely(ours: str, found: Sequence[str]) -> str:
    by_lower_name = {name.strip().lower(): name for name in reversed(found)}
    for usual in _USUAL_NAMES.get(ours, (ours,)):
        if usual in by_lower_name:
            return _yaml_text(shown(by_lower_name[usual]))
    return "<its name in the file>"


def _yaml_text(name: str) -> str:
    return name if re.fullmatch(r"\w+( \w+)*", name) else f'"{name}"'
