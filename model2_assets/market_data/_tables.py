"""Bars out of many files of one format."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from model2_assets.errors import MarketDataError
from model2_assets.market_data._columns import CURRENCY, NUMERIC_COLUMNS, REQUIRED_COLUMNS
from model2_assets.market_data._files import InputFile
from model2_assets.market_data._types import typed_bars

ColumnReader = Callable[..., pd.DataFrame]


def read_bars(
    files: Sequence[InputFile],
    read_columns: ColumnReader,
    mapping: Mapping[str, str],
    *,
    instrument_from_filename: bool,
) -> pd.DataFrame:
    """Read bars of one or many files into one table.

    Parameters
    ----------
    files : sequence of InputFile
        At least one.
    read_columns : callable
        `read_csv_columns` or `read_parquet_columns`.
    mapping : mapping of str to str
        Our column name to the name in the files.
    instrument_from_filename : bool
        Name the instrument of each file after the file instead of reading a column.

    Returns
    -------
    DataFrame of shape (n_rows, n_columns)
        Typed bars, rows in the order of files and their rows.

    Raises
    ------
    MarketDataError
        If a file cannot be used, or files differ in their columns.
    """
    required = [
        name for name in REQUIRED_COLUMNS if name != "instrument" or not instrument_from_filename
    ]
    optional = [name for name in (*NUMERIC_COLUMNS, CURRENCY) if name not in required]
    tables: list[pd.DataFrame] = []
    for file in files:
        table = read_columns(file, mapping, required=required, optional=optional)
        if instrument_from_filename:
            table["instrument"] = pd.Series(file.stem, index=table.index, dtype="str")
        tables.append(typed_bars(table, origin=file.name))
        _refuse_other_columns(tables[0], files[0], tables[-1], file)
    return pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]


def _refuse_other_columns(
    first: pd.DataFrame, first_file: InputFile, other: pd.DataFrame, other_file: InputFile
) -> None:
    for here, there, lacking in (
        (first, other, other_file.name),
        (other, first, first_file.name),
    ):
        missing = [name for name in here.columns if name not in there.columns]
        if missing:
            having = first_file.name if here is first else other_file.name
            raise MarketDataError(
                f"{lacking}: no column {missing[0]!r}, which {having} has; give all files the "
                f"same columns or load them as separate regions"
            )
