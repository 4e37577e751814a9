"""Bars out of CSV and Parquet files."""

import codecs
import csv
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from model2_assets.errors import MarketDataError
from model2_assets.market_data.columns import (
    CURRENCY,
    NUMERIC_COLUMNS,
    REQUIRED_COLUMNS,
    reason,
    resolve_columns,
    shown,
)
from model2_assets.market_data.files import InputFile
from model2_assets.market_data.types import parse_iso_dates, typed_bars

CSV_SUFFIXES = (".csv", ".csv.gz", ".csv.bz2", ".csv.xz", ".csv.zst", ".csv.zip")

_LONGEST_HEADER = 1 << 20

_OTHER_FORMATS = {
    b"PAR1": "is a Parquet file; read it by source: parquet",
    b"PK\x03\x04": "is a zip archive or an Excel workbook; save the table as CSV",
    b"\x1f\x8b": "is compressed by gzip; give it the ending .gz",
    b"\xff\xfe": "is UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "is UTF-16 text; save it as UTF-8",
}
"""How files begin that are often taken for CSV."""

_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}

_UNREADABLE = (
    OSError,
    EOFError,
    UnicodeDecodeError,
    csv.Error,
    pa.ArrowException,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
)

_MISSING_NUMBERS = [
    "", "NA", "N/A", "#N/A", "n/a", "NaN", "nan", "NAN", "null", "NULL", "None", "<NA>",
]  # fmt: skip


def read_csv_columns(
    file: InputFile,
    mapping: Mapping[str, str] | None,
    *,
    required: Sequence[str] = REQUIRED_COLUMNS,
    optional: Sequence[str] = NUMERIC_COLUMNS,
    dates: Sequence[str] = ("datetime",),
    empty_dates: Sequence[str] = (),
) -> pd.DataFrame:
    """Read the columns that we need of one comma-separated file, under our names.

    Only numbers can be missing by a word such as ``NA`` or ``null``: as an instrument,
    ``NA`` is a ticker like any other.

    Parameters
    ----------
    file : InputFile
        UTF-8 text with a header line; compressed where its suffix says so.
    mapping : mapping of str to str, or None
        Our column name to the name in the file; None for a file that takes no mapping.
    required, optional : sequence of str
        Our names of the columns that must and may be there.
    dates : sequence of str
        Our names of the date columns.
    empty_dates : sequence of str
        The date columns in which a value may be empty.

    Returns
    -------
    DataFrame of shape (n_rows, n_columns)
        Dates datetime64[us]; bar numbers float64, equal to the last bit to what Python's
        ``float`` reads; the rest str.

    Raises
    ------
    MarketDataError
        If the file is not readable, a column is missing, a date is not ISO or a number is
        text; names the first offending value and its data row (the line after the header
        is data row 1).
    """
    try:
        found = _header(file)
        columns = resolve_columns(
            found, mapping, origin=file.name, required=required, optional=optional
        )
        frame = _read(file, columns)
    except _UNREADABLE as error:
        raise MarketDataError(
            f"{file.name}: cannot be read as comma-separated UTF-8 text ({reason(error)}); correct "
            f"the path or write the file again"
        ) from error
    for column in dates:
        if column in frame:
            frame[column] = parse_iso_dates(
                frame[column], column=column, origin=file.name, allow_empty=column in empty_dates
            )
    return frame


def _header(file: InputFile) -> list[str]:
    with file.open(decompress=True) as handle:
        start = handle.read(_LONGEST_HEADER)
    for magic, what in _OTHER_FORMATS.items():
        if start.startswith(magic):
            raise MarketDataError(f"{file.name}: {what}")
    if not start.strip():
        raise MarketDataError(f"{file.name}: is empty; write the file again")
    # The first line alone has to be UTF-8 here: where it ends is not known before it is read.
    text = start.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="replace")
    header = next(csv.reader(io.StringIO(text, newline="")), [])
    line = "".join(header)
    if "\0" in line or "\ufffd" in line:
        raise MarketDataError(
            f"{file.name}: the first line is no UTF-8 text: {shown(line)}; save it as UTF-8 CSV"
        )
    if len(header) == 1:
        _refuse_other_separator(header[0], file)
    return header


def _refuse_other_separator(line: str, file: InputFile) -> None:
    for separator, name in _OTHER_SEPARATORS.items():
        if separator in line:
            raise MarketDataError(
                f"{file.name}: columns are separated by {name}, not by commas: {shown(line)}; "
                f"write it again with commas, and a point in numbers"
            )


def _read(file: InputFile, columns: Mapping[str, str]) -> pd.DataFrame:
    numbers = [theirs for ours, theirs in columns.items() if ours in NUMERIC_COLUMNS]
    kinds = dict.fromkeys(columns.values(), pa.string()) | dict.fromkeys(numbers, pa.float64())
    try:
        table = _parse(file, kinds)
    except pa.ArrowInvalid:
        _refuse_text(file, numbers)
        raise
    return pd.DataFrame(
        {ours: table.column(theirs).to_pandas() for ours, theirs in columns.items()}
    )


def _parse(file: InputFile, kinds: Mapping[str, pa.DataType]) -> pa.Table:
    # Unlike pandas, Arrow refuses a row longer than the header: `1,5` meant as 1.5 is one.
    with file.open(decompress=True) as handle:
        return pa_csv.read_csv(
            handle,
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                include_columns=list(kinds),
                column_types=dict(kinds),
                null_values=_MISSING_NUMBERS,
                strings_can_be_null=False,
            ),
        )


def _refuse_text(file: InputFile, numbers: Sequence[str]) -> None:
    texts = _parse(file, dict.fromkeys(numbers, pa.string()))
    for name in numbers:
        codes, distinct = pd.factorize(texts.column(name).to_pandas())
        is_text = np.array([not _is_number(text) for text in distinct], dtype=bool)
        offending = np.flatnonzero(is_text[codes])
        if len(offending):
            row = int(offending[0])
            raise MarketDataError(
                f"{file.name}: column {name!r}, data row {row + 1}: "
                f"{shown(repr(distinct[codes[row]]))} is text, "
                f"not a number; write numbers such as 1234.5"
            )


def _is_number(text: str) -> bool:
    if text in _MISSING_NUMBERS:
        return True
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text and text.isascii()


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
