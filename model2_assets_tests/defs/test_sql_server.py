"""Bars by a query of a real PostgreSQL server; nothing that is written tells its password."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy
import yaml
from click.testing import CliRunner

from model2_assets.cli.main import main
from model2_assets.config import MarketDataConfig
from model2_assets.errors import MarketDataError
from model2_assets.market_data import load_market_data
from model2_assets.market_data.synthetic import synthetic_panel
from model2_assets_tests.defs.postgres import Server, temporary_server, why_no_server
from model2_assets_tests.defs.small_region import NO_DRAWINGS, quiet_home

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(bool(why_no_server()), reason=why_no_server()),
]

VARIABLE = "PRICES"
CANARY = "c4n/arY:S3?cret"
QUERY = "SELECT instrument, datetime, close, volume FROM bars"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    bars = synthetic_panel(n_instruments=6, n_dates=150)
    names = {name: f"000{position}" for position, name in enumerate(bars["instrument"].unique())}
    with temporary_server(CANARY) as server:
        with sqlalchemy.create_engine(server.url()).begin() as connection:
            connection.exec_driver_sql(
                "CREATE TABLE bars (instrument text, datetime date, close numeric, volume bigint)"
            )
            rows = bars.assign(instrument=bars["instrument"].map(names))
            columns = ["instrument", "datetime", "close", "volume"]
            rows[columns].round({"close": 4, "volume": 0}).to_sql(
                "bars", connection, if_exists="append", index=False
            )
        yield server


@pytest.fixture(autouse=True)
def address(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, server.url().replace("+psycopg2", ""))


def load(query: str) -> pd.DataFrame:
    config = MarketDataConfig(source="sql", query=query, url_variable=VARIABLE)
    return load_market_data(config).panel


def refusal(query: str = QUERY) -> str:
    with pytest.raises(MarketDataError) as caught:
        load(query)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_table_of_the_server_is_read_whatever_the_order_of_its_rows(monkeypatch) -> None:
    monkeypatch.setattr("model2_assets.market_data.sql._ROWS_AT_ONCE", 100)
    panel = load(QUERY)
    assert len(panel) == 900
    assert panel.index.unique("instrument").tolist() == [f"000{n}" for n in range(6)]
    assert (panel["close"].dtype, panel["volume"].dtype) == ("float64", "float64")
    pd.testing.assert_frame_equal(load(f"{QUERY} ORDER BY close DESC;"), panel)
    like = load(f"{QUERY} WHERE instrument LIKE '%5' AND ':x' <> '%s'")
    pd.testing.assert_frame_equal(like, panel.loc[["0005"]])


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("'0005'::varchar, date '2024-01-02', 1.25::numeric(9,4)", ("0005", 1.25)),
        ("'0005'::char(4), timestamp '2024-01-02', 1.25::float4", ("0005", 1.25)),
        ("5::bigint, '2024-01-02'::text, 2::smallint", ("5", 2.0)),
        ("'TRUE', (timestamptz '2024-01-02 22:00-05' AT TIME ZONE 'America/New_York')::date, 2",
         ("TRUE", 2.0)),
    ],
)  # fmt: skip
def test_types_of_the_server(select: str, expected: tuple[str, float]) -> None:
    panel = load(f"SELECT * FROM (SELECT {select}) AS x(instrument, datetime, close)")
    instrument, close = expected
    index = [(instrument, pd.Timestamp("2024-01-02"))]
    assert panel["close"].to_dict() == dict(zip(index, [close], strict=True))


def test_a_numeric_that_is_no_number_is_a_missing_value() -> None:
    values = "(VALUES ('A', date '2024-01-02', 'NaN'::numeric), ('A', '2024-01-03', 1.5))"
    panel = load(f"SELECT * FROM {values} AS x(instrument, datetime, close)")
    assert panel["close"].tolist() == [1.5]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM nothing", 'the query fails (relation "nothing" does not exist); correct'),
        ("SELEC 1", 'the query fails (syntax error at or near "SELEC"); correct market_data.query'),
        ("DROP TABLE bars", 'the query fails (syntax error at or near "DROP"); correct market_d'),
        ("SELECT 1/0 AS close", "the query fails (division by zero); correct market_data.query"),
        (
            f"{QUERY} WHERE false",
            "the query gives no row; correct market_data.query, and end it with a SELECT",
        ),
        (
            f"{QUERY.replace('datetime', 'datetime::timestamptz')}",
            "column 'datetime' carries the t",
        ),
        (
            f"{QUERY.replace('datetime', 'datetime::text::json AS datetime')}",
            "the query fails (inv",
        ),
        ("SELECT pg_terminate_backend(pg_backend_pid())", "the database cannot be reached (server"),
        (
            "SELECT 1 AS close, 2 AS x",
            "no column 'instrument'; it has: close, x. Say under market_d",
        ),
    ],
)
def test_a_wrong_query_is_one_sentence(query: str, said: str) -> None:
    assert refusal(query).startswith(f"query of {VARIABLE}: {said}")


def test_a_server_that_is_down_or_refuses_is_one_sentence(server, monkeypatch) -> None:
    for url, reason in (
        (server.url(port=1), "Connection refused"),
        (server.url(f"{CANARY}-wrong"), 'password authentication failed for user "dagster"'),
        (server.url().replace("/postgres", "/nowhere"), 'database "nowhere" does not exist'),
        (f"{server.url()}?options={CANARY.replace('?', '')}", ""),
        (f"{server.url()}?sslmode=require", "server does not support SSL"),
    ):
        monkeypatch.setenv(VARIABLE, url)
        said = refusal()
        assert said.startswith(f"query of {VARIABLE}: the database cannot be reached (")
        assert reason in said
        assert said.endswith(f"lets its user in, or correct the address in {VARIABLE}")
        assert "c4n" not in said


def test_nothing_that_a_retrain_writes_tells_the_password(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(quiet_home(tmp_path / "home")))
    monkeypatch.setenv("MODEL2_STORAGE", str(tmp_path / "data"))
    market_data = {"source": "sql", "query": QUERY, "url_variable": VARIABLE}
    other = {**market_data, "query": "SELECT * FROM nothing"}
    labels = {"horizons": [2], "min_names": 2}
    config = {
        "regions": {
            "us": {"market_data": market_data, "labels": labels},
            "eu": {"market_data": other, "labels": labels},
        },
        "models": {"xgboost": None},
        "reports": NO_DRAWINGS,
        "logging": {"level": "DEBUG"},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    arguments = ["--config", str(tmp_path / "config.yaml"), "retrain", "--gate"]
    done = CliRunner().invoke(main, [*arguments, "--report-dir", str(tmp_path / "gate")])
    (tmp_path / "output").write_text(done.output)
    assert 'query of PRICES: the query fails (relation "nothing" does not exist)' in done.output
    assert (tmp_path / "data/us/leaderboard.parquet").exists()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"output", "gate.json", "index.db"} <= {path.name for path in files}
    secrets = [text.encode() for text in (CANARY, server.url().split(":")[2].split("@")[0])]
    assert [p for p in files if any(secret in p.read_bytes() for secret in secrets)] == []
