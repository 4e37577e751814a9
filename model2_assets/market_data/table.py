"""The table in one file, CSV or Parquet, and bars of one or many files."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from model2_assets.config import ExtraFeaturesConfig, MarketDataConfig
from model2_assets.errors import MarketDataError
from model2_assets.market_data.bars import (
    CURRENCY,
    NUMERIC_COLUMNS,
    REQUIRED_COLUMNS,
    first_row,
    reason,
    shown,
    typed_bars,
)
from model2_assets.market_data.files import SUFFIXES, InputFile, hive_values
from model2_assets.market_data.lakes import delta_rows, open_delta

_LONGEST_HEADER = 1 << 20
_LISTED = 30

_OTHER_FORMATS = {
    b"PAR1": "is a Parquet file; read it by source: parquet",
    b"PK\x03\x04": "is a zip archive or an Excel workbook; save the table as CSV",
    b"\x1f\x8b": "is compressed by gzip; give it the ending .gz",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd; give it the ending .zst, and install the Python "
    "package zstandard, or compress it by gzip",
    codecs.BOM_UTF16_LE: "is UTF-16 text; save it as UTF-8",
    codecs.BOM_UTF16_BE: "is UTF-16 text; save it as UTF-8",
}
"""How files begin that are often taken for CSV."""

_MISSING_NUMBERS = [
    "", "NA", "N/A", "#N/A", "n/a", "NaN", "nan", "NAN", "null", "NULL", "None", "<NA>",
]  # fmt: skip

_USUAL_NAMES = {
    "instrument": ("instrument", "ticker", "symbol", "name", "asset", "security", "permno"),
    "datetime": ("datetime", "date", "timestamp", "time", "day"),
    "close": ("close", "price", "last", "closing price", "px_last", "prc"),
}

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.]\d{1,9})?)?)?", flags=re.ASCII)


@dataclass(frozen=True)
class ColumnsToRead:
    """Columns to read of a file, by our names."""

    required: Sequence[str]
    optional: Sequence[str] = ()
    dates: Sequence[str] = ("datetime",)
    mapping: Mapping[str, str] | None = field(default_factory=dict)
    """Our name to the name in the file, where they differ; None for a file that takes none."""
    numbers: Sequence[str] = NUMERIC_COLUMNS
    key: str = "market_data"
    """Section of the configuration that has the mapping, for messages."""

    def names_in(self, found: Sequence[str], *, origin: str) -> dict[str, str]:
        """Return, by our name, the name in the file of every column to read.

        What the file lacks, the Hive folders above it (`hive_values`) may have.
        """
        named, folders = self.mapping or {}, hive_values(origin)
        columns = {}
        for ours in dict.fromkeys([*self.required, *self.optional]):
            theirs = named.get(ours, ours)
            if theirs in found:
                columns[ours] = theirs
            elif theirs not in folders and (ours in self.required or ours in named):
                listed = [*found, *folders]
                raise MarketDataError(f"{origin}: {self._missing(ours, theirs, listed)}")
        for theirs in columns.values():
            if list(found).count(theirs) > 1:
                raise MarketDataError(
                    f"{origin}: column {theirs!r} is there more than once; rename one of them"
                )
        return columns

    def _missing(self, ours: str, theirs: str, found: Sequence[str]) -> str:
        if len(found) == 1:
            return (
                f"no column {theirs!r}; the file has one column: {shown(found[0])}; put commas "
                f"between the columns of a CSV file, and a point in numbers"
            )
        listed = ", ".join(shown(name) for name in found[:_LISTED]) or "no columns"
        if len(found) > _LISTED:
            listed += f" and {len(found) - _LISTED} more"
        if self.mapping is None:
            return f"no column {ours!r}; the file has: {listed}; rename its column"
        if ours in self.mapping:
            return (
                f"no column {theirs!r}, which {self.key}.columns gives for {ours!r}; the file "
                f"has: {listed}"
            )
        return (
            f"no column {ours!r}; the file has: {listed}. Say under {self.key} which one it is, "
            f"such as `columns: {{{ours}: {_likely(ours, found)}}}`"
        )


def _likely(ours: str, found: Sequence[str]) -> str:
    by_lower_name = {name.strip().lower(): shown(name) for name in reversed(found)}
    for usual in _USUAL_NAMES.get(ours, (ours,)):
        if name := by_lower_name.get(usual):
            return name if re.fullmatch(r"\w+( \w+)*", name) else f'"{name}"'
    return "<its name in the file>"


def read_table(
    file: InputFile, wanted: ColumnsToRead, *, source: str | None = None
) -> pd.DataFrame:
    """Read the columns that are wanted of one file, under our names.

    Without a source, it is Parquet where the file's ending says so, else CSV.
    Only numbers can be missing by a word such as ``NA`` or ``null``: as an instrument, ``NA``
    is a ticker like any other. Dates that are text have to be ISO and become datetime64[us].
    """
    if source is None:
        source = "parquet" if file.name.lower().endswith(SUFFIXES["parquet"]) else "csv"
    try:
        if file.is_delta:
            frame = _read_delta(file, wanted)
        else:
            frame = _read_parquet(file, wanted) if source == "parquet" else _read_csv(file, wanted)
    except (MarketDataError, MemoryError):
        raise
    except Exception as error:  # each decompressor and file system has errors of its own
        kind = "Parquet" if source == "parquet" else "comma-separated UTF-8 text"
        raise MarketDataError(
            f"{file.name}: cannot be read as {kind} ({reason(error)}); correct the path or write "
            f"the file again"
        ) from error
    _add_hive_values(frame, file, wanted)
    for name in wanted.dates:
        if name in frame and isinstance(frame[name].dtype, pd.StringDtype):
            frame[name] = _iso_dates(frame[name], f"{file.name}: column {name!r}")
    return frame


def _add_hive_values(frame: pd.DataFrame, file: InputFile, wanted: ColumnsToRead) -> None:
    """Add the columns that folders alone have; an instrument that both have is to be the same."""
    folders = hive_values(file.name)
    for ours in dict.fromkeys([*wanted.required, *wanted.optional]):
        theirs = (wanted.mapping or {}).get(ours, ours)
        if theirs in folders and ours not in frame:
            frame[ours] = pd.Series(folders[theirs], index=frame.index, dtype="str")
        elif theirs in folders and ours == "instrument":
            is_other = frame[ours].astype("str") != folders[theirs]
            if is_other.any():
                row = first_row(is_other)
                raise MarketDataError(
                    f"{file.name}: column {theirs!r}, data row {row}: is "
                    f"{shown(repr(frame[ours].iloc[row - 1]))}, not what its folder says; move the "
                    f"file, or correct the column"
                )


def _read_csv(file: InputFile, wanted: ColumnsToRead) -> pd.DataFrame:
    with file.open() as handle:
        columns = wanted.names_in(_header(handle.read(_LONGEST_HEADER), file), origin=file.name)
    numbers = [theirs for ours, theirs in columns.items() if ours in wanted.numbers]
    kinds = dict.fromkeys(columns.values(), pa.string()) | dict.fromkeys(numbers, pa.float64())
    try:
        table = _parse_csv(file, kinds)
    except pa.ArrowInvalid:
        _refuse_text(file, numbers)
        raise
    frame = pd.DataFrame({ours: table[theirs].to_pandas() for ours, theirs in columns.items()})
    # Text of no row is of type object in pandas 3.0.
    return frame.astype({ours: "str" for ours in columns if ours not in wanted.numbers})


def _header(start: bytes, file: InputFile) -> list[str]:
    for magic, what in _OTHER_FORMATS.items():
        if start.startswith(magic):
            raise MarketDataError(f"{file.name}: {what}")
    if not start.strip():
        raise MarketDataError(f"{file.name}: is empty; write the file again")
    # The first line alone is looked at: the end of what was read may cut a letter in two.
    text = start.decode("utf-8-sig", errors="replace")
    return next(csv.reader(io.StringIO(text, newline="")), [])


def _parse_csv(file: InputFile, kinds: Mapping[str, pa.DataType]) -> pa.Table:
    # Unlike pandas, Arrow refuses a row longer than the header: `1,5` meant as 1.5 is one.
    with file.open() as handle:
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
    """Name the first value that is no number, which Arrow does not."""
    texts = _parse_csv(file, dict.fromkeys(numbers, pa.string())).to_pandas()
    for name in numbers:
        given = texts[name].mask(texts[name].isin(_MISSING_NUMBERS))
        is_text = given.notna() & pd.to_numeric(given, errors="coerce").isna()
        if is_text.any():
            row = first_row(is_text)
            raise MarketDataError(
                f"{file.name}: column {name!r}, data row {row}: {shown(repr(given[row - 1]))} is "
                f"text, not a number; write numbers such as 1234.5"
            )


def _read_parquet(file: InputFile, wanted: ColumnsToRead) -> pd.DataFrame:
    with file.open() as handle:
        parquet = pq.ParquetFile(handle)
        columns = wanted.names_in(parquet.schema_arrow.names, origin=file.name)
        table = parquet.read(columns=list(columns.values()))
    return _frame(table, columns)


def _read_delta(file: InputFile, wanted: ColumnsToRead) -> pd.DataFrame:
    table = open_delta(file.name)
    found = [column.name for column in table.schema().fields]
    columns = wanted.names_in(found, origin=file.name)
    return _frame(delta_rows(table, list(columns.values())), columns)


def _frame(table: pa.Table, columns: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame(
        {ours: _plain(ours, table[theirs]).to_pandas() for ours, theirs in columns.items()}
    )


def _plain(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return decimals as numbers, calendar dates as dates, and dictionaries as what they hold."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(name, column.cast(kind.value_type))
    if pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if name == "instrument" and pa.types.is_integer(kind):
        # Not by way of pandas, whose integers become floats where one is missing.
        return column.cast(pa.string())
    if pa.types.is_date(kind):
        return column.cast(pa.timestamp("us"))
    return column.cast(pa.float64()) if pa.types.is_decimal(kind) else column


def _iso_dates(values: pd.Series, place: str) -> pd.Series:
    """Parse dates in ISO 8601; others are refused, not guessed: 03/04/12 has three readings."""
    codes, distinct = pd.factorize(values.fillna(""))
    texts = pd.Series(distinct, dtype="str")
    dates = pd.to_datetime(
        texts.where(texts.map(lambda text: _ISO.fullmatch(text) is not None)),
        format="ISO8601",
        errors="coerce",
    ).dt.as_unit("us")
    is_bad = dates.isna() & (texts != "")
    if is_bad.any():
        row = first_row(is_bad.to_numpy()[codes])
        raise MarketDataError(
            f"{place}, data row {row}: {shown(repr(texts[codes[row - 1]]))} is not a date in ISO "
            f"format without time zone; write dates as 2024-01-31"
        )
    return pd.Series(dates.to_numpy()[codes], index=values.index, name=values.name)


def read_bars(files: Sequence[InputFile], config: MarketDataConfig) -> pd.DataFrame:
    """Read bars of one or many files into one table, in the order of files and their rows."""
    wanted = ColumnsToRead(
        required=REQUIRED_COLUMNS, optional=(*NUMERIC_COLUMNS, CURRENCY), mapping=config.columns
    )
    return read_tables(files, wanted, config, typed=typed_bars)


def read_tables(
    files: Sequence[InputFile],
    wanted: ColumnsToRead,
    config: MarketDataConfig | ExtraFeaturesConfig,
    *,
    typed: Callable[..., pd.DataFrame],
) -> pd.DataFrame:
    """Read one or many files into one table, in the order of files and their rows.

    ``typed(table, origin=...)`` gives the columns of each file their types.
    """
    if config.instrument_from_filename:
        required = [name for name in wanted.required if name != "instrument"]
        wanted = replace(wanted, required=required)
    tables: list[pd.DataFrame] = []
    for file in files:
        table = read_table(file, wanted, source=config.source)
        if config.instrument_from_filename:
            _refuse_hive_names(file)
            table["instrument"] = pd.Series(file.stem, index=table.index, dtype="str")
        tables.append(typed(table, origin=file.name))
        _refuse_other_columns(tables[0], files[0].name, tables[-1], file.name)
    return pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]


def _refuse_hive_names(file: InputFile) -> None:
    """Refuse to name instruments after files such as part-0, where their folders name them."""
    for key, value in hive_values(file.name).items():
        if key.lower() in _USUAL_NAMES["instrument"] and value != file.stem:
            raise MarketDataError(
                f"{file.name}: its folder names the instrument ({key}={value}), not the file; "
                f"write `columns: {{instrument: {key}}}` in place of instrument_from_filename"
            )


def _refuse_other_columns(
    first: pd.DataFrame, first_name: str, other: pd.DataFrame, other_name: str
) -> None:
    for name in first.columns.symmetric_difference(other.columns)[:1]:
        is_there = name in first
        having, lacking = (first_name, other_name) if is_there else (other_name, first_name)
        raise MarketDataError(
            f"{lacking}: no column {name!r}, which {having} has; give all files the same columns "
            f"or load them as separate regions"
        )
