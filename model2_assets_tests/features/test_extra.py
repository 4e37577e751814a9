"""Features of one's own: what each row knows, against a search row by row."""

import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from model2_assets.checks.controls import lookahead_control
from model2_assets.config import FeaturesConfig
from model2_assets.errors import ConfigError, FeatureError, MarketDataError
from model2_assets.features import build_features_from_config, extra
from model2_assets.features.build import make_features
from model2_assets.features.extra import join_extra, known_by, read_extra
from model2_assets.panel import panel_index
from model2_assets.storage.data_version import stamped
from model2_assets_tests.checks.builders import latest_bars
from model2_assets_tests.features.sample_panels import random_panel, same_bits

BUILDERS = "model2_assets_tests.checks.feature_builders"
DATES = pd.bdate_range("2024-01-01", "2024-02-09")
SET = panel_index(np.repeat(["A", "B", "C"], len(DATES)), np.tile(DATES, 3))


def config_of(path: Path, columns: Any = ("pe",), **entry: Any) -> FeaturesConfig:
    columns = list(columns) if isinstance(columns, tuple) else columns
    given = {"path": str(path), "columns": columns, "normalization": "as_is", **entry}
    return FeaturesConfig.model_validate({"min_history_bars": 5, "extra": [given]})


def empty_set(index: pd.MultiIndex = SET) -> pd.DataFrame:
    """Return a set without features, in canonical order."""
    return pd.DataFrame(index=index).sort_index(level=["datetime", "instrument"])


def joined(path: Path, config: FeaturesConfig | None = None) -> pd.Series:
    config = config or config_of(path)
    return join_extra(empty_set(), read_extra(config), config, empty_set())["pe"]


def known_value(
    rows: list[tuple[str, dt.date, dt.datetime | None, float]],
    instrument: str,
    session: dt.date,
    close: dt.time,
    max_age_days: int,
) -> float:
    """Search all rows for what is known of an instrument at the close of a session."""
    found = []
    for name, date, available, value in rows:
        if available is None:
            if (name, date) == (instrument, session):
                found.append((date, session, dt.datetime.min, 0, value))
            continue
        has_time = available.time() != dt.time(0)
        same_day = has_time and available.time() < close
        counts_from = available.date() if same_day else available.date() + dt.timedelta(days=1)
        if name == instrument and counts_from <= session:
            age = (session - available.date()).days
            found.append((date, counts_from, available, age, value))
    if not found or max(found)[3] > max_age_days:
        return np.nan
    return max(found)[4]


MOMENTS = st.sampled_from([(0, 0), (9, 30), (15, 59), (16, 0), (16, 1), (23, 59)])
DAYS = st.integers(0, 39).map(lambda n: dt.date(2024, 1, 1) + dt.timedelta(days=n))
ROWS = st.lists(
    st.tuples(st.sampled_from("ABX"), DAYS, st.integers(0, 12), MOMENTS), min_size=1, max_size=30
)


def published(rows: Any) -> list[tuple[str, dt.date, dt.datetime, float]]:
    """Give rows a moment at which they are known, and each a value of its own."""
    keys = {
        (name, date, dt.datetime.combine(date + dt.timedelta(days=lag), dt.time(*clock)))
        for name, date, lag, clock in rows
    }
    return [(*key, float(n)) for n, key in enumerate(sorted(keys))]


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=ROWS, max_age_days=st.sampled_from([0, 1, 3, 10, 400]), seed=st.integers(0, 9))
def test_each_row_has_the_latest_value_known_at_its_close(tmp_path, rows, max_age_days, seed):
    values = published(rows)
    table = pd.DataFrame(values, columns=["instrument", "datetime", "available_at", "pe"])
    table.sample(frac=1, random_state=seed).to_csv(tmp_path / "own.csv", index=False)

    found = joined(tmp_path, config_of(tmp_path, max_age_days=max_age_days))

    wanted = [
        known_value(values, name, session.date(), dt.time(16), max_age_days)
        for name, session in found.index
    ]
    np.testing.assert_array_equal(found.to_numpy(), np.array(wanted, dtype=np.float32))


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=ROWS, cut=st.sampled_from(list(DATES)))
@example(
    rows=[("A", dt.date(2024, 1, 1), 1, (0, 0)), ("A", dt.date(2024, 1, 1), 1, (9, 30))],
    cut=DATES[1],
)
def test_what_was_known_at_a_close_is_all_that_rows_up_to_it_need(tmp_path, rows, cut):
    columns = ["instrument", "datetime", "available_at", "pe"]
    pd.DataFrame(published(rows), columns=columns).to_csv(tmp_path / "own.csv", index=False)
    config = config_of(tmp_path)
    (table,) = read_extra(config)
    full = empty_set()
    before = full[full.index.get_level_values("datetime") <= cut]

    then = join_extra(before, [known_by(table, cut, config)], config, before)

    now = join_extra(full, [table], config, full)
    pd.testing.assert_frame_equal(then, now.loc[before.index])


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=ROWS)
def test_without_available_at_a_value_counts_on_its_own_date_alone(tmp_path, rows):
    values = [
        (name, date, None, float(n))
        for n, (name, date) in enumerate(sorted({row[:2] for row in rows}))
    ]
    table = pd.DataFrame(values, columns=["instrument", "datetime", "none", "pe"])
    table.to_parquet(tmp_path / "own.parquet")

    found = joined(tmp_path)

    wanted = [known_value(values, *key, dt.time(16), 0) for key in dates_of(found.index)]
    np.testing.assert_array_equal(found.to_numpy(), np.array(wanted, dtype=np.float32))


def dates_of(index: pd.Index) -> list[tuple[str, dt.date]]:
    return [(name, session.date()) for name, session in index]


@pytest.mark.parametrize(
    ("available", "first"),
    [
        ("2024-01-03", "2024-01-04"),
        ("2024-01-03 15:59", "2024-01-03"),
        ("2024-01-03 16:00", "2024-01-04"),
        ("2024-01-05 20:00", "2024-01-08"),
        ("2024-01-03T20:59:00Z", "2024-01-03"),
        ("2024-01-03T21:00:00Z", "2024-01-04"),
        ("2024-01-04T05:30:00+09:00", "2024-01-03"),
    ],
)
def test_a_value_counts_from_the_first_session_that_knows_it(tmp_path, available, first):
    text = f"instrument,datetime,available_at,pe\nA,2024-01-02,{available},3\n"
    (tmp_path / "own.csv").write_text(text)
    found = joined(tmp_path).dropna()
    assert found.index[0] == ("A", pd.Timestamp(first))
    assert len(found) == np.count_nonzero(pd.Timestamp(first) <= DATES)


def test_the_close_is_that_of_the_market(tmp_path):
    tokyo = pd.Timestamp("2024-01-03 14:59", tz=ZoneInfo("Asia/Tokyo"))
    moments = pd.DatetimeIndex([tokyo, tokyo + pd.Timedelta(minutes=1)]).tz_convert("UTC")
    dates = pd.to_datetime(["2024-01-02"] * 2)
    columns = {"instrument": ["A", "B"], "datetime": dates, "available_at": moments, "pe": [1, 2]}
    pd.DataFrame(columns).to_parquet(tmp_path / "own.parquet")
    config = config_of(tmp_path).model_copy(update={"session_close": "15:00 Asia/Tokyo"})
    first = joined(tmp_path, config).dropna().reset_index().groupby("instrument").first()
    assert first["datetime"].dt.day.tolist() == [3, 4]


def test_a_correction_of_an_older_quarter_does_not_replace_the_newest(tmp_path):
    (tmp_path / "own.csv").write_text(
        "instrument,datetime,available_at,pe\n"
        "A,2023-09-30,2024-01-02,1\nA,2023-12-31,2024-01-04,2\nA,2023-09-30,2024-01-09,3\n"
        "A,2023-12-31,2024-01-10,\nA,2023-12-31,2024-01-12,4\n"
    )
    found = joined(tmp_path)["A"]
    assert found["2024-01-03":"2024-01-15"].fillna(-1).tolist() == [1, 1, 2, 2, 2, 2, -1, -1, 4]


def test_a_query_gives_what_its_file_would(tmp_path, monkeypatch):
    (tmp_path / "own.csv").write_text(
        "ticker,day,available_at,pe\nA,2024-01-02,2024-01-03 10:00,3\nB,2024-01-02,2024-01-03,4\n"
    )
    monkeypatch.setenv("OWN_URL", "duckdb://")
    columns = {"instrument": "ticker", "datetime": "day", "pe": "pe"}
    of_file = config_of(tmp_path, columns)
    asked = {"source": "sql", "url_variable": "OWN_URL", "columns": columns}
    query = f"SELECT * FROM '{tmp_path}/own.csv' WHERE pe > {{}}"

    def of_query(least: int) -> FeaturesConfig:
        entry = {**asked, "query": query.format(least), "normalization": "as_is"}
        return FeaturesConfig.model_validate({"extra": [entry]})

    pd.testing.assert_series_equal(joined(tmp_path, of_query(0)), joined(tmp_path, of_file))
    assert refusal_of(of_query(9), MarketDataError) == (
        "query of OWN_URL: the query gives no row; correct features.extra.0.query, "
        "and end it with a SELECT"
    )


@pytest.fixture
def market(tmp_path: Path) -> tuple[pd.DataFrame, Path]:
    """Return a panel, and a file of values that are known anew every day, after the close."""
    panel = random_panel(4, 60, seed=5, gaps=0.05)
    own = panel.index.to_frame(index=False)
    own["available_at"] = own["datetime"].dt.strftime("%Y-%m-%d")
    own["pe"] = np.random.default_rng(1).normal(size=len(own))
    path = tmp_path / "own.csv"
    own.to_csv(path, index=False)
    return panel, path


def test_columns_stand_behind_the_set_normalized_alike_or_as_they_are(market):
    panel, path = market
    as_is = build_features_from_config(panel, config_of(path))
    bare = config_of(path).model_copy(update={"extra": ()})
    alike = build_features_from_config(panel, config_of(path, normalization="alike"))

    assert list(as_is.columns[-2:]) == ["VSUMD60", "pe"]
    assert same_bits(as_is.drop(columns="pe"), build_features_from_config(panel, bare))
    by_date = as_is["pe"].groupby(level="datetime")
    ranks = (by_date.rank() - 0.5) / by_date.transform("count") - 0.5
    np.testing.assert_allclose(alike["pe"], ranks, atol=1e-7)
    assert as_is.attrs["counts"]["features"] == 159
    assert as_is.attrs["counts"]["missing_values"] == int(as_is.isna().sum().sum())


def test_values_of_a_delisted_name_are_not_those_of_the_next_one(tmp_path):
    panel = empty_set().assign(close=1.0, delisting_return=np.nan)
    panel.loc[("A", "2024-01-10"), "delisting_return"] = -1.0
    (tmp_path / "own.csv").write_text(
        "instrument,datetime,available_at,pe\n"
        "A,2023-12-31,2024-01-05,1\nA,2024-01-10,2024-01-10 10:00,2\nA,2024-01-11,2024-01-15,3\n"
        "B,2023-12-31,2024-01-05,4\n"
    )
    config = config_of(tmp_path)
    found = join_extra(panel[[]], read_extra(config), config, panel)["pe"]
    assert found["A"]["2024-01-08":"2024-01-16"].fillna(-1).tolist() == [1, 1, 2, -1, -1, -1, 3]
    assert found["B"]["2024-01-08":].eq(4).all()


def test_they_stand_behind_the_features_of_ones_own_builder_too(market):
    panel, path = market
    for name in ("honest", "ours"):
        config = config_of(path).model_copy(update={"builder": f"{BUILDERS}:{name}"})
        features = make_features(panel, config)
        assert features.columns[-1] == "pe"
        assert features["pe"].notna().any()
    taken = config_of(path, {"age": "pe"}).model_copy(update={"builder": f"{BUILDERS}:honest"})
    with pytest.raises(FeatureError, match="the set has a feature 'age' already"):
        make_features(panel, taken)


def test_the_control_passes_what_is_known_and_counts_it(market):
    panel, path = market
    config = config_of(path)
    features = make_features(panel, config)
    found = lookahead_control(features, panel, config, n_dates=5)
    assert found.passed, found.description
    rows = features.index.get_level_values("datetime")
    dates = str(found.values["dates"]).split(", ")  # noqa: PD011 -- of a finding
    first = [latest_bars(panel, pd.Timestamp(date)).min() for date in dates]
    n_rows = sum(((rows >= s) & (rows <= e)).sum() for s, e in zip(first, dates, strict=True))
    assert found.values["values"] == 159 * n_rows  # noqa: PD011


@pytest.mark.parametrize(("days", "is_leak"), [(0, True), (2, False)])
def test_a_join_that_is_a_day_early_is_caught_and_one_that_is_late_differs(
    market, monkeypatch, days, is_leak
):
    panel, path = market
    config = config_of(path)
    right = make_features(panel, config)
    monkeypatch.setattr(extra, "_DAY", pd.Timedelta(days=days))
    features = make_features(panel, config)
    found = lookahead_control(features, panel, config)
    assert found.passed != is_leak
    assert ("feature 'pe' of" in found.description) == is_leak
    assert not same_bits(features, right)


def test_a_changed_file_is_named_but_not_one_that_goes_on(market):
    panel, path = market
    config = config_of(path)
    made = make_features(panel, config)
    features = stamped(made, inputs={}, extra=made.attrs["extra"])

    path.write_text(path.read_text() + "S000,2019-06-03,2019-06-03,1.0\n")
    assert lookahead_control(features, panel, config).passed

    path.write_text(path.read_text().replace(",0.", ",1.", 1))
    found = lookahead_control(features, panel, config)
    assert not found.passed
    assert found.description == (
        "files of features.extra have changed since; materialize features again"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"columns": []}, r"extra\.0\.columns: names no feature; add at least one column"),
        ({"columns": {"instrument": "t"}}, r"extra\.0\.columns: names no feature"),
        ({"columns": ["a b"]}, r"extra\.0\.columns: 'a b' is no name of a feature"),
        ({"columns": ["x"]}, r"extra: two features have the name 'x'"),
        ({"columns": ["y"], "session_close": "4pm"}, "write time and IANA time zone"),
        ({"columns": ["y"], "session_close": 960}, "write time and IANA time zone, .* got 960"),
        ({"columns": ["y"], "session_close": "16:00 Mars"}, "no such IANA time zone"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    panel = random_panel(2, 10)
    top = {name: settings.pop(name) for name in ("session_close",) if name in settings}
    entries = [{"path": "a.csv", **settings}, {"path": "b.csv", "columns": ["x"]}]
    with pytest.raises(ConfigError, match=message):
        build_features_from_config(panel, {"extra": entries, **top})


def refusal_of(config: FeaturesConfig, error: type[Exception]) -> str:
    with pytest.raises(error) as refused:
        read_extra(config)
    return str(refused.value)


def test_moments_that_are_dates_with_a_zone_are_refused(tmp_path):
    dates = pd.to_datetime(["2024-01-02", "2024-01-03"])
    own = pd.DataFrame({"instrument": "A", "datetime": dates, "pe": [1.0, 2.0]})
    own.assign(available_at=dates.tz_localize("UTC")).to_parquet(tmp_path / "own.parquet")
    assert "no time of day; store dates without time zone, or moments" in refusal_of(
        config_of(tmp_path), FeatureError
    )


def test_missing_column_names_the_key_of_its_entry(tmp_path):
    (tmp_path / "own.csv").write_text("instrument,datetime,PE\nA,2024-01-02,1\n")
    assert refusal_of(config_of(tmp_path), MarketDataError).endswith(
        "no column 'pe', which features.extra.0.columns gives for 'pe'; the file has: instrument, "
        "datetime, PE"
    )
