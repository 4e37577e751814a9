"""Bars by a query of DuckDB, and of what SQLAlchemy brings itself; PostgreSQL: test_sql_server."""

import sys
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import sqlalchemy

from model2_assets.config import MarketDataConfig
from model2_assets.config.load import load_config, parse_section
from model2_assets.errors import ConfigError, MarketDataError
from model2_assets.market_data import load_market_data

VARIABLE = "PRICES"
CANARY = "c4narY"
BARS = (
    "(VALUES ('0005', DATE '2024-01-02', 1.25, 100), ('0005', DATE '2024-01-03', 1.5, 200), "
    "('NA', DATE '2024-01-02', 3, NULL)) AS bars(ticker, day, price, volume)"
)
QUERY = f"SELECT ticker AS instrument, day AS datetime, price AS close, volume FROM {BARS}"


def load(query: str, **settings: object) -> pd.DataFrame:
    config = MarketDataConfig(source="sql", query=query, url_variable=VARIABLE, **settings)
    return load_market_data(config).panel


def refusal(query: str, **settings: object) -> str:
    with pytest.raises(MarketDataError) as caught:
        load(query, **settings)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return str(caught.value)


@pytest.fixture(autouse=True)
def address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "duckdb://")


def test_bars_of_a_query_are_those_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text(
        "instrument,datetime,close,volume\n"
        "0005,2024-01-02,1.25,100\n0005,2024-01-03,1.5,200\nNA,2024-01-02,3,\n"
    )
    of_file = MarketDataConfig(source="csv", path=str(tmp_path / "bars.csv"))
    pd.testing.assert_frame_equal(load(QUERY), load_market_data(of_file).panel)


@pytest.mark.parametrize(
    ("kind", "day"),
    [
        ("DATE", "2024-01-02"),
        ("TIMESTAMP", "2024-01-02"),
        ("TIMESTAMP_NS", "2024-01-02"),
        ("VARCHAR", "2024-01-02"),
        ("INTEGER", "20240102"),
    ],
)
@pytest.mark.parametrize("number", ["DECIMAL(30, 3)", "HUGEINT", "REAL", "UTINYINT"])
def test_types_of_columns(kind: str, day: str, number: str) -> None:
    panel = load(
        f"SELECT CAST(5 AS BIGINT) AS instrument, CAST('{day}' AS {kind}) AS datetime, "
        f"CAST(3 AS {number}) AS close, CAST(NULL AS {number}) AS volume, NULL AS vwap"
    )
    assert panel.index.tolist() == [("5", pd.Timestamp("2024-01-02"))]
    assert panel["close"].tolist() == [3.0]
    assert panel["volume"].isna().all()


def test_files_are_read_where_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    duckdb.connect().sql(QUERY).to_parquet("bars.parquet")
    expected = load(QUERY)
    pd.testing.assert_frame_equal(load("SELECT * FROM 'bars.parquet'"), expected)
    pd.testing.assert_frame_equal(load("SET threads = 1; FROM read_parquet('*.parquet')"), expected)


def test_columns_and_the_form_of_dates_are_mapped() -> None:
    panel = load(
        f"SELECT ticker, strftime(day, '%d.%m.%Y') AS day, price FROM {BARS}",
        columns={"instrument": "ticker", "datetime": "day", "close": "price"},
        date_format="%d.%m.%Y",
    )
    pd.testing.assert_frame_equal(panel, load(QUERY).drop(columns="volume"))


def test_a_file_of_duckdb_is_read_and_never_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with duckdb.connect(tmp_path / "prices.duckdb") as connection:
        connection.sql(f"CREATE TABLE bars AS {QUERY}")
    for path in (f"/{tmp_path}/prices.duckdb", "/~/prices.duckdb", "/$HOME/prices.duckdb"):
        monkeypatch.setenv(VARIABLE, f"duckdb://{path}")
        pd.testing.assert_frame_equal(load("FROM bars"), load("SELECT * FROM bars ORDER BY close"))
    said = refusal("DROP TABLE bars")
    assert said.startswith(f"query of {VARIABLE}: the query fails (")
    assert "read-only" in said
    assert len(load("FROM bars")) == 3


def test_a_table_is_none_of_the_programs_variables() -> None:
    config = pd.DataFrame({"instrument": ["X"]})
    assert len(config) == 1
    assert "Table with name config does not exist" in refusal("SELECT * FROM config")


FORM = (
    "set it, for Dagster's daemon too, such as to postgresql://user@host:5432/name (with the "
    "password, percent-encoded, and a colon before the @), duckdb:///file.duckdb, or duckdb:// for "
    "files alone"
)


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", " ", None):
        monkeypatch.setenv(VARIABLE, value or "")
        if value is None:
            monkeypatch.delenv(VARIABLE)
        assert refusal(QUERY) == (
            f"market_data.url_variable: the environment variable {VARIABLE} is not set; {FORM}"
        )


@pytest.mark.parametrize(
    "address",
    [
        CANARY,
        f"me:{CANARY}@host/prices",
        f"oracle+none://me:{CANARY}@host/x",
        f"foo://me:{CANARY}@host/x",
        f"postgresql://me:p@{CANARY}@host/x",  # where an unescaped @ would make it a host
        f"postgresql://me:{CANARY}@host:{CANARY}/x",
    ],
)
def test_an_address_that_is_none_is_not_told(monkeypatch, address: str) -> None:
    monkeypatch.setenv(VARIABLE, address)
    assert refusal(QUERY) == (
        f"market_data.url_variable: the environment variable {VARIABLE} holds no address that "
        f"SQLAlchemy knows; {FORM}"
    )


@pytest.mark.parametrize(
    ("address", "package"),
    [
        (f"postgres://me:{CANARY}@host/x", "psycopg2"),
        (f"postgresql://me:{CANARY}@host/x", "psycopg2"),
        (f"postgresql+psycopg2://me:{CANARY}@host/x", "psycopg2"),
        (f"mysql+pymysql://me:{CANARY}@host/x", "pymysql"),
        (f"mssql+pyodbc://me:{CANARY}@host/x", "pyodbc"),
        ("duckdb://", "duckdb"),
    ],
)
def test_a_missing_package_is_named_with_the_extra(monkeypatch, address: str, package) -> None:
    monkeypatch.setenv(VARIABLE, address)
    monkeypatch.setitem(sys.modules, package, None)
    said = refusal(QUERY)
    assert package in said
    assert said.endswith('; of postgresql and duckdb: pip install "model2-assets[sql]"')
    assert CANARY not in said


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELEC 1", 'the query fails (Parser Error: syntax error at or near "SELEC")'),
        ("SELECT 1; SELEC 1", 'the query fails (Parser Error: syntax error at or near "SELEC")'),
        ("SELECT * FROM 'no.csv'", "the query fails (IO Error: No files found that match the patt"),
        (
            f"{QUERY} WHERE false",
            "the query gives no row; correct market_data.query, and end it with a SELECT",
        ),
        (";", "the query gives no row; correct market_data.query, and end it with a SELECT"),
        ("SELECT 'X' AS instrument", "no column 'datetime'; it has: instrument. Say under market"),
        (
            'SELECT DATE \'2024-01-02\' AS day, 1.5::float8 AS "A", 2 AS "B"',
            "the table seems to be wide, with a column per instrument (A,B); save a row per",
        ),
        (
            "SET threads = 1",
            "the query gives no row; correct market_data.query, and end it with a SELECT",
        ),
        (
            "SELECT 'A' AS instrument, 2 AS close, TIMESTAMPTZ '2024-01-02 16:00Z' AS datetime",
            "column 'datetime' carries the time zone ",
        ),
        (QUERY.replace("2024-01-03", "2924-01-03"), "column 'datetime', data row 2: 2924-01-03"),
        (QUERY.replace("2024-01-03", "2124-01-03"), "0005 has a bar on 2124-01-03, which is in"),
        (QUERY.replace("'NA'", "NULL"), "column 'instrument' is empty in data row 3"),
        (QUERY.replace("price AS", "'x' AS"), "column 'close', data row 1: 'x' is str, not a num"),
        (f"SELECT 1 AS close, * FROM ({QUERY})", "column 'close' is there more than once; rename"),
    ],
)
def test_a_wrong_query_is_one_sentence(query: str, said: str) -> None:
    assert refusal(query).startswith(f"query of {VARIABLE}: {said}")


def test_a_file_that_is_not_there_is_not_made(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(VARIABLE, f"duckdb:///{tmp_path}/none.duckdb")
    said = refusal(QUERY)
    assert "the database cannot be reached (IO Error: Cannot open database" in said
    assert said.endswith(f"or correct the address in {VARIABLE}")
    assert list(Path(tmp_path).iterdir()) == []


def test_rows_of_a_driver_without_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"sqlite:///{tmp_path}/prices.db"
    monkeypatch.setenv(VARIABLE, address)
    monkeypatch.setattr("model2_assets.market_data.sql._ROWS_AT_ONCE", 2)
    with sqlalchemy.create_engine(address).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE bars (instrument, datetime, close)")
        connection.exec_driver_sql(
            "INSERT INTO bars VALUES ('0005', '2024-01-02', NULL), ('A%:x', '20240102', 7), "
            "('0005', '2024-01-03', 7.5)"
        )
    panel = load("SELECT * FROM bars WHERE instrument LIKE '%0%' OR instrument = 'A%:x'")
    assert panel["close"].to_dict() == {
        ("0005", pd.Timestamp("2024-01-03")): 7.5,
        ("A%:x", pd.Timestamp("2024-01-02")): 7.0,
    }
    said = refusal("SELECT instrument, datetime, instrument AS close FROM bars")
    assert "column 'close', data row 1: '0005' is str" in said
    monkeypatch.setenv(VARIABLE, f"{address}?timeout=1&key={CANARY}")
    assert CANARY not in refusal(f"SELECT '{CANARY}' FROM nothing")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"source": "sql"}, "source 'sql' needs a query and a url_variable"),
        ({"source": "sql", "query": "x"}, "source 'sql' needs a query and a url_variable"),
        ({"query": "x"}, "query and url_variable belong to source 'sql' only"),
        ({"source": "csv", "path": "x", "url_variable": "X"}, "belong to source 'sql' only"),
        ({"path": "x"}, "source 'sql' takes no path"),
        ({"instrument_from_filename": True}, "source 'sql' reads no file"),
        ({"params": {"a": 1}}, "params belong to source 'synthetic' only"),
        ({"url_variable": f"postgresql://me:{CANARY}@h/x"}, "write the name of an environment var"),
        ({"query": f"FROM postgres_scan('host=h password={CANARY}', 'a')"}, "the query carries a"),
        ({"query": f"CREATE SECRET (TYPE s3, SECRET '{CANARY}'); FROM x"}, "the query carries a"),
        ({"query": f"SET s3_secret_access_key='{CANARY}'; FROM x"}, "the query carries a"),
        ({"query": f"FROM 'https://h/a.csv?token={CANARY}'"}, "the query carries a"),
    ],
)
def test_settings_that_do_not_fit_are_refused_untold(settings, said: str) -> None:
    is_whole = "source" in settings or settings == {"query": "x"}
    base = {} if is_whole else {"source": "sql", "query": "FROM x", "url_variable": VARIABLE}
    with pytest.raises(ConfigError, match=said) as caught:
        parse_section(MarketDataConfig, base | settings, origin="c.yaml")
    assert CANARY not in str(caught.value)
    assert CANARY not in str(caught.value.__cause__)


def test_a_query_of_honest_words_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    query = "SELECT token, key, secretary FROM x WHERE token = 'BTC' AND key = 1 AND pwd IS NULL"
    path.write_text(
        f'regions: {{us: {{market_data: {{source: sql, url_variable: X, query: "{query}"}}}}}}'
    )
    assert load_config(path).region("us").market_data.query == query
