"""Columns of Parquet files."""

from collections.abc import Mapping, Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from model2_assets.errors import MarketDataError
from model2_assets.market_data._columns import NUMERIC_COLUMNS, REQUIRED_COLUMNS, resolve_columns
from model2_assets.market_data._dates import parse_iso_dates
from model2_assets.market_data._files import InputFile
from model2_assets.market_data._shown import reason

PARQUET_SUFFIXES = (".parquet", ".pq")


def read_parquet_columns(
    file: InputFile,
    mapping: Mapping[str, str] | None,
    *,
    required: Sequence[str] = REQUIRED_COLUMNS,
    optional: Sequence[str] = NUMERIC_COLUMNS,
    dates: Sequence[str] = ("datetime",),
    empty_dates: Sequence[str] = (),
) -> pd.DataFrame:
    """Read the columns that we need of one Parquet file, under our names.

    Parameters
    ----------
    file : InputFile
        The file.
    mapping : mapping of str to str, or None
        Our column name to the name in the file; None for a file that takes no mapping.
    required, optional : sequence of str
        Our names of the columns that must and may be there.
    dates : sequence of str
        Our names of the date columns; where the file holds them as text, it must be ISO.
    empty_dates : sequence of str
        The date columns in which text may be empty.

    Returns
    -------
    DataFrame of shape (n_rows, n_columns)
        Types as in the file, except that calendar dates become datetime64[us], decimals
        float64 and instruments that are whole numbers text.

    Raises
    ------
    MarketDataError
        If the file is not readable Parquet, a column is missing, or a date is not ISO.
    """
    try:
        with file.open() as handle:
            parquet = pq.ParquetFile(handle)
            columns = resolve_columns(
                parquet.schema_arrow.names,
                mapping,
                origin=file.name,
                required=required,
                optional=optional,
            )
            table = parquet.read(columns=list(dict.fromkeys(columns.values())))
        frame = pd.DataFrame(
            {ours: _plain(ours, table.column(theirs)) for ours, theirs in columns.items()}
        )
    except (OSError, ValueError, pa.ArrowException) as error:
        raise MarketDataError(
            f"{file.name}: cannot be read as Parquet ({reason(error)}); correct the path or write "
            f"the file again"
        ) from error
    for column in dates:
        if pd.api.types.infer_dtype(frame[column], skipna=True) == "string":
            frame[column] = parse_iso_dates(
                frame[column], column=column, origin=file.name, allow_empty=column in empty_dates
            )
    return frame


def _plain(name: str, column: pa.ChunkedArray) -> pd.Series:
    series: pd.Series = _of_plain_type(name, column).to_pandas()
    return series


def _of_plain_type(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _of_plain_type(name, column.cast(kind.value_type))
    if name == "instrument" and pa.types.is_integer(kind):
        # Not by way of pandas, whose integers become floats where one is missing.
        return column.cast(pa.string())
    if pa.types.is_date(kind):
        return column.cast(pa.timestamp("us"))
    if pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    return column
