"""Point-in-time membership: which instruments may be traded on which dates."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.errors import MarketDataError
from model2_assets.market_data.bars import checked_dates, first_row, instrument_names
from model2_assets.market_data.files import list_files
from model2_assets.market_data.table import ColumnsToRead, read_table
from model2_assets.panel import date_codes, instrument_codes

_STINTS = ColumnsToRead(
    required=("instrument", "from", "to"),
    dates=("from", "to"),
    mapping=None,
    rows_are="a row per stint, with the columns instrument, from and to (docs/files.md makes them "
    "of lists per date)",
)


def read_universe(path: str) -> pd.DataFrame:
    """Read a file, folder, glob or URL of universes, CSV or, by its ending, Parquet.

    Columns instrument, from, to: first and last date of a stint, both ends included. An empty
    ``to`` means a member still. An instrument may have several stints, also overlapping ones.
    """
    tables = []
    for file in list_files(path, key="market_data.universe"):
        table = read_table(file, _STINTS)
        tables.append(_checked_stints(table, origin=file.name))
    return pd.concat(tables, ignore_index=True)


def _checked_stints(table: pd.DataFrame, *, origin: str) -> pd.DataFrame:
    if table.empty:
        raise MarketDataError(
            f"{origin}: has no stint; name at least one instrument, or leave "
            f"market_data.universe out"
        )
    stints = {"instrument": instrument_names(table["instrument"], origin=origin)}
    for name in ("from", "to"):
        column = table[name]
        if column.isna().all():  # of no type, where a Parquet file has no value
            column = column.astype("datetime64[us]")
        dates = checked_dates(column, origin=origin, may_be_missing=name == "to")
        stints[name] = dates.dt.as_unit("us").dt.normalize()
    ends_first = stints["to"] < stints["from"]
    if ends_first.any():
        row = first_row(ends_first)
        raise MarketDataError(
            f"{origin}: the stint in data row {row} (instrument "
            f"{stints['instrument'].iloc[row - 1]}) ends before it begins; correct the universe "
            f"file"
        )
    return pd.DataFrame(stints)


def mark_universe(
    panel: pd.DataFrame, stints: pd.DataFrame, *, origin: str
) -> tuple[pd.DataFrame, Mapping[str, int]]:
    """Mark the rows whose instrument is a member on their date, in the column ``in_universe``.

    Counted are ``outsider_rows``; ``outsider_instruments``, never members on a date that they
    have a bar on; ``universe_instruments_without_data``.
    """
    index = panel.index
    is_member = _membership(index, stints)
    if not is_member.any():
        raise MarketDataError(
            f"{origin}: no bar falls into any stint of the universe (its first instrument is "
            f"{stints['instrument'].iloc[0] if len(stints) else 'missing'}, the first of the data "
            f"{index.get_level_values('instrument')[0]}); give both the same names and dates"
        )
    instruments = instrument_codes(index)
    n_members = len(np.unique(instruments.codes[is_member]))
    named = pd.Index(stints["instrument"].unique())
    return panel.assign(in_universe=is_member), {
        "outsider_rows": int(np.count_nonzero(~is_member)),
        "outsider_instruments": len(instruments.values) - n_members,
        "universe_instruments_without_data": int((~named.isin(instruments.values)).sum()),
    }


def _membership(index: pd.Index, stints: pd.DataFrame) -> NDArray[np.bool_]:
    instruments, dates = instrument_codes(index), date_codes(index)
    calendar = pd.DatetimeIndex(dates.values)
    owner = pd.Index(instruments.values).get_indexer(pd.Index(stints["instrument"]))
    stints, owner = stints[owner >= 0], owner[owner >= 0]
    n_dates = len(calendar)
    keys = instruments.codes * n_dates + dates.codes
    by_instrument = np.argsort(keys, kind="stable")
    first = calendar.searchsorted(stints["from"], side="left")
    behind = calendar.searchsorted(stints["to"].fillna(calendar[-1]), side="right")
    begin = np.searchsorted(keys[by_instrument], owner * n_dates + first)
    end = np.searchsorted(keys[by_instrument], owner * n_dates + behind)
    is_member = np.zeros(len(index), dtype=bool)
    for rows in map(slice, begin, end):
        is_member[by_instrument[rows]] = True
    return is_member
