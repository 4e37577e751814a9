import csv
import gzip

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from model2_assets.config import MarketDataConfig
from model2_assets.errors import MarketDataError
from model2_assets.market_data.files import InputFile
from model2_assets.market_data.table import ColumnsToRead, read_table
from model2_assets_tests.market_data.small_bars import BARS, PANEL, assert_refused, load, write


def test_csv_and_parquet_give_the_same_bits(tmp_path):
    BARS.to_csv(tmp_path / "bars.csv", index=False)
    BARS.to_parquet(tmp_path / "bars.parquet", index=False)
    for source in ("csv", "parquet"):
        data = load(source, tmp_path / f"bars.{source}")
        pd.testing.assert_frame_equal(data.panel, PANEL, check_exact=True)
        assert data.source == str(tmp_path / f"bars.{source}")
        assert data.counts["rows"] == len(BARS)


def test_panel_written_by_pandas_with_its_index_is_read_back(tmp_path):
    PANEL.to_parquet(tmp_path / "panel.parquet")
    data = load("parquet", tmp_path / "panel.parquet")
    pd.testing.assert_frame_equal(data.panel, PANEL, check_exact=True)


def test_compressed_csv_and_byte_order_mark(tmp_path):
    text = "\ufeff" + BARS.to_csv(index=False)
    (tmp_path / "bars.csv.gz").write_bytes(gzip.compress(text.encode()))
    pd.testing.assert_frame_equal(load("csv", tmp_path / "bars.csv.gz").panel, PANEL)


@pytest.mark.parametrize("source", ["csv", "parquet"])
def test_columns_are_mapped_and_others_not_read(tmp_path, source):
    theirs = BARS.rename(columns={"instrument": "Ticker", "datetime": "Date", "close": "Last"})
    theirs = theirs.assign(close=-1.0, note="never, read")
    mapping = {"instrument": "Ticker", "datetime": "Date", "close": "Last"}
    path = tmp_path / f"bars.{source}"
    theirs.to_csv(path, index=False) if source == "csv" else theirs.to_parquet(path)
    pd.testing.assert_frame_equal(load(source, path, columns=mapping).panel, PANEL)


@pytest.mark.parametrize("source", ["csv", "parquet"])
def test_missing_column_lists_what_was_found_and_the_entry_to_write(tmp_path, source):
    theirs = BARS.rename(columns={"instrument": "Name", "datetime": "date"})
    path = tmp_path / f"bars.{source}"
    theirs.to_csv(path, index=False) if source == "csv" else theirs.to_parquet(path)
    assert_refused(
        rf"{path}: no column 'instrument'; the file has: Name, date, open.*"
        r"`columns: \{instrument: Name\}`",
        source,
        path,
    )
    assert_refused(
        r"no column 'Adj', which market_data.columns gives for 'adjusted_close'",
        source,
        path,
        columns={"instrument": "Name", "datetime": "date", "adjusted_close": "Adj"},
    )


def test_the_entry_to_write_is_quoted_where_yaml_needs_it(tmp_path):
    path = write(tmp_path, "instrument,Date,<CLOSE>\nA,2024-01-02,1\n")
    assert_refused(r"`columns: \{datetime: Date\}`", "csv", path)
    assert_refused(r'`columns: \{close: "<CLOSE>"\}`', "csv", path, columns={"datetime": "Date"})


def test_files_that_differ_in_columns_are_refused(tmp_path):
    BARS.to_parquet(tmp_path / "a.parquet")
    BARS.assign(adjusted_close=1.0).to_parquet(tmp_path / "b.parquet")
    assert_refused(
        r"a.parquet: no column 'adjusted_close', which .*b.parquet has", "parquet", tmp_path
    )


def test_column_twice_in_the_header_is_refused(tmp_path):
    path = write(tmp_path, "instrument,datetime,close,close\nA,2024-01-02,1,2\n")
    assert_refused("'close' is there more than once", "csv", path)


def test_damaged_files_are_named(tmp_path):
    assert_refused("cannot be read as Parquet", "parquet", write(tmp_path, "text", "a.parquet"))
    for text in ("", "\ufeff", "\n \n", "\ufeff\n"):
        assert_refused("bars.csv: is empty", "csv", write(tmp_path, text))
    header = "instrument,datetime,close"
    assert_refused("bars.csv: has columns but no row", "csv", write(tmp_path, header))
    (tmp_path / "latin.csv").write_bytes("instrument,datetime,close\nÅ,x,1\n".encode("latin-1"))
    assert_refused("cannot be read as comma-separated UTF-8", "csv", tmp_path / "latin.csv")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"instrument,datetime,close\n" * 999)[:40])
    assert_refused("cut.csv.gz: cannot be read", "csv", tmp_path / "cut.csv.gz")


@pytest.mark.parametrize(
    "line",
    ["A,2024-01-02,1,5", "A,2024-01-02,1,", "A,2024-01-02", '"A,2024-01-02,1'],
)
def test_malformed_csv_lines_are_refused(tmp_path, line):
    path = write(tmp_path, f"instrument,datetime,close\nA,2024-01-03,1\n{line}\n")
    assert_refused("bars.csv: ", "csv", path)


def test_malformed_first_line_is_refused_too(tmp_path):
    path = write(tmp_path, "instrument,datetime,close\nA,2024-01-02,1,5\nB,2024-01-02,1,5\n")
    assert_refused("Expected 3 columns, got 4", "csv", path)


def test_unnamed_and_repeated_columns_that_are_not_ours_do_no_harm(tmp_path):
    text = ",instrument,datetime,note,note,close\n0,A,2024-01-02,x,y,1\n1,A,2024-01-03,x,y,2\n\n"
    assert load("csv", write(tmp_path, text)).panel["close"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "date",
    [
        "01/02/24",
        "02.01.2024",
        "24-01-02",
        "20240230",
        "2024-1-2",
        "2024-02-30",
        "2024-01-02T16:00Z",
        "2024-01-02 16:00+01:00",
        "Jan 2 2024",
    ],
)
def test_csv_dates_other_than_iso_name_the_first_value_and_its_row(tmp_path, date):
    rows = ["A,2024-01-02,1", "A,2024-01-03 16:00,1", f"A,{date},1", "A,also wrong,1"]
    path = write(tmp_path, "\n".join(["instrument,datetime,close", *rows]))
    with pytest.raises(MarketDataError) as caught:
        load("csv", path)
    assert str(path) in str(caught.value)
    assert f"column 'datetime', data row 3: {date!r} is not a date" in str(caught.value)


def test_an_empty_csv_date_names_its_row(tmp_path):
    path = write(tmp_path, "instrument,datetime,close\nA,2024-01-02,1\nA,,1\n")
    with pytest.raises(MarketDataError, match="'datetime' is empty in data row 2; date the row"):
        load("csv", path)


@pytest.mark.parametrize("price", ["1,5", "$1.5", "abc", "True", "1.5 USD", "-"])
def test_csv_text_prices_name_file_column_value_and_row(tmp_path, price):
    path = write(
        tmp_path,
        f'instrument,datetime,close,open\nA,2024-01-02,1,\nA,2024-01-03,2,"{price}"\n',
    )
    with pytest.raises(MarketDataError) as caught:
        load("csv", path)
    assert f"{path}: column 'open', data row 2: {price!r} is text" in str(caught.value)


def test_na_is_a_missing_number_but_a_ticker_like_any_other(tmp_path):
    path = write(
        tmp_path,
        "instrument,datetime,close,open\nNA,2024-01-02,1,NA\nNULL,2024-01-02,2,\n007,2024-01-02,3,4\n",
    )
    data = load("csv", path)
    assert data.panel.index.levels[0].tolist() == ["007", "NA", "NULL"]
    assert data.counts["missing_open"] == 2


def test_parquet_types_of_other_writers_are_understood(tmp_path):
    days = pd.bdate_range("2024-01-02", periods=3)
    table = pa.table(
        {
            "instrument": pa.array(["A", "A", "A"]).dictionary_encode(),
            "datetime": pa.array([day.date() for day in days], pa.date32()),
            "close": pa.array([1, 2, None], pa.int32()),
            "open": pa.array(["1.50", "2.50", "3.50"]).cast(pa.decimal128(10, 2)),
            "volume": pa.nulls(3),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    data = load("parquet", tmp_path / "a.parquet")
    assert data.panel["open"].tolist() == [1.5, 2.5]
    assert data.counts["missing_volume"] == 2
    assert data.counts["rows_without_close_dropped"] == 1
    texts = table.set_column(1, "datetime", pa.array([f"{day:%Y-%m-%d}" for day in days]))
    pq.write_table(texts, tmp_path / "b.parquet")
    pd.testing.assert_frame_equal(load("parquet", tmp_path / "b.parquet").panel, data.panel)


def test_parquet_text_prices_and_time_zones_name_the_file(tmp_path):
    BARS.assign(close=BARS["close"].astype(str)).to_parquet(tmp_path / "text.parquet")
    first = str(BARS["close"].iloc[0])
    assert_refused(
        f"text.parquet: column 'close', data row 1: '{first}'", "parquet", tmp_path / "text.parquet"
    )
    aware = BARS["datetime"].dt.tz_localize("UTC")
    BARS.assign(datetime=aware).to_parquet(tmp_path / "aware.parquet")
    assert_refused(
        "aware.parquet: column 'datetime' carries", "parquet", tmp_path / "aware.parquet"
    )


def test_refused_bars_name_their_file(tmp_path):
    path = write(tmp_path, "instrument,datetime,close\nA,2024-01-02,-1\n")
    assert_refused(rf"{path}: column 'close' is -1 for A on 2024-01-02", "csv", path)


@pytest.mark.parametrize("source", ["csv", "parquet"])
def test_a_lack_of_memory_is_no_damaged_file(tmp_path, monkeypatch, source):
    BARS.to_csv(tmp_path / "bars.csv", index=False)
    BARS.to_parquet(tmp_path / "bars.parquet")

    def refuse(*_, **__):
        raise pa.ArrowMemoryError("malloc of size 64 failed")

    monkeypatch.setattr("pyarrow.csv.read_csv", refuse)
    monkeypatch.setattr("pyarrow.parquet.ParquetFile.read", refuse)
    with pytest.raises(MemoryError):
        load(source, tmp_path / f"bars.{source}")


FIELDS = ("", "x", "1.5", '"', '"x"', '"a, ""b"""', '"x\ny"', "O'Neil", 'Foo "Bar"')


@settings(deadline=None, derandomize=True, max_examples=150)
@given(
    rows=st.lists(st.lists(st.sampled_from(FIELDS), min_size=2, max_size=2), max_size=5),
    line_break=st.sampled_from(["\n", "\r\n", "\n\n", "\r"]),
)
def test_every_line_is_a_row_or_the_file_is_refused(tmp_path_factory, rows, line_break):
    lines = [
        f"A,2024-01-{day:02d},{first},{day},{last}" for day, (first, last) in enumerate(rows, 1)
    ]
    text = line_break.join(["instrument,datetime,first,close,currency", *lines]) + line_break
    path = write(tmp_path_factory.mktemp("rows"), text)
    wanted = ColumnsToRead(required=("instrument", "datetime", "close"), optional=("currency",))
    parsed = [fields for fields in csv.reader(text.splitlines(keepends=True)) if fields][1:]
    try:
        table = read_table(InputFile(str(path), ""), wanted, source="csv")
    except MarketDataError:
        assert any(field.count('"') % 2 or "\n" in field for row in rows for field in row)
    else:
        assert table["currency"].tolist() == [fields[4] for fields in parsed]
        assert table["close"].tolist() == list(range(1, len(rows) + 1))


@pytest.mark.parametrize("last", [3_450, 20_000, None])
@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_stray_quotes_name_the_lines_between_them(tmp_path, last, line_break):
    lines = [f"A,2024-01-02,1,Some Company of {n}" for n in range(30_000)]
    lines[3_000] = lines[3_000].replace("Some", '"Some')
    if last is not None:
        lines[last] = lines[last].replace("Some", '"Some')
    path = write(tmp_path, line_break.join(["instrument,datetime,close,company", *lines]))

    end = 30_001 if last is None else last + 2
    assert_refused(f"line 3002 begins a field in quotes that ends in line {end}, so", "csv", path)


def test_quotes_on_every_field_and_blank_lines_do_no_harm(tmp_path):
    text = BARS.assign(company='Foo "Bar", Inc.').to_csv(index=False, quoting=csv.QUOTE_ALL)
    path = write(tmp_path, text.replace("\n", "\n\n"))
    pd.testing.assert_frame_equal(load("csv", path).panel, PANEL, check_exact=True)


def test_blanks_after_commas_are_skipped(tmp_path):
    text = BARS.assign(company='"Foo, Inc."', vwap="NA").to_csv(
        index=False, quoting=csv.QUOTE_NONE, escapechar="\\"
    )
    path = write(tmp_path, text.replace("\\", "").replace(",", ", ").replace("Foo,  ", "Foo, "))
    columns = {"open": " open"}  # as a file's header had to be named where its blanks counted
    panel = load("csv", path, columns=columns).panel
    assert panel["vwap"].isna().all()
    pd.testing.assert_frame_equal(panel.drop(columns="vwap"), PANEL, check_exact=True)


def test_a_blank_far_below_is_skipped_too(tmp_path):
    days = [f"2024-{month:02d}-{day:02d}" for month in range(1, 5) for day in range(1, 29)]
    rows = [*(f"A,{day},1," for day in days), f" B, {days[0]}, 2, "]
    path = write(tmp_path, "\n".join(["instrument,datetime,close,open", *rows]))
    panel = load("csv", path).panel
    assert panel.loc[("B", days[0]), "close"] == 2.0
    assert panel["open"].isna().all()


@pytest.mark.parametrize(
    "form", ["%d/%m/%Y", "%m/%d/%y", "%d-%b-%Y", "%Y.%j", "%Y%m%d", "%d.%m.%Y %H:%M"]
)
@pytest.mark.parametrize("source", ["csv", "parquet"])
def test_dates_of_a_stated_form(tmp_path, form, source):
    theirs = BARS.assign(datetime=BARS["datetime"].dt.strftime(form))
    path = tmp_path / f"bars.{source}"
    theirs.to_csv(path, index=False) if source == "csv" else theirs.to_parquet(path)
    panel = load(source, path, date_format=form).panel
    pd.testing.assert_frame_equal(panel, PANEL, check_exact=True)


@pytest.mark.parametrize("date_format", [None, "%Y%m%d"])
def test_dates_as_whole_numbers(tmp_path, date_format):
    theirs = BARS.assign(datetime=BARS["datetime"].dt.strftime("%Y%m%d").astype("int64"))
    theirs.to_csv(tmp_path / "bars.csv", index=False)
    theirs.to_parquet(tmp_path / "bars.parquet")
    for source in ("csv", "parquet"):
        panel = load(source, tmp_path / f"bars.{source}", date_format=date_format).panel
        pd.testing.assert_frame_equal(panel, PANEL, check_exact=True)


@pytest.mark.parametrize(
    "form", ["%d.%m", "%Y-%m", "%Y %d", "ISO8601", "mixed", "%d.%m.%Y %z", "%Q", "dd.mm.yyyy"]
)
def test_a_form_without_whole_dates_is_refused(form):
    with pytest.raises(ValidationError, match="write year, month and day without a zone"):
        MarketDataConfig(source="csv", path="bars.csv", date_format=form)
