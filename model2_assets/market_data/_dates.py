"""Dates written as text."""

import re

import numpy as np
import pandas as pd

from model2_assets.errors import MarketDataError
from model2_assets.market_data._shown import shown

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.]\d{1,9})?)?)?", flags=re.ASCII)


def parse_iso_dates(
    values: "pd.Series[str]", *, column: str, origin: str, allow_empty: bool = False
) -> "pd.Series[pd.Timestamp]":
    """Parse dates in ISO 8601 and nothing else.

    Other notations are refused, never guessed: ``03/04/12`` has three readings.

    Parameters
    ----------
    values : Series of shape (n_rows,), str
        Dates such as ``2024-01-31``, or timestamps without time zone such as
        ``2024-01-31 16:00``.
    column : str
        Name of the column, for the message.
    origin : str
        What messages call the file.
    allow_empty : bool, default False
        Whether an empty or missing value is a missing date instead of an error.

    Returns
    -------
    Series of shape (n_rows,), datetime64[us]
        Missing dates are NaT.

    Raises
    ------
    MarketDataError
        At the first value that is not such a date; names it and its row.
    """
    codes, distinct = pd.factorize(values.fillna(""))
    texts = [str(text) for text in distinct]
    is_iso = np.array([_ISO.fullmatch(text) is not None for text in texts], dtype=bool)
    readable = [text if ok else None for text, ok in zip(texts, is_iso, strict=True)]
    parsed = pd.to_datetime(
        pd.Index(readable, dtype="str"), format="ISO8601", errors="coerce"
    ).as_unit("us")
    is_bad = np.array(parsed.isna())
    if allow_empty:
        is_bad &= np.array([bool(text) for text in texts], dtype=bool)
    if is_bad.any():
        first = int(np.flatnonzero(is_bad)[0])
        row = int(np.flatnonzero(codes == first)[0]) + 1
        raise MarketDataError(
            f"{origin}: column {column!r}, data row {row}: {shown(repr(texts[first]))} is not a "
            f"date in ISO format without time zone; write dates as 2024-01-31"
        )
    return pd.Series(parsed.to_numpy()[codes], index=values.index, name=values.name)
