"""Files that are no table of bars: what they are instead, and how to save them."""

import codecs
import re
from collections.abc import Collection, Sequence
from statistics import mode

from model2_assets.errors import MarketDataError
from model2_assets.market_data.bars import shown

USUAL_NAMES = {
    "instrument": ("instrument", "ticker", "symbol", "name", "asset", "security", "permno"),
    "datetime": ("datetime", "date", "timestamp", "time", "day"),
    "close": ("close", "price", "last", "closing price", "px_last", "prc", "adj close"),
}
"""What vendors call our columns, likeliest first, in small letters."""

MISSING_NUMBERS = [
    "", "NA", "N/A", "#N/A", "n/a", "NaN", "nan", "NAN", "null", "NULL", "None", "<NA>",
]  # fmt: skip
"""Words that stand for a number that is missing."""

_FORMATS = {
    b"version https://git-lfs": "a Git LFS pointer in place of the file; run git lfs pull",
    b"/annex/objects/": "a git-annex pointer in place of the file; run git annex get",
    b"<!doctype": "a web page in place of the file; download it again",
    b"<html": "a web page in place of the file; download it again",
    b"<?xml": "XML, such as the error of an object store; download it again or save it as CSV",
    b"{": "JSON; save the table as CSV",
    b"PAR1": "a Parquet file; read it by source: parquet",
    b"ARROW1": "an Arrow or Feather file; save it as Parquet",
    b"\x89HDF": "an HDF5 file; save the table as Parquet",
    b"PK\x03\x04": "a zip archive or an Excel workbook; save the table as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save the table as CSV",
    b"\x1f\x8b": "compressed by gzip; give it the ending .gz",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; give it the ending .zst, and install the Python "
    "package zstandard, or compress it by gzip",
    codecs.BOM_UTF16_LE: "UTF-16 text; save it as UTF-8",
    codecs.BOM_UTF16_BE: "UTF-16 text; save it as UTF-8",
}
"""How files begin that are often taken for a table, with what they are."""

_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}\b.*|\d{8}", flags=re.ASCII)
_NUMBER = re.compile(r"[-+]?(\d+[.]?\d*|[.]\d+)(e[-+]?\d+)?", flags=re.ASCII | re.IGNORECASE)
_FIELD = re.compile(r"open|high|low|close|volume|price|last", flags=re.IGNORECASE)


def refuse_other_formats(start: bytes, *, source: str, origin: str) -> None:
    """Refuse a file that is empty or of another format than its source, by its first bytes."""
    beginning = start[:100].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if start.isspace() or (not beginning and len(start) <= 100):
        raise MarketDataError(f"{origin}: is empty; write the file again")
    for magic, what in _FORMATS.items():
        if beginning.startswith(magic.lower()) and (source, magic) != ("parquet", b"PAR1"):
            raise MarketDataError(f"{origin}: is {what}")


def header_problem(lines: Sequence[Sequence[str]], required: Collection[str]) -> str:
    """Return why the first of a file's lines, in fields, has not the columns required, or ''."""
    first = lines[0]
    usual = mode([len(line) for line in lines if line] or [0])
    named = [at for at, line in enumerate(lines) if set(required) <= set(line)]
    likely = [
        at
        for at, line in enumerate(lines)
        if len(line) == usual and not _has_value(line) and line[0].lower()[:4] != "sep="
    ]
    header = [*named, *likely, 0][0]
    if header > 0:
        return (
            f"line 1 ({_quoted(first).strip() or 'blank'}) is no header, which line "
            f"{header + 1} seems to be ({_quoted(lines[header])}); remove the lines above it"
        )
    if first and len(first[0].split()) > 3:
        return (
            f"line 1 begins with {shown(repr(first[0]))}, which seems to be text in front of the "
            f"header; remove it, or name the columns by `columns: {{…}}`"
        )
    n_dates = sum(_DATE.fullmatch(cell) is not None for cell in first)
    if n_dates == 1 and any(map(_NUMBER.fullmatch, first)):
        return (
            f"line 1 ({_quoted(first)}) is no header but a row; write a line above it that names "
            f"the columns, such as instrument,datetime,close"
        )
    return ""


def is_uncut(lines: Sequence[Sequence[str]]) -> bool:
    """Tell whether another mark than a comma is between the columns of a file's first lines."""
    first, second = ([",".join(line) for line in lines[:2]] + ["", ""])[:2]
    return "," not in first and any(0 < first.count(m) == second.count(m) for m in ";\t|")


def second_header(lines: Sequence[Sequence[str]]) -> str:
    """Return which of the lines below the header belongs to it too, or ''."""
    for number, line in enumerate(lines[1:3], start=2):
        if len(line) > 1 and not _has_value(line):
            level = int(lines[0][0].lower() not in USUAL_NAMES["instrument"])
            return (
                f"line {number} ({_quoted(line)}) is no row but one more header line; remove it, "
                f"or, where pandas wrote two levels of columns (as of yfinance), save `pd.read_csv("
                f"path, header=[0, 1], index_col=0).stack({level}).reset_index()` without its index"
            )
    return ""


def wide_problem(names: Sequence[str], numbers: Collection[str], *, value: str) -> str:
    """Return why columns look like one for each instrument or date, or ''.

    ``numbers`` are the columns that hold nothing but numbers, ``value`` the one looked for.
    """
    index = next((name for name in names if name not in numbers), names[0])
    columns = [name for name in names if name != index]
    usual = {*USUAL_NAMES["instrument"], *USUAL_NAMES["close"], "open", "high", "low", "volume"}
    kind, ours = "instrument", "instrument"
    if all(map(_DATE.fullmatch, columns)):
        kind, ours = "date", "datetime"
    elif usual & {name.strip(" <>").lower() for name in names}:
        return ""
    if len(columns) < 2 or not set(columns) <= set(numbers):
        return ""
    remedy = f"`table.melt(ignore_index=False, var_name={ours!r}, value_name={value!r})`"
    if 2 * sum(_FIELD.search(name) is not None for name in columns) > len(columns):
        kind, remedy = "instrument and field", "splitting their names in two levels, and stack()"
    return (
        f"the table seems to be wide, with a column per {kind} ({_quoted(columns)}); save a row "
        f"per instrument and date, in pandas, with {index or 'the first column'} as the index, by "
        f"{remedy}"
    )


def number_columns(lines: Sequence[Sequence[str]]) -> list[str]:
    """Return the columns that hold nothing but numbers in a file's first lines, header first."""
    return [
        name
        for name, *cells in zip(*lines, strict=False)
        if cells and all(cell in MISSING_NUMBERS or _NUMBER.fullmatch(cell) for cell in cells)
    ]


def lists_instruments(header: Sequence[str], row: Sequence[str]) -> bool:
    """Tell whether a row has a list of names in a cell, or in cells beyond the header."""
    return len(row) > len(header) + 1 or any(len(re.findall("[,;|]", cell)) > 1 for cell in row)


def _has_value(line: Sequence[str]) -> bool:
    return any(_DATE.fullmatch(cell) or _NUMBER.fullmatch(cell) for cell in line)


def _quoted(line: Sequence[str]) -> str:
    return shown(",".join(line))
