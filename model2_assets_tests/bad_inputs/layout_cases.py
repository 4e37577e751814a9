"""Files that are no table of bars, or one laid out otherwise."""

import gzip
from typing import Any

import pandas as pd

from model2_assets_tests.bad_inputs.bars import DAYS, GOOD, HEADER, ROWS
from model2_assets_tests.bad_inputs.case import Case, Content, Handled, Refused, region_config

_WIDE = pd.DataFrame(
    {
        name: [price + day.day for day in DAYS]
        for name, price in (("A", 10.5), ("B", 20.5), ("C", 30.5))
    },
    index=pd.DatetimeIndex(DAYS, name="Date"),
)
_TWO_LEVELS = pd.concat({"Close": _WIDE, "Open": _WIDE}, axis=1, names=["Price", "Ticker"])
_BY_TICKER = _TWO_LEVELS.swaplevel(axis=1).sort_index(axis=1)

_MELT = (
    "in pandas, with {} as the index, by `table.melt(ignore_index=False, var_name={!r}, "
    "value_name='close')`"
)
_STACK = (
    "remove it, or, where pandas wrote two levels of columns (as of yfinance), save `pd.read_csv("
    "path, header=[0, 1], index_col=0).stack({}).reset_index()` without its index"
)
_SWALLOWED = (
    "so that rows would be lost; remove a stray quote, write one that belongs to the text twice, "
    "or take the line break out of the field"
)
_STINTS = (
    "write a row per stint, with the columns instrument, from and to (docs/files.md makes them of "
    "lists per date)"
)
_NO_HEADER = "is no header, which line {} seems to be ({}); remove the lines above it"
_LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
_FETCH = "is a Git LFS pointer in place of the file; run git lfs pull"


def _case(
    identifier: str,
    planted: str,
    content: Content,
    outcome: str | Handled,
    *,
    name: str = "bars.csv",
    **market_data: Any,
) -> Case:
    is_parquet = name.endswith(".parquet")
    path = f"{{folder}}/{name}"
    return Case(
        id=f"layout-{identifier}",
        planted=planted,
        enters="Parquet file" if is_parquet else "CSV file",
        files={name: content},
        config=region_config(
            {"source": "parquet" if is_parquet else "csv", "path": path, **market_data}
        ),
        outcome=Refused(f"{path}: {outcome}") if isinstance(outcome, str) else outcome,
    )


def _universe(identifier: str, planted: str, content: str, message: str) -> Case:
    members = "{folder}/members.csv"
    return Case(
        id=f"layout-universe-{identifier}",
        planted=planted,
        enters="universe",
        files={"bars.csv": GOOD, "members.csv": content},
        config=region_config({"source": "csv", "path": "{folder}/bars.csv", "universe": members}),
        outcome=Refused(f"{members}: {message}"),
    )


def _with_company(*, before: bool, quoted: tuple[int, ...]) -> str:
    """Return the good file with a column of names, in some rows of which a quote strays."""
    lines = ["company" if at == 0 else "Some Co" for at in range(len(GOOD.splitlines()))]
    for at in quoted:
        lines[at] = f'"{lines[at]}'
    pairs = zip(lines, GOOD.splitlines(), strict=True)
    return "".join(f"{name},{row}\n" if before else f"{row},{name}\n" for name, row in pairs)


def _columns(**columns: str) -> dict[str, Any]:
    return {"columns": columns}


CASES = (
    _case(
        "disclaimer",
        "a disclaimer above the header",
        "For information only, subject to terms\n" + GOOD,
        f"line 1 (For information only,subject to terms) {_NO_HEADER.format(2, HEADER.strip())}",
    ),
    _case(
        "preamble",
        "three lines above a header of other names",
        "Prices\nas of 2024-01-08, in USD\n\n" + GOOD.replace(HEADER, "Ticker,Day,Last\n"),
        f"line 1 (Prices) {_NO_HEADER.format(4, 'Ticker,Day,Last')}",
    ),
    _case(
        "excel-hint",
        "Excel's sep=,",
        "sep=,\n" + GOOD,
        f"line 1 (sep=,) {_NO_HEADER.format(2, HEADER.strip())}",
    ),
    _case(
        "blank-line",
        "a blank line above the header",
        "\n" + GOOD,
        f"line 1 (blank) {_NO_HEADER.format(2, HEADER.strip())}",
    ),
    _case(
        "glued-text",
        "text glued to the header",
        "Prices as provided by us " + GOOD,
        "line 1 begins with 'Prices as provided by us instrument', which seems to be text in front "
        "of the header; remove it, or name the columns by `columns: {…}`",
    ),
    _case(
        "second-header",
        "yfinance's header of three lines",
        "Price,Close,Open\nTicker,A,A\nDate,,\n2024-01-02,12,11\n",
        f"line 2 (Ticker,A,A) is no row but one more header line; {_STACK.format(1)}",
        instrument_from_filename=True,
        **_columns(datetime="Date", close="Close"),
    ),
    _case(
        "second-header-mapped",
        "a header of three lines, of which the first was mapped",
        "Price,Close,Open\nTicker,A,A\nDate,,\n2024-01-02,12,11\n",
        f"line 2 (Ticker,A,A) is no row but one more header line; {_STACK.format(1)}",
        instrument_from_filename=True,
        **_columns(datetime="Price", close="Close"),
    ),
    _case(
        "two-levels",
        "two levels of columns, prices above tickers",
        _TWO_LEVELS.to_csv(),
        f"line 2 (Ticker,A,B,C,A,B,C) is no row but one more header line; {_STACK.format(1)}",
    ),
    _case(
        "two-levels-by-ticker",
        "two levels of columns, tickers above prices",
        _BY_TICKER.to_csv(),
        f"line 2 (Price,Close,Open,Close,Open,Close,Open) is no row but one more header line; "
        f"{_STACK.format(0)}",
    ),
    _case(
        "units",
        "a line of units below the header",
        HEADER + "-,-,USD\n" + ROWS,
        f"line 2 (-,-,USD) is no row but one more header line; {_STACK.format(0)}",
    ),
    _case(
        "wide",
        "a column per instrument",
        _WIDE.to_csv(),
        f"the table seems to be wide, with a column per instrument (A,B,C); save a row per "
        f"instrument and date, {_MELT.format('Date', 'instrument')}",
    ),
    _case(
        "wide-mapped",
        "a column per instrument, with the dates mapped",
        _WIDE.to_csv(),
        f"the table seems to be wide, with a column per instrument (A,B,C); save a row per "
        f"instrument and date, {_MELT.format('Date', 'instrument')}",
        **_columns(datetime="Date"),
    ),
    _case(
        "wide-by-date",
        "a column per date",
        _WIDE.T.rename_axis("instrument").to_csv(),
        f"the table seems to be wide, with a column per date (2024-01-02,2024-01-03,2024-01-04,"
        f"2024-01-05,2024-01-08); save a row per instrument and date, "
        f"{_MELT.format('instrument', 'datetime')}",
    ),
    _case(
        "wide-by-field",
        "a column per instrument and field",
        _TWO_LEVELS.set_axis([f"{b} {a}" for a, b in _TWO_LEVELS], axis=1).to_csv(),
        "the table seems to be wide, with a column per instrument and field (A Close,B Close,C "
        "Close,A Open,B Open,C Open); save a row per instrument and date, in pandas, with Date as "
        "the index, by splitting their names in two levels, and stack()",
    ),
    _case(
        "wide-parquet",
        "a column per instrument",
        _WIDE.reset_index(),
        f"the table seems to be wide, with a column per instrument (A,B,C); save a row per "
        f"instrument and date, {_MELT.format('Date', 'instrument')}",
        name="bars.parquet",
    ),
    _case(
        "no-instrument",
        "no instrument, as in one file per instrument",
        "Date,Open,Close\n2024-01-02,11,12\n",
        "no column 'instrument'; the file has: Date, Open, Close. Say under market_data which one "
        "it is, such as `columns: {instrument: <its name in the file>}`, or, if each file holds "
        "one instrument, `instrument_from_filename: true`",
    ),
    _case("lfs", "a pointer of Git LFS", _LFS, _FETCH),
    _case("lfs-parquet", "a pointer of Git LFS", _LFS, _FETCH, name="bars.parquet"),
    _case(
        "annex",
        "a pointer of git-annex",
        "/annex/objects/SHA256E-s12--4d7a.csv\n",
        "is a git-annex pointer in place of the file; run git annex get",
    ),
    _case(
        "web-page-parquet",
        "an error page in place of the file",
        "<!DOCTYPE html>\n<html></html>\n",
        "is a web page in place of the file; download it again",
        name="bars.parquet",
    ),
    _case(
        "json",
        "the error of an API in place of the file",
        '{"error": "rate limit exceeded"}\n',
        "is JSON; save the table as CSV",
    ),
    _case(
        "no-columns-parquet",
        "an empty table of pandas",
        pd.DataFrame(),
        "is an empty table, without a column; write the file again, or remove it",
        name="bars.parquet",
    ),
    _case(
        "untyped-parquet",
        "columns without a row or a type",
        pd.DataFrame(columns=["instrument", "datetime", "close"]),
        "has columns but no row; write the file again",
        name="bars.parquet",
    ),
    _case(
        "stray-quotes",
        "two stray quotes, which swallow four rows",
        _with_company(before=False, quoted=(3, 8)),
        f"line 4 begins a field in quotes that ends in line 9, {_SWALLOWED}",
    ),
    _case(
        "stray-quotes-in-front",
        "two stray quotes in the first column",
        _with_company(before=True, quoted=(3, 8)),
        f"line 4 begins a field in quotes that ends in line 9, {_SWALLOWED}",
    ),
    _case(
        "stray-quote-compressed",
        "a quote that is never closed, in a compressed file",
        gzip.compress(_with_company(before=False, quoted=(3,)).encode()),
        f"line 4 begins a field in quotes that ends in line 16, {_SWALLOWED}",
        name="bars.csv.gz",
    ),
    _case(
        "blanks-after-commas",
        "blanks after commas, in front of a quote too",
        "".join(f'{row.replace(",", ", ")}, "x, y"\n' for row in GOOD.splitlines()),
        Handled({"rows": 15, "instruments": 3}),
    ),
    _case(
        "basic-dates",
        "dates such as 20240102",
        GOOD.replace("2024-01-", "202401"),
        Handled({"rows": 15, "dates": 5}),
    ),
    _case(
        "own-date-format",
        "days first, and a date_format that says so",
        GOOD.replace("2024-01-0", "1.2024/0"),
        Handled({"rows": 15, "dates": 5}),
        date_format="%m.%Y/%d",
    ),
    _case(
        "other-date-format",
        "a date in another form than date_format",
        GOOD,
        "column 'datetime', data row 1: '2024-01-02' is not a date of the form %d.%m.%Y; correct "
        "it or market_data.date_format",
        date_format="%d.%m.%Y",
    ),
    _universe(
        "list-in-a-cell",
        "all members of a date in one cell",
        'date,tickers\n2024-01-02,"A,B,C"\n',
        f"has several instruments in a cell; {_STINTS}",
    ),
    _universe(
        "list-in-a-row",
        "all members of a date in one row",
        "date,tickers\n2024-01-02,A,B,C\n",
        f"has several instruments in a cell; {_STINTS}",
    ),
    _universe(
        "snapshots",
        "a row per member and date",
        "date,instrument\n2024-01-02,A\n2024-01-02,B\n",
        f"no column 'from'; the file has: date, instrument; rename its column, or {_STINTS}",
    ),
    _universe(
        "stray-quotes",
        "two stray quotes",
        'instrument,from,to,name\nA,2024-01-02,,"Some Co\nB,2024-01-02,,"Some Co\n',
        f"line 2 begins a field in quotes that ends in line 3, {_SWALLOWED}",
    ),
    _universe("lfs", "a pointer of Git LFS", _LFS.decode(), _FETCH),
)
