"""The table in one file, CSV or Parquet, and bars of one or many files."""

import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from model2_assets.config import MarketDataConfig, TableSource
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
from model2_assets.market_data.files import SUFFIXES, InputFile, hive_values, list_source
from model2_assets.market_data.lakes import delta_rows, open_delta
from model2_assets.market_data.layout import (
    MISSING_NUMBERS,
    USUAL_NAMES,
    header_problem,
    is_uncut,
    lists_instruments,
    number_columns,
    refuse_other_formats,
    second_header,
    wide_problem,
)
from model2_assets.market_data.sql import query_table

_LISTED = 30
_PREVIEWED = 30

_ISO = re.compile(
    r"(\d{4}-\d{2}-\d{2}|\d{8})([T ]\d{2}:\d{2}(:\d{2}([.]\d{1,9})?)?)?", flags=re.ASCII
)


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
    date_format: str | None = None
    """How dates that are text are written; None: in ISO 8601."""
    rows_are: str = "a row per instrument and date"
    """What a file has to hold whose columns cannot be mapped."""
    holder: str = "the file"
    """What has the columns."""

    def names_in(
        self,
        found: Sequence[str],
        *,
        origin: str,
        numbers: Sequence[str] = (),
        lines: Sequence[Sequence[str]] = (),
    ) -> dict[str, str]:
        """Return, by our name, the name in the file of every column to read.

        What the file lacks, the Hive folders above it (`hive_values`) may have. The columns that
        hold nothing but numbers, and of text the first lines, tell why one is missing.
        """
        named, folders = self.mapping or {}, hive_values(origin)
        columns = {}
        for ours in dict.fromkeys([*self.required, *self.optional]):
            theirs = named.get(ours, ours)
            theirs = theirs if theirs in found else theirs.strip()
            if theirs in found:
                columns[ours] = theirs
            elif theirs not in folders and (ours in self.required or ours in named):
                problem = self._layout_problem(found, numbers, lines)
                problem = problem or self._missing(ours, theirs, [*found, *folders])
                raise MarketDataError(f"{origin}: {problem}")
        for theirs in columns.values():
            if list(found).count(theirs) > 1:
                raise MarketDataError(
                    f"{origin}: column {theirs!r} is there more than once; rename one of them"
                )
        return columns

    def _layout_problem(
        self, found: Sequence[str], numbers: Sequence[str], lines: Sequence[Sequence[str]]
    ) -> str:
        if not found and not lines:
            return "is an empty table, without a column; write the file again, or remove it"
        if is_uncut(lines):
            return ""
        names = {ours: (self.mapping or {}).get(ours, ours) for ours in self.required}
        if problem := header_problem(lines, names.values()) if lines else "":
            return problem
        if self.mapping is None:
            has_list = len(lines) > 1 and lists_instruments(*lines[:2])
            return f"has several instruments in a cell; write {self.rows_are}" if has_list else ""
        values = [name for ours, name in names.items() if ours in self.numbers]
        is_there = any(name in found for name in values)
        wide = "" if is_there else wide_problem(found, numbers, value=values[0])
        return second_header(lines) or wide

    def _missing(self, ours: str, theirs: str, found: Sequence[str]) -> str:
        if len(found) == 1 and re.search(r"[;\t|]", found[0]):
            return (
                f"no column {theirs!r}; the file has one column: {shown(found[0])}; put commas "
                f"between the columns of a CSV file, and a point in numbers"
            )
        listed = ", ".join(map(shown, found[:_LISTED])) or "no columns"
        if len(found) > _LISTED:
            listed += f" and {len(found) - _LISTED} more"
        has = f"{self.holder} has: {listed}"
        if self.mapping is None:
            return f"no column {ours!r}; {has}; rename its column, or write {self.rows_are}"
        if ours in self.mapping:
            return f"no column {theirs!r}, which {self.key}.columns gives for {ours!r}; {has}"
        likely = _likely(ours, found)
        entry = f"`columns: {{{ours}: {likely}}}`"
        if ours == "instrument" and likely == _UNKNOWN and self.holder == "the file":
            entry += ", or, if each file holds one instrument, `instrument_from_filename: true`"
        return f"no column {ours!r}; {has}. Say under {self.key} which one it is, such as {entry}"


_UNKNOWN = "<its name in the file>"


def _likely(ours: str, found: Sequence[str]) -> str:
    by_lower_name = {name.strip(" <>").lower(): shown(name) for name in reversed(found)}
    for usual in USUAL_NAMES.get(ours, (ours,)):
        if name := by_lower_name.get(usual):
            return name if re.fullmatch(r"\w+( \w+)*", name) else f'"{name}"'
    return _UNKNOWN


def read_table(
    file: InputFile, wanted: ColumnsToRead, *, source: str | None = None
) -> pd.DataFrame:
    """Read the columns that are wanted of one file, under our names.

    Without a source, it is Parquet where the file's ending says so, else CSV.
    Only numbers can be missing by a word such as ``NA`` or ``null``: as an instrument, ``NA``
    is a ticker like any other. Dates that are text, or whole numbers such as 20240102, become
    datetime64[us]. A field of CSV ends in the line in which it begins.
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
        kind = "a Delta table" if file.is_delta else kind
        raise MarketDataError(
            f"{file.name}: cannot be read as {kind} ({reason(error)}); correct the path or write "
            f"the file again"
        ) from error
    _add_hive_values(frame, file, wanted)
    return _with_dates(frame, wanted, file.name)


def _with_dates(frame: pd.DataFrame, wanted: ColumnsToRead, origin: str) -> pd.DataFrame:
    for name in wanted.dates:
        if name in frame and isinstance(frame[name].dtype, pd.StringDtype):
            frame[name] = parsed_dates(frame[name], wanted, f"{origin}: column {name!r}")
    return frame


def _add_hive_values(frame: pd.DataFrame, file: InputFile, wanted: ColumnsToRead) -> None:
    """Add the columns that folders alone have; an instrument that both have is to be the same."""
    folders = hive_values(file.name)
    for ours in dict.fromkeys([*wanted.required, *wanted.optional]):
        theirs = (wanted.mapping or {}).get(ours, ours)
        if theirs not in folders:
            continue
        if ours not in frame:
            frame[ours] = pd.Series(folders[theirs], index=frame.index, dtype="str")
            if ours in wanted.dates and f"{theirs}=" not in file.name:  # of year, month and day
                iso = replace(wanted, date_format=None)
                frame[ours] = parsed_dates(frame[ours], iso, f"{file.name}: column {theirs!r}")
        elif ours == "instrument":
            given = frame[ours].astype("str")
            for other in given[given != folders[theirs]].head(1):
                raise MarketDataError(
                    f"{file.name}: column {theirs!r} has {shown(repr(other))}, which is not what "
                    f"its folder says; move the file, or correct the column"
                )


def _read_csv(file: InputFile, wanted: ColumnsToRead) -> pd.DataFrame:
    with file.open() as handle:
        data = handle.read()
    if not data.endswith((b"\n", b"\r")):
        data += b"\n"
    refuse_other_formats(data, source="csv", origin=file.name)
    lines = list(islice(_lines(data, file), _PREVIEWED))
    is_padded = any(cell[:1] == " " for line in lines for cell in line)
    if is_padded or (b", " in data and b'"' not in data):
        data = _without_blanks(data, file)
        lines = list(islice(_lines(data, file), _PREVIEWED))
    header = [name.strip().encode(errors="replace").decode() for name in lines[0]]
    columns = wanted.names_in(header, origin=file.name, numbers=number_columns(lines), lines=lines)
    numbers = [theirs for ours, theirs in columns.items() if ours in wanted.numbers]
    kinds = dict.fromkeys(columns.values(), pa.string()) | dict.fromkeys(numbers, pa.float64())
    try:
        table = _parse_csv(data, header, kinds)
    except pa.ArrowInvalid:
        deque(_lines(data, file), maxlen=0)
        texts = _parse_csv(data, header, dict.fromkeys(numbers, pa.string())).to_pandas()
        _refuse_text(texts, file, lines)
        raise
    if b'"' in data and table.num_rows + 1 != data.count(b"\n"):
        deque(_lines(data, file), maxlen=0)
    frame = pd.DataFrame({ours: table[theirs].to_pandas() for ours, theirs in columns.items()})
    # Text of no row is of type object in pandas 3.0.
    return frame.astype({ours: "str" for ours in columns if ours not in wanted.numbers})


def _lines(data: bytes, file: InputFile, *, skipinitialspace: bool = False) -> Iterator[list[str]]:
    """Yield the fields of each line; refuse one that goes on in the next."""
    csv.field_size_limit(2**31 - 1)  # a stray quote opens a field of any length
    text = io.TextIOWrapper(
        io.BytesIO(data), encoding="utf-8-sig", errors="surrogateescape", newline=""
    )
    reader = csv.reader(text, skipinitialspace=skipinitialspace)
    for line, fields in enumerate(reader, start=1):
        if reader.line_num > line:
            raise MarketDataError(
                f"{file.name}: line {line} begins a field in quotes that ends in line "
                f"{reader.line_num}, so that rows would be lost; remove a stray quote, write one "
                f"that belongs to the text twice, or take the line break out of the field"
            )
        yield fields


def _without_blanks(data: bytes, file: InputFile) -> bytes:
    """Return CSV without blanks after commas, which Arrow takes for a part of the field."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(_lines(data, file, skipinitialspace=True))
    return text.getvalue().encode(errors="surrogateescape")


def _parse_csv(data: bytes, header: Sequence[str], kinds: Mapping[str, pa.DataType]) -> pa.Table:
    # Unlike pandas, Arrow refuses a row longer than the header: `1,5` meant as 1.5 is one.
    return pa_csv.read_csv(
        pa.BufferReader(data),
        read_options=pa_csv.ReadOptions(column_names=header, skip_rows=1),
        convert_options=pa_csv.ConvertOptions(
            include_columns=list(kinds),
            column_types=dict(kinds),
            null_values=MISSING_NUMBERS,
            strings_can_be_null=False,
        ),
    )


def _refuse_text(texts: pd.DataFrame, file: InputFile, lines: Sequence[Sequence[str]]) -> None:
    """Name the first value that is no number, which Arrow does not."""
    for name in texts:
        given = texts[name].mask(texts[name].isin(MISSING_NUMBERS))
        is_text = given.notna() & pd.to_numeric(given, errors="coerce").isna()
        if is_text.any():
            row = first_row(is_text)
            if row == 1 and (problem := second_header(lines)):
                raise MarketDataError(f"{file.name}: {problem}")
            raise MarketDataError(
                f"{file.name}: column {name!r}, data row {row}: {shown(repr(given[row - 1]))} is "
                f"text, not a number; write numbers such as 1234.5"
            )


def _read_parquet(file: InputFile, wanted: ColumnsToRead) -> pd.DataFrame:
    with file.open() as handle:
        refuse_other_formats(handle.read(100), source="parquet", origin=file.name)
        parquet = pq.ParquetFile(handle)
        columns = _names(parquet.schema_arrow, wanted, file.name)
        table = parquet.read(columns=list(columns.values()))
    return _frame(table, columns, wanted)


def _read_delta(file: InputFile, wanted: ColumnsToRead) -> pd.DataFrame:
    table = open_delta(file.name)
    columns = _names(pa.schema(table.schema().to_arrow()), wanted, file.name)
    return _frame(delta_rows(table, list(columns.values())), columns, wanted)


def _names(schema: pa.Schema, wanted: ColumnsToRead, origin: str) -> dict[str, str]:
    empty = schema.empty_table().to_pandas(ignore_metadata=True)
    numbers = list(empty.select_dtypes("number").columns)
    return wanted.names_in(schema.names, origin=origin, numbers=numbers)


def _frame(table: pa.Table, columns: Mapping[str, str], wanted: ColumnsToRead) -> pd.DataFrame:
    return pd.DataFrame(
        {ours: _plain(ours, table[theirs], wanted).to_pandas() for ours, theirs in columns.items()}
    )


def _plain(name: str, column: pa.ChunkedArray, wanted: ColumnsToRead) -> pa.ChunkedArray:
    """Return decimals as numbers, calendar dates as dates, and dictionaries as what they hold."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(name, column.cast(kind.value_type), wanted)
    if pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_integer(kind) and name in ("instrument", *wanted.dates):
        # Not by way of pandas, whose integers become floats where one is missing.
        return column.cast(pa.string())
    if pa.types.is_date(kind) or (pa.types.is_null(kind) and name in wanted.dates):
        return column.cast(pa.timestamp("us"))
    return column.cast(pa.float64()) if pa.types.is_decimal(kind) else column


def parsed_dates(values: pd.Series, wanted: ColumnsToRead, place: str) -> pd.Series:
    """Parse dates as the format says; none is guessed, since 03/04/12 has three readings."""
    codes, distinct = pd.factorize(values.fillna(""))
    texts = pd.Series(distinct, dtype="str")
    may_be_read = texts != ""
    if wanted.date_format is None:
        may_be_read = texts.map(lambda text: _ISO.fullmatch(text) is not None)
    dates = pd.to_datetime(
        texts.where(may_be_read), format=wanted.date_format or "ISO8601", errors="coerce"
    ).dt.as_unit("us")
    is_bad = dates.isna() & (texts != "")
    if is_bad.any():
        row = first_row(is_bad.to_numpy()[codes])
        expected = "in ISO format without time zone; write dates as 2024-01-31"
        if wanted.date_format is not None:
            expected = f"of the form {wanted.date_format}; correct it or {wanted.key}.date_format"
        elif wanted.mapping is not None:
            expected += f", or name their form under {wanted.key}: `date_format: '%d.%m.%Y'`"
        text = shown(repr(texts[codes[row - 1]]))
        raise MarketDataError(f"{place}, data row {row}: {text} is not a date {expected}")
    return pd.Series(dates.to_numpy()[codes], index=values.index, name=values.name)


def read_bars(config: MarketDataConfig) -> tuple[pd.DataFrame, str]:
    """Read bars of files or a query; return them, and what messages call their origin."""
    wanted = ColumnsToRead(
        required=REQUIRED_COLUMNS, optional=(*NUMERIC_COLUMNS, CURRENCY), mapping=config.columns
    )
    return read_source(config, wanted, typed=typed_bars, path_key="market_data.path")


def read_source(
    config: TableSource, wanted: ColumnsToRead, *, typed: Callable[..., pd.DataFrame], path_key: str
) -> tuple[pd.DataFrame, str]:
    """Read the files or the query of a section; return the table, and what messages call it.

    ``typed(table, origin=...)`` gives columns their types; ``path_key`` is what gave the path.
    """
    wanted = replace(wanted, date_format=config.date_format)
    if config.source == "sql":
        found, origin = query_table(config, key=wanted.key)
        wanted = replace(wanted, holder="it")
        frame = _frame(found, _names(found.schema, wanted, origin), wanted)
        return typed(_with_dates(frame, wanted, origin), origin=origin), origin
    files = list_source(config, key=path_key)
    origin = files[0].name if len(files) == 1 else f"{len(files)} files of {config.path}"
    return _read_files(files, wanted, config, typed=typed), origin


def _read_files(
    files: Sequence[InputFile],
    wanted: ColumnsToRead,
    config: TableSource,
    *,
    typed: Callable[..., pd.DataFrame],
) -> pd.DataFrame:
    """Read one or many files into one table, in the order of files and their rows."""
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
    if config.instrument_from_filename and len(files) > 1 == len({file.stem for file in files}):
        raise MarketDataError(
            f"{files[0].name}: this and {len(files) - 1} other files are all called "
            f"{shown(files[0].stem)}, which would be one instrument; call their folders "
            f"instrument=NAME, and remove instrument_from_filename"
        )
    if not any(map(len, tables)):
        raise MarketDataError(f"{files[0].name}: has columns but no row; write the file again")
    return pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]


def _refuse_hive_names(file: InputFile) -> None:
    """Refuse to name instruments after files such as part-0, where their folders name them."""
    for key, value in hive_values(file.name).items():
        if key.lower() in USUAL_NAMES["instrument"] and value != file.stem:
            raise MarketDataError(
                f"{file.name}: its folder names the instrument ({key}={value}), not the file; "
                f"write `columns: {{instrument: {key}}}` in place of instrument_from_filename"
            )
    if file.is_delta:
        raise MarketDataError(
            f"{file.name}: is a Delta table, not the file of an instrument; remove "
            f"instrument_from_filename"
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
