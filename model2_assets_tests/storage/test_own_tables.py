"""What a builder returns in any type of pandas is taken as ours, or refused by one sentence."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from model2_assets.config import FeaturesConfig, LabelsConfig
from model2_assets.errors import ConfigError, ContractError
from model2_assets.features import build_features_from_config
from model2_assets.features.build import make_features
from model2_assets.labels import build_labels_from_config, make_labels
from model2_assets.market_data import synthetic_panel
from model2_assets.panel import panel_index, to_canonical
from model2_assets.storage.data_version import table_digest

HERE = "model2_assets_tests.storage.test_own_tables"

DAYS = pd.bdate_range("2024-01-01", periods=12).as_unit("us")
INDEX = panel_index(["A", "B"] * len(DAYS), DAYS.repeat(2))
PANEL = pd.DataFrame({"close": np.arange(24.0) + 50, "in_universe": True}, index=INDEX)
RETURNED = {}


def returned(panel: pd.DataFrame, config: object) -> object:
    """Return what a test has laid down."""
    return RETURNED["table"]


def failing(panel: pd.DataFrame, config: object) -> pd.DataFrame:
    return panel["no_such_column"]


def features() -> pd.DataFrame:
    """Return features with a missing value, whole numbers, and no rows of the first date."""
    values = np.random.default_rng(1).normal(size=24).astype("float32")
    whole = np.arange(24, dtype="float32") % 5
    table = pd.DataFrame({"a": values, "b": whole}, index=INDEX).iloc[2:]
    return table.assign(a=table["a"].where(np.arange(22) != 7))


def labels() -> pd.DataFrame:
    """Return labels that end two dates later."""
    known = np.arange(24) < 20
    earned = np.where(known, np.arange(24.0) - 7.25, np.nan)
    ends = pd.Series(np.append(DAYS[2:], [pd.NaT] * 2).repeat(2)).to_numpy("datetime64[us]")
    names = ("forward_return_2d", "label_2d", "label_end_2d")
    return pd.DataFrame(dict(zip(names, (earned, earned / 2, ends), strict=True)), index=INDEX)


def made_features(table: object) -> pd.DataFrame:
    RETURNED["table"] = table
    return make_features(PANEL, FeaturesConfig(builder=f"{HERE}:returned"))


def made_labels(table: object) -> pd.DataFrame:
    RETURNED["table"] = table
    return make_labels(PANEL, LabelsConfig(builder=f"{HERE}:returned", horizons=(2,)))


def with_levels(table: pd.DataFrame, *, instrument=None, datetime=None) -> pd.DataFrame:
    """Return a table whose index levels have been passed through functions."""
    names, dates = (table.index.get_level_values(level) for level in (0, 1))
    names = names if instrument is None else instrument(pd.Series(names))
    dates = dates if datetime is None else datetime(pd.Series(dates))
    return table.set_axis(pd.MultiIndex.from_arrays([names, dates], names=table.index.names))


def arrow(values: pd.Series, kind: pa.DataType) -> pd.Series:
    return values.astype(pd.ArrowDtype(kind))


def objects(values: pd.Series, make) -> pd.Series:
    """Return Python objects, with None for what is missing."""
    made = [None if pd.isna(value) else make(value) for value in values]
    return pd.Series(made, index=values.index, dtype=object)


NUMBERS = {
    "pyarrow": lambda a: arrow(a, pa.float32()),
    "pyarrow double": lambda a: arrow(a, pa.float64()),
    "nullable": lambda a: a.astype("Float32"),
    "nullable double": lambda a: a.astype("Float64"),
    "float64": lambda a: a.astype("float64"),
    "objects": lambda a: objects(a, float),
    "decimals": lambda a: objects(a, lambda value: Decimal(float(value))),
    "sparse": lambda a: a.astype("Sparse[float32]"),
}
DATES = {
    "seconds": lambda d: d.dt.as_unit("s"),
    "nanoseconds": lambda d: d.dt.as_unit("ns"),
    "pyarrow": lambda d: arrow(d, pa.timestamp("ns")),
    "pyarrow dates": lambda d: arrow(d, pa.date32()),
    "pyarrow zone": lambda d: arrow(d.dt.tz_localize("UTC"), pa.timestamp("us", "UTC")),
    "zone": lambda d: d.dt.tz_localize("America/New_York"),
    "dates": lambda d: objects(d, lambda day: day.date()),
    "timestamps": lambda d: objects(d, pd.Timestamp),
}
NAMES = {
    "objects": lambda n: n.astype(object),
    "string": lambda n: n.astype("string"),
    "pyarrow": lambda n: arrow(n, pa.string()),
    "category": lambda n: n.astype("category"),
    "pyarrow dictionary": lambda n: arrow(n, pa.dictionary(pa.int32(), pa.string())),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_any_type_are_the_same_features_and_labels(kind):
    table = made_features(features().assign(a=lambda frame: NUMBERS[kind](frame["a"])))
    pd.testing.assert_frame_equal(table, features())
    assert table_digest(table) == table_digest(features())

    plain = labels().assign(label_2d=lambda frame: frame["label_2d"].round())
    label = NUMBERS[kind](plain["label_2d"])
    pd.testing.assert_frame_equal(made_labels(plain.assign(label_2d=label)), plain)


@pytest.mark.parametrize(
    "kind", ["int8", "int64", "UInt16", "Int64", "int32[pyarrow]", "float16", "object"]
)
def test_whole_numbers_are_numbers(kind):
    table = made_features(features().astype({"b": kind}))
    pd.testing.assert_frame_equal(table, features())


@pytest.mark.parametrize("kind", ["bool", "boolean", "bool[pyarrow]", "object"])
def test_truth_values_are_zero_and_one(kind):
    is_high = (features()["b"] > 2).astype(kind)
    expected = features().assign(high=is_high.astype(bool).astype("float32"))
    pd.testing.assert_frame_equal(made_features(features().assign(high=is_high)), expected)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_what_is_missing_throughout_has_the_type_of_its_column(missing):
    expected = features().assign(c=np.float32("nan"))
    for values in (missing, pd.Series([missing] * 22, index=features().index, dtype=object)):
        pd.testing.assert_frame_equal(made_features(features().assign(c=values)), expected)
    nothing = pd.Series([missing] * 24, index=INDEX, dtype=object)
    table = made_labels(labels().assign(label_end_2d=nothing))
    assert table.dtypes.astype(str).tolist() == ["float64", "float64", "datetime64[us]"]


@pytest.mark.parametrize("kind", DATES)
def test_dates_of_any_type_are_the_same_rows_and_label_ends(kind):
    table = made_features(with_levels(features(), datetime=DATES[kind]))
    pd.testing.assert_frame_equal(table, features())
    ends = DATES[kind](labels()["label_end_2d"])
    table = made_labels(with_levels(labels(), datetime=DATES[kind]).assign(label_end_2d=ends.array))
    pd.testing.assert_frame_equal(table, labels())


@pytest.mark.parametrize("kind", NAMES)
def test_instruments_of_any_type_of_text_are_the_same(kind):
    table = made_features(with_levels(features(), instrument=NAMES[kind]))
    pd.testing.assert_frame_equal(table, features())
    assert table.index.get_level_values("instrument").dtype == "str"


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.iloc[::-1],
        lambda table: table.swaplevel(),
        lambda table: table.sample(frac=1, random_state=3).swaplevel(),
        lambda table: table.sort_index(level="instrument"),
        lambda table: table.convert_dtypes(dtype_backend="pyarrow"),
        lambda table: table.convert_dtypes(),
        lambda table: table.rename_axis(columns="measure"),
        lambda table: table.set_axis(pd.CategoricalIndex(table.columns), axis="columns"),
        lambda table: pd.concat([table.iloc[:5], table.iloc[5:]]),
    ],
    ids=lambda change: "",
)
def test_order_levels_and_names_of_columns_do_not_matter(change):
    pd.testing.assert_frame_equal(made_features(change(features())), features())
    pd.testing.assert_frame_equal(made_labels(change(labels())), labels())


def test_what_a_builder_counts_is_kept():
    table = features().iloc[::-1]
    table.attrs = {"counts": {"rows": 22}}
    assert made_features(table).attrs == {"counts": {"rows": 22}}


ORIGIN = f"features.builder: {HERE}:returned"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(a="high"), "column 'a' is str; Features requires float32, convert it"),
        (
            lambda t: t.assign(a=t["a"].astype("category")),
            "column 'a' is category; Features requires float32, convert it",
        ),
        (
            lambda t: t.assign(a=t["a"].astype(object).mask(t["b"] == 1, "n/a")),
            "column 'a' is object; Features requires float32, convert it",
        ),
        (
            lambda t: t.assign(a=t["a"] * 1j),
            "column 'a' is complex64; Features requires float32, convert it",
        ),
        (
            lambda t: t.assign(a=t.index.get_level_values("datetime")),
            "column 'a' is datetime64[us]; Features requires float32, convert it",
        ),
        (
            lambda t: t.assign(a=pd.Timedelta(days=1)),
            "column 'a' is timedelta64[us]; Features requires float32, convert it",
        ),
        (
            lambda t: t.assign(a=[Decimal("sNaN"), *[Decimal(1)] * 21]),
            "column 'a' is object; Features requires float32, convert it",
        ),
        (
            lambda t: t.assign(a=[[1.0]] * 22),
            "column 'a' is object; Features requires float32, convert it",
        ),
        (
            lambda t: t.set_axis(pd.MultiIndex.from_product([["x"], t.columns]), axis="columns"),
            "columns have 2 levels, first ('x', 'a'); Features requires one: drop the others by "
            "columns.droplevel",
        ),
        (
            lambda t: t.set_axis(["a", "a"], axis="columns"),
            "column 'a' appears twice; give each name once",
        ),
        (
            lambda t: t.set_axis(["a", "instrument"], axis="columns"),
            "column 'instrument' appears twice; give each name once",
        ),
        (
            lambda t: t.set_axis([0, 1], axis="columns"),
            "column '0' is not part of Features; drop it, or name it to match "
            "^(?!instrument$|datetime$)[A-Za-z_][A-Za-z0-9_.-]*$",
        ),
        (
            lambda t: pd.concat([t, t.iloc[[3]]]),
            "repeats the key of an earlier row (Features): first at row 4 (instrument=B, "
            "datetime=2024-01-03), 1 rows in all",
        ),
        (
            lambda t: with_levels(t, instrument=lambda n: n.map({"A": 1, "B": 2})),
            "column 'instrument' is int64; Features requires str, convert it",
        ),
        (
            lambda t: with_levels(t, instrument=lambda n: n.where(n == "A", 2)),
            "column 'instrument' is object; Features requires str, convert it",
        ),
        (
            lambda t: with_levels(t, instrument=lambda n: n.where(n == "A")),
            "column 'instrument' is missing (Features): first at row 0 (instrument=nan, "
            "datetime=2024-01-02), 11 rows in all",
        ),
        (
            lambda t: with_levels(t, datetime=lambda d: d.dt.strftime("%Y-%m-%d")),
            "column 'datetime' is str; Features requires datetime64[us], convert it",
        ),
        (
            lambda t: with_levels(t, datetime=lambda d: d.dt.to_period("D")),
            "column 'datetime' is period[D]; Features requires datetime64[us], convert it",
        ),
        (
            lambda t: with_levels(t, datetime=lambda d: d.where(d > DAYS[1])),
            "column 'datetime' is missing (Features): first at row 18 (instrument=A, "
            "datetime=NaT), 2 rows in all",
        ),
        (
            lambda t: with_levels(t, datetime=lambda d: d + pd.Timedelta(hours=16)),
            "column 'datetime' is datetime64[us] with times of day, first 2024-01-02 16:00:00; "
            "Features requires session dates, at midnight",
        ),
        (
            lambda t: with_levels(
                t, datetime=lambda d: d.dt.tz_localize("Asia/Tokyo").dt.tz_convert("UTC")
            ),
            "column 'datetime' is datetime64[us, UTC] with times of day, first 2024-01-01 "
            "15:00:00; Features requires session dates, at midnight",
        ),
        (
            lambda t: with_levels(
                t, datetime=lambda d: objects(d, lambda x: x.tz_localize("UTC" if x.day < 9 else 1))
            ),
            "column 'datetime' is object; Features requires datetime64[us], convert it",
        ),
    ],
)  # fmt: skip
def test_what_has_no_plain_meaning_is_refused_by_column_and_type(change, message):
    with pytest.raises(ContractError) as caught:
        made_features(change(features()))
    assert str(caught.value) == f"{ORIGIN}: {message}"


def test_a_number_beyond_float32_is_not_lost_in_silence():
    table = made_features(features().assign(a=features()["a"].astype("float64") * 1e39))
    assert np.isinf(table["a"]).any()  # which a check refuses by feature and row


@pytest.mark.parametrize(
    ("table", "found"),
    [
        (features().reset_index(), "DataFrame indexed by (None)"),
        (features().droplevel("datetime"), "DataFrame indexed by (instrument)"),
        (features().rename_axis(["ticker", "date"]), "DataFrame indexed by (ticker, date)"),
        (features()["a"], "Series"),
        ([1, 2, 3], "list"),
        (None, "NoneType"),
        (pa.table({"a": [1.0]}), "Table"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_table_of_the_panel_is_refused_by_what_it_is(table, found):
    for made, key in ((made_features, "features"), (made_labels, "labels")):
        with pytest.raises(ConfigError) as caught:
            made(table)
        assert str(caught.value) == (
            f"{key}.builder: {HERE}:returned must return a DataFrame indexed by (instrument, "
            f"datetime), not a {found}"
        )


MAKERS = [(make_labels, LabelsConfig, "labels"), (make_features, FeaturesConfig, "features")]


@pytest.mark.parametrize(("make", "config", "section"), MAKERS)
def test_builder_that_fails_or_is_not_there_is_named(make, config, section):
    with pytest.raises(ConfigError) as caught:
        make(PANEL, config(builder=f"{HERE}:failing"))
    assert str(caught.value) == (
        f"{section}.builder: {HERE}:failing failed: KeyError: 'no_such_column'"
    )
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(ConfigError, match=f"^{section}.builder: module '{HERE}' has no attr"):
        make(PANEL, config(builder=f"{HERE}:absent"))


def overwriting(panel: pd.DataFrame, config: object) -> pd.DataFrame:
    panel["close"] = panel["close"].pct_change()
    del panel["in_universe"]
    return panel.astype("float32")


def test_a_builder_that_writes_into_the_panel_writes_into_its_own():
    before = PANEL.copy()
    made = make_features(PANEL, FeaturesConfig(builder=f"{HERE}:overwriting"))
    assert list(made.columns) == ["close"]
    pd.testing.assert_frame_equal(PANEL, before)


def test_ours_is_used_where_none_is_named():
    bars = synthetic_panel(n_instruments=4, n_dates=30, seed=1).assign(in_universe=True)
    panel = to_canonical(bars.set_index(["instrument", "datetime"]))
    own = LabelsConfig(horizons=(5,), min_names=2)
    pd.testing.assert_frame_equal(make_labels(panel, own), build_labels_from_config(panel, own))
    some = FeaturesConfig(min_history_bars=10)
    pd.testing.assert_frame_equal(
        make_features(panel, some), build_features_from_config(panel, some)
    )


def test_a_day_of_another_type_is_still_that_day():
    made = made_labels(with_levels(labels(), datetime=DATES["dates"]))
    assert made.index[-1] == ("B", pd.Timestamp(datetime.date(2024, 1, 16)))
