"""CSV files as vendors send them."""

import gzip
import io
import zipfile
from typing import Any

from model2_assets_tests.bad_inputs.bars import GOOD, HEADER, ROWS
from model2_assets_tests.bad_inputs.case import Case, Content, Handled, Refused, region_config

_PATH = "{folder}/bars.csv"

_READ = f"{_PATH}: cannot be read as comma-separated UTF-8 text"
_NO_DATE = "is empty in data row {row}; date the row or remove it"
_ISO = (
    "is not a date in ISO format without time zone; write dates as 2024-01-31, or name their form "
    "under market_data: `date_format: '%d.%m.%Y'`"
)
_TEXT = "is text, not a number; write numbers such as 1234.5"
_COMMAS = "put commas between the columns of a CSV file, and a point in numbers"
_LINE_BREAK = (
    "so that rows would be lost; remove a stray quote, write one that belongs to the text twice, "
    "or take the line break out of the field"
)


def _case(
    identifier: str,
    planted: str,
    content: Content,
    outcome: Refused | Handled,
    *,
    name: str = "bars.csv",
    **market_data: Any,
) -> Case:
    return Case(
        id=f"csv-{identifier}",
        planted=planted,
        enters="CSV file",
        files={name: content},
        config=region_config({"source": "csv", "path": f"{{folder}}/{name}", **market_data}),
        outcome=outcome,
    )


def _first_date(text: str) -> str:
    return GOOD.replace("A,2024-01-02", f"A,{text}", 1)


def _first_price(text: str) -> str:
    return GOOD.replace("A,2024-01-02,12", f"A,2024-01-02,{text}", 1)


def _first_name(text: str) -> str:
    return GOOD.replace("A,2024-01-02", f"{text},2024-01-02", 1)


def _bad_date(identifier: str, planted: str, text: str) -> Case:
    message = f"{_PATH}: column 'datetime', data row 1: {text!r} {_ISO}"
    return _case(identifier, planted, _first_date(text), Refused(message))


def _bad_price(identifier: str, planted: str, text: str) -> Case:
    message = f"{_PATH}: column 'close', data row 1: {text!r} {_TEXT}"
    return _case(identifier, planted, _first_price(f'"{text}"'), Refused(message))


def _odd_name(identifier: str, planted: str, text: str, shown: str, reason: str) -> Case:
    message = (
        f"{_PATH}: column 'instrument', data row 1: the name '{shown}' {reason}; correct it in the "
        f"source"
    )
    return _case(identifier, planted, _first_name(text), Refused(message))


def _archive(**members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.csv", text)
    return buffer.getvalue()


def _with_column(name: str, *values: str) -> str:
    """Return the good file with a column more, whose values repeat."""
    rows = ROWS.splitlines()
    lines = [f"{row},{values[at % len(values)]}\n" for at, row in enumerate(rows)]
    return HEADER.replace("\n", f",{name}\n") + "".join(lines)


_TICKERS = ["NA", "NULL", "TRUE", "NaN", "None", "007", "nan"]

CASES = (
    _case("empty", "no byte", b"", Refused(f"{_PATH}: is empty; write the file again")),
    _case(
        "header-alone",
        "a header and no row",
        HEADER,
        Refused(f"{_PATH}: has columns but no row; write the file again"),
    ),
    _case(
        "no-header",
        "no header",
        ROWS,
        Refused(
            f"{_PATH}: line 1 (A,2024-01-02,12) is no header but a row; write a line above it that "
            f"names the columns, such as instrument,datetime,close"
        ),
    ),
    _case(
        "renamed",
        "columns of other names",
        GOOD.replace(HEADER, "Ticker,Date,Close\n"),
        Refused(
            f"{_PATH}: no column 'instrument'; the file has: Ticker, Date, Close. Say under "
            "market_data which one it is, such as `columns: {instrument: Ticker}`"
        ),
    ),
    _case(
        "mapped-to-nothing",
        "a mapped column that is not there",
        GOOD,
        Refused(
            f"{_PATH}: no column 'Close', which market_data.columns gives for 'close'; the file "
            f"has: instrument, datetime, close"
        ),
        columns={"close": "Close"},
    ),
    _case(
        "column-twice",
        "a column twice",
        "instrument,datetime,close,close\nA,2024-01-02,1,2\n",
        Refused(f"{_PATH}: column 'close' is there more than once; rename one of them"),
    ),
    _case(
        "html",
        "an error page in place of the file",
        "<html><body>404 Not Found</body></html>\n",
        Refused(f"{_PATH}: is a web page in place of the file; download it again"),
    ),
    _case(
        "semicolons",
        "semicolons and decimal commas",
        GOOD.replace(",", ";").replace(";12\n", ";12,5\n"),
        Refused(
            f"{_PATH}: no column 'instrument'; the file has one column: "
            f"instrument;datetime;close; {_COMMAS}"
        ),
    ),
    _case(
        "semicolons-and-decimals",
        "semicolons, and a decimal comma in each of many columns",
        "instrument;datetime;open;high;low;close\nA;2024-01-02;9,5;11,5;9,0;10,5\n",
        Refused(
            f"{_PATH}: no column 'instrument'; the file has one column: "
            f"instrument;datetime;open;high;low;close; {_COMMAS}"
        ),
    ),
    _case(
        "tabs",
        "tabs",
        GOOD.replace(",", "\t"),
        Refused(
            f"{_PATH}: no column 'instrument'; the file has one column: "
            rf"instrument\tdatetime\tclose; {_COMMAS}"
        ),
    ),
    _case(
        "utf-16",
        "UTF-16 text",
        GOOD.encode("utf-16"),
        Refused(f"{_PATH}: is UTF-16 text; save it as UTF-8"),
    ),
    _case(
        "latin-1",
        "Latin-1 text",
        _first_name("Å").encode("latin-1"),
        Refused(
            f"{_READ} (In CSV column #0: CSV conversion error to string: invalid UTF8 data); "
            f"correct the path or write the file again"
        ),
    ),
    _case(
        "byte-order-mark",
        "a byte order mark",
        b"\xef\xbb\xbf" + GOOD.encode(),
        Handled({"rows": 15, "instruments": 3}),
    ),
    _case(
        "nul-in-header",
        "a NUL byte in the header",
        GOOD.replace("datetime", "date\0time"),
        Refused(
            f"{_PATH}: no column 'datetime'; the file has: instrument, date\\x00time, close. Say "
            f"under market_data which one it is, such as `columns: {{datetime: <its name in the "
            f"file>}}`"
        ),
    ),
    _case(
        "parquet",
        "a Parquet file",
        b"PAR1" + bytes(60) + b"PAR1",
        Refused(f"{_PATH}: is a Parquet file; read it by source: parquet"),
    ),
    _case(
        "gzip-unnamed",
        "gzip without its ending",
        gzip.compress(GOOD.encode()),
        Refused(f"{_PATH}: is compressed by gzip; give it the ending .gz"),
    ),
    _case(
        "gzip-truncated",
        "gzip that ends early",
        gzip.compress(GOOD.encode())[:40],
        Refused(
            "{folder}/bars.csv.gz: cannot be read as comma-separated UTF-8 text (Compressed file "
            "ended before the end-of-stream marker was reached); correct the path or write the "
            "file again"
        ),
        name="bars.csv.gz",
    ),
    _case(
        "xz-rubbish",
        "a .xz file that is none",
        b"hello",
        Refused(
            "{folder}/bars.csv.xz: cannot be read as comma-separated UTF-8 text (Input format not "
            "supported by decoder); correct the path or write the file again"
        ),
        name="bars.csv.xz",
    ),
    _case(
        "zip-of-two",
        "an archive of two files, of which one would be read",
        _archive(a=GOOD, b=GOOD),
        Refused("{folder}/bars.csv.zip: holds 2 files, not one; unpack it, and name the folder"),
        name="bars.csv.zip",
    ),
    _case(
        "ragged",
        "a line with a field too many",
        GOOD.replace("A,2024-01-02,12\n", "A,2024-01-02,1,2\n"),
        Refused(
            f"{_READ} (CSV parse error: Expected 3 columns, got 4: A,2024-01-02,1,2); correct the "
            f"path or write the file again"
        ),
    ),
    _case(
        "footer",
        "a total below the rows",
        GOOD + "Total,,300\n",
        Refused(f"{_PATH}: column 'datetime' {_NO_DATE.format(row=16)}"),
    ),
    _bad_date("two-digit-year", "a two-digit year", "24-01-02"),
    _bad_date("day-first", "the day first", "02/01/2024"),
    _bad_date("epoch", "seconds since 1970", "1704153600"),
    _bad_date("excel-serial", "a serial number of Excel", "45293"),
    _bad_date("no-such-day", "30 February", "2024-02-30"),
    _bad_date("aware", "a time zone", "2024-01-02T00:00:00Z"),
    _case(
        "empty-date",
        "an empty date",
        _first_date(""),
        Refused(f"{_PATH}: column 'datetime' {_NO_DATE.format(row=1)}"),
    ),
    _bad_date("other-digits", "digits of another script", "٢٠٢٤-01-02"),
    _case(
        "year-one",
        "the zero of .NET",
        _first_date("0001-01-01"),
        Refused(
            f"{_PATH}: column 'datetime', data row 1: 0001-01-01 00:00:00 is before 1800 or after "
            f"2261; correct the date, or remove the row"
        ),
    ),
    _case(
        "year-9999",
        "the end of time of SQL",
        _first_date("9999-12-31"),
        Refused(
            f"{_PATH}: column 'datetime', data row 1: 9999-12-31 00:00:00 is before 1800 or after "
            f"2261; correct the date, or remove the row"
        ),
    ),
    _case(
        "future",
        "a session of the future",
        _first_date("2190-01-02"),
        Refused(
            f"{_PATH}: A has a bar on 2190-01-02, which is in the future; correct the date, or "
            f"remove the row"
        ),
    ),
    _case(
        "times-of-day",
        "times of day, a half-day among them",
        GOOD.replace("2024-01-02", "2024-01-02 16:00").replace("2024-01-03", "2024-01-03 13:00"),
        Handled({"times_floored": 6, "rows": 15, "dates": 5}),
    ),
    _case(
        "intraday",
        "two bars of a day",
        GOOD + "A,2024-01-02 12:00,12\n",
        Refused(
            f"{_PATH}: two bars of A on 2024-01-02 differ in column 'datetime' "
            f"(2024-01-02T00:00:00.000000 and 2024-01-02T12:00:00.000000); keep one bar a session "
            f"date"
        ),
    ),
    _bad_price("thousands", "thousands separators", "1,234.5"),
    _bad_price("currency-sign", "a currency sign", "$12"),
    _bad_price("percent", "a percent sign", "12%"),
    _bad_price("parentheses", "an accountant's negative", "(12)"),
    _bad_price("spreadsheet-error", "an error of a spreadsheet", "#DIV/0!"),
    _bad_price("dash", "a dash for a missing price", "-"),
    _bad_price("true", "a truth value", "true"),
    _bad_price("arabic", "digits of another script", "١٢"),
    _case(
        "infinite-price",
        "an infinite price",
        _first_price("inf"),
        Refused(
            f"{_PATH}: column 'close' is inf for A on 2024-01-02; it must be positive, from 1e-09 "
            f"to 1e+12: correct the value, or leave it empty if it is not known"
        ),
    ),
    _case(
        "overflow",
        "a price beyond float64",
        _first_price("1e400"),
        Refused(
            f"{_PATH}: column 'close' is inf for A on 2024-01-02; it must be positive, from 1e-09 "
            f"to 1e+12: correct the value, or leave it empty if it is not known"
        ),
    ),
    _case(
        "words-for-missing",
        "NA, null, NaN and nothing for opens",
        _with_column("open", "NA", "null", "NaN", "", "1"),
        Handled({"missing_open": 12, "rows": 15}),
    ),
    _case(
        "text-volume",
        "volumes in millions",
        _with_column("volume", "1.2M"),
        Refused(f"{_PATH}: column 'volume', data row 1: '1.2M' {_TEXT}"),
    ),
    _case(
        "missing-closes",
        "rows without a close",
        GOOD.replace(",12\n", ",NA\n").replace(",22\n", ",null\n").replace(",32\n", ",\n"),
        Handled({"rows_without_close_dropped": 3, "rows": 12}),
    ),
    _case(
        "tickers-like-words",
        "tickers NA, NULL, TRUE, NaN, None, nan and 007",
        HEADER
        + "".join(
            f"{name},2024-01-{day:02d},{10 + day * (1 + at)}\n"
            for day in (2, 3, 4, 5)
            for at, name in enumerate(_TICKERS)
        ),
        Handled({"instruments": 7, "rows": 28, "instruments_spelled_alike": 2}),
    ),
    _odd_name(
        "name-in-spaces", "white space around a name", '" A "', " A ", "has white space around it"
    ),
    _odd_name(
        "name-with-nul",
        "a NUL byte in a name",
        "A\0",
        r"A\x00",
        "has a character that cannot be printed",
    ),
    _case(
        "name-with-newline",
        "a line break in a name",
        _first_name('"A\nB"'),
        Refused(f"{_PATH}: line 2 begins a field in quotes that ends in line 3, {_LINE_BREAK}"),
    ),
    _odd_name(
        "name-with-invisible",
        "an invisible character in a name",
        "A\u200b",
        r"A\u200b",
        "has a character that cannot be printed",
    ),
    _odd_name(
        "name-too-long",
        "a name of 101 characters",
        "A" * 101,
        "A" * 60 + "…",
        "has 101 characters, more than 100",
    ),
    _case(
        "empty-name",
        "no name",
        _first_name(""),
        Refused(
            f"{_PATH}: column 'instrument' is empty in data row 1; name the instrument or remove "
            f"the row"
        ),
    ),
    _case(
        "names-in-two-cases",
        "names that differ in case alone",
        GOOD.replace("B,", "a,"),
        Handled({"instruments_spelled_alike": 2, "instruments": 3}),
    ),
    _case(
        "duplicates",
        "rows twice",
        GOOD + ROWS,
        Handled({"duplicate_rows_dropped": 15, "rows": 15}),
    ),
    _case(
        "contradictory-duplicates",
        "two closes of a day",
        GOOD + "A,2024-01-02,99\n",
        Refused(
            f"{_PATH}: two bars of A on 2024-01-02 differ in column 'close' (12.0 and 99.0); keep "
            f"one bar a session date"
        ),
    ),
    _case(
        "unsorted",
        "rows in reverse",
        HEADER + "".join(reversed(ROWS.splitlines(keepends=True))),
        Handled({"rows": 15, "duplicate_rows_dropped": 0}),
    ),
    _case(
        "two-currencies",
        "instruments in two currencies",
        _with_column("currency", "USD", "EUR", "USD"),
        Handled({"currencies": 2, "rows": 15}),
    ),
    _case(
        "currency-change",
        "an instrument that changes from pounds to pence",
        _with_column("currency", "GBP").replace("A,2024-01-08,18,GBP", "A,2024-01-08,18,GBp"),
        Refused(
            f"{_PATH}: the currency changes from GBP to GBp for A on 2024-01-08; convert all "
            f"prices of an instrument into one currency"
        ),
    ),
    _case(
        "weekend",
        "a session on a Sunday",
        GOOD.replace("2024-01-08", "2024-01-07"),
        Handled({"dates": 5, "rows": 15}),
    ),
)
