# ruff: noqa: PD011 -- an outcome's values are a mapping
"""The final model, which rows are live, and what it says of them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model2_assets.checks.models import expected_live_rows
from model2_assets.config import ChecksConfig
from model2_assets.contracts import load_contract
from model2_assets.errors import LabelError, StoreError, TrainingError
from model2_assets.labels import build_labels_from_config
from model2_assets.panel import panel_index, to_canonical
from model2_assets.storage import Address, Store
from model2_assets.storage.conformity import require_conformity
from model2_assets.storage.data_version import data_versions_of, facts_of, table_digest
from model2_assets.storage.models import Manifest, StoredFoldModels
from model2_assets.training import RidgeTrainer, XGBoostTrainer, load_model
from model2_assets.training.data import hash_row_order
from model2_assets.training.live import (
    assemble_labelled_rows,
    extremes,
    find_live_rows,
    make_live,
)
from model2_assets.training.weights import label_spans
from model2_assets_tests.checks.builders import check_final_complete, check_live
from model2_assets_tests.sample_tables import mark
from model2_assets_tests.training.live_tables import (
    HORIZON,
    LiveTables,
    fit_final,
    live_tables,
    models,
    oracle_rows,
)
from model2_assets_tests.training.stored_tables import task
from model2_assets_tests.training.trainers import record_threads


@pytest.fixture(scope="module")
def tables() -> LiveTables:
    return live_tables()


def ridge_oracle(tables: LiveTables, rows: pd.MultiIndex, weights=None):
    pipeline = make_pipeline(SimpleImputer(), StandardScaler(), Ridge(alpha=50.0))
    X = tables.features.loc[rows].to_numpy(dtype=np.float64)
    y = tables.labels.loc[rows, f"label_{HORIZON}"].to_numpy()
    return pipeline.fit(X, y, **({} if weights is None else {"ridge__sample_weight": weights}))


def predict(model, tables: LiveTables):
    return model.predict(np.ascontiguousarray(tables.features.to_numpy()))


def test_ridge_equals_scikit_learn_on_every_row_with_features_and_a_label(tables):
    rows = oracle_rows(tables)
    assert 0 < len(rows) < len(tables.features), "some rows with features have no label"

    (model,) = fit_final(tables).models

    expected = ridge_oracle(tables, rows).predict(tables.features.to_numpy(dtype=np.float64))
    np.testing.assert_allclose(predict(model.trainer, tables), expected, rtol=1e-9)
    assert (model.split_id, model.n_train, model.n_test) == (0, len(rows), 0)


def test_weights_come_from_the_labelled_rows_alone(tables):
    registry = models(sample_weights="uniqueness")
    weighed = live_tables(registry=registry)
    rows = oracle_rows(weighed)
    spans = label_spans(rows, weighed.labels, horizon=HORIZON, execution_lag_days=1)
    weights = spans.average_uniqueness(np.arange(len(rows)))
    assert weights.std() > 0

    (model,) = fit_final(weighed, registry).models

    oracle = ridge_oracle(weighed, rows, weights / weights.mean())
    expected = oracle.predict(weighed.features.to_numpy(dtype=np.float64))
    np.testing.assert_allclose(predict(model.trainer, weighed), expected, rtol=1e-9)
    plain = predict(fit_final(tables).models[0].trainer, tables)
    assert np.abs(plain - expected).max() > 1e-3


@pytest.mark.parametrize("model", ["ridge", "xgboost"])
def test_n_jobs_is_how_many_threads_it_may_use_and_changes_no_bit(tables, model, monkeypatch):
    tables = live_tables(model=model)
    trainer = {"ridge": RidgeTrainer, "xgboost": XGBoostTrainer}[model]
    allowed = record_threads(monkeypatch, trainer)

    fitted = [fit_final(tables, n_jobs=n_jobs) for n_jobs in (1, 3)]

    assert allowed == [1, 3]
    assert fitted[0].data_version == fitted[1].data_version


@pytest.mark.parametrize("model", ["ridge", "xgboost"])
def test_it_is_stored_under_a_manifest_that_says_what_it_is(tables, model, tmp_path):
    tables = live_tables(model=model)
    fitted = fit_final(tables)
    store, address = Store(tmp_path), Address("us", "final_models", HORIZON, model)

    path = store.write(address, fitted)
    stored = store.open_models(address)

    manifest = stored.manifest
    rows = oracle_rows(tables)
    dates = rows.get_level_values("datetime")
    ends = tables.labels.loc[rows, f"label_end_{HORIZON}"]
    assert manifest.kind == "final_model"
    assert manifest.trained_on.rows == len(rows)
    assert manifest.trained_on.first_date == str(dates.min().date())
    assert manifest.trained_on.last_date == str(dates.max().date())
    assert manifest.trained_on.first_label_end == str(ends.min().date())
    assert manifest.trained_on.last_label_end == str(ends.max().date())
    assert manifest.row_order_hash == hash_row_order(rows)
    assert manifest.data_version == fitted.data_version
    assert manifest.data_versions == data_versions_of(
        features=tables.features, labels=tables.labels, oof_predictions=tables.oof
    )
    (file,) = manifest.folds
    assert file.file.startswith(f"final-{file.sha256[:12]}.")
    assert sorted(p.name for p in path.iterdir()) == sorted([file.file, "manifest.json"])
    restored = predict(load_model(stored, 0), tables)
    assert restored.tolist() == predict(fitted.models[0].trainer, tables).tolist()


def manifest_json(tables, tmp_path):
    address = Address("us", "final_models", HORIZON, "ridge")
    path = Store(tmp_path).write(address, fit_final(tables)) / "manifest.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_final_manifest_without_its_rows_is_refused(tables, tmp_path):
    values = manifest_json(tables, tmp_path)
    del values["trained_on"]
    with pytest.raises(StoreError, match="a final model has one file, and says which rows"):
        Manifest.from_json(json.dumps(values))


def test_a_final_model_does_not_pass_for_a_fold_model(tables, tmp_path):
    values = manifest_json(tables, tmp_path)
    with pytest.raises(StoreError, match="does not carry its split and hash"):
        Manifest.from_json(json.dumps(values | {"kind": "fold_models"}))


def test_a_damaged_file_is_not_loaded(tables, tmp_path):
    store, address = Store(tmp_path), Address("us", "final_models", HORIZON, "ridge")
    path = store.write(address, fit_final(tables))
    (file,) = [p for p in path.iterdir() if p.name.startswith("final-")]
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(StoreError, match=r"final-.* is damaged"):
        load_model(store.open_models(address), 0)


def test_refitting_gives_the_same_data_version(tables):
    assert fit_final(tables).data_version == fit_final(tables).data_version


def test_predictions_of_other_models_or_tables_validate_nothing(tables):
    other_models = live_tables(registry=models(params={"alpha": 51.0}))
    message = "^oof_predictions was made from fitted_models of version .* materialize oof_pre"
    with pytest.raises(StoreError, match=message):
        fit_final(tables.replaced(oof=other_models.oof))
    moved = tables.labels.copy()
    moved.iloc[0, moved.columns.get_loc(f"label_{HORIZON}")] += 1
    moved.attrs = {}
    with pytest.raises(StoreError, match=r"^oof_predictions was made from labels of version"):
        fit_final(tables.replaced(labels=moved))


def test_fold_models_of_other_settings_validate_nothing(tables):
    with pytest.raises(StoreError, match=r"^fitted_models of 21d.ridge .* another alpha, seed"):
        fit_final(tables, models(params={"alpha": 51.0}, seed=8))


def test_too_little_memory_is_named_before_the_fit(tables):
    with pytest.raises(TrainingError, match="max_rss_gb"):
        fit_final(tables, max_rss_gb=1e-9)


def test_a_failing_fit_names_the_final_model_and_its_rows(tables):
    registry = models()
    rows = oracle_rows(tables)

    def broken(self, data, rows):
        raise ZeroDivisionError("nothing to divide by")

    trainer = type(registry.trainer("ridge", HORIZON))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "fit_rows", broken)
        message = rf"^final model \({len(rows)} train rows, .*\): RidgeTrainer failed: nothing"
        with pytest.raises(TrainingError, match=message):
            fit_final(tables, registry)


def test_a_horizon_without_labels_is_named(tables):
    with pytest.raises(TrainingError, match="no column 'label_5d'"):
        assemble_labelled_rows(features=tables.features, labels=tables.labels, horizon="5d")


def test_check_counts_the_rows_once_more(tables):
    fitted = fit_final(tables)
    outcome = check_final_complete(fitted, features=tables.features, labels=tables.labels)
    assert outcome.passed
    assert outcome.values["trained_rows"] == outcome.values["labelled_rows"] == len(
        oracle_rows(tables)
    )  # fmt: skip

    fewer = tables.labels.copy()
    fewer.loc[oracle_rows(tables)[5], f"label_{HORIZON}"] = np.nan
    outcome = check_final_complete(fitted, features=tables.features, labels=fewer)
    assert not outcome.passed
    assert outcome.severity == "error"
    n = len(oracle_rows(tables))
    assert f"trained on {n:,} rows, which are not the {n - 1:,} that" in outcome.description


def test_check_sees_other_rows_of_the_same_number(tables):
    fitted = fit_final(tables)
    swapped = tables.labels.copy()
    column = f"label_{HORIZON}"
    rows = oracle_rows(tables)
    unlabelled = tables.features.index.difference(rows)
    swapped.loc[rows[5], column] = np.nan
    swapped.loc[unlabelled[0], column] = 1.0
    outcome = check_final_complete(fitted, features=tables.features, labels=swapped)
    assert outcome.values["trained_rows"] == outcome.values["labelled_rows"]
    assert not outcome.passed


DATES = pd.bdate_range("2024-01-01", periods=10)
SETTINGS = {"horizons": [2], "execution_lag_days": 1}
BARS = 3
"""Execution lag and horizon together."""

ALL = range(10)
BARS_OF = {
    "FULL": ALL,
    "LATE": (8, 9),  # listed on the last date but one
    "GONE": range(7),  # delisted
    "HALT": range(9),  # no bar on the last date
    "BACK": (0, 1, 2, 3, 4, 5, 9),  # halted, and back on the last date
    "LEFT": ALL,  # leaves the universe before the last two dates
    "REJOINED": ALL,  # leaves it, and is a member again on the last date
    "NEW": ALL,  # has features on the last two dates only
    "BARE": ALL,  # has no features
}
OUTSIDE = {"LEFT": (8, 9), "REJOINED": (6, 7, 8)}
WITHOUT_FEATURES = {"NEW": range(8), "BARE": ALL}


def hand_made() -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = [(name, date) for name, dates in BARS_OF.items() for date in dates]
    index = panel_index([name for name, _ in rows], [DATES[date] for _, date in rows])
    outside = [date in OUTSIDE.get(name, ()) for name, date in rows]
    bare = [date in WITHOUT_FEATURES.get(name, ()) for name, date in rows]
    panel = pd.DataFrame(
        {"close": np.linspace(50, 99, len(rows)), "in_universe": ~np.array(outside)}, index=index
    )
    features = pd.DataFrame({"F": 0.0}, index=index[~(np.array(outside) | np.array(bare))])
    return to_canonical(panel), to_canonical(features)


def readable(rows: pd.MultiIndex) -> list[tuple[str, int]]:
    return [(name, DATES.get_loc(date)) for name, date in rows]


LIVE = [
    *[("BACK", date) for date in (4, 5, 9)],
    *[("FULL", date) for date in (7, 8, 9)],
    *[("LATE", date) for date in (8, 9)],
    *[("NEW", date) for date in (8, 9)],
    ("REJOINED", 9),
]


def test_rows_of_a_hand_made_panel_in_the_order_of_the_table():
    panel, features = hand_made()
    assert readable(find_live_rows(panel, features, bars=BARS)) == LIVE


def test_order_of_the_given_rows_does_not_matter():
    panel, features = (frame.sample(frac=1, random_state=3) for frame in hand_made())
    assert readable(find_live_rows(panel, features, bars=BARS)) == LIVE


def test_the_check_finds_the_same_rows_from_labels_and_exit_dates():
    panel, features = hand_made()
    label = build_labels_from_config(panel, SETTINGS)["label_2d"]
    expected = expected_live_rows(panel, label, features, bars=BARS)
    assert sorted(readable(expected)) == LIVE


def test_a_label_missing_for_a_long_gap_makes_no_live_row():
    tables = hand_made()

    def without(*dates):
        rows = [("FULL", DATES[date]) for date in dates]
        return [table.drop(index=rows) for table in tables]

    # Bars 0, 8 and 9 are left of FULL: bar 0 has two bars behind it, its exit is to come.
    assert ("FULL", 0) in readable(find_live_rows(*without(*range(1, 8)), bars=BARS))
    # With bar 7 its exit is bar 9, nine dates away: it has no label, but its horizon is over.
    panel, features = without(*range(1, 7))
    label = build_labels_from_config(panel, SETTINGS)["label_2d"]
    assert np.isnan(label[("FULL", DATES[0])])
    live = readable(find_live_rows(panel, features, bars=BARS))
    assert live == LIVE
    assert live == sorted(readable(expected_live_rows(panel, label, features, bars=BARS)))


def test_without_a_universe_every_instrument_with_a_last_bar_trades():
    panel, features = hand_made()
    rows = readable(find_live_rows(panel.drop(columns="in_universe"), features, bars=BARS))
    # LEFT has no features on the last two dates, on which it is no member.
    assert rows == sorted([*LIVE, ("LEFT", 7)])


@st.composite
def panels(draw):
    n_dates, names = 12, ["A", "B", "C"]
    cells = st.lists(st.booleans(), min_size=3 * n_dates, max_size=3 * n_dates)
    has_bar, member, has_features = (np.array(draw(cells)) for _ in range(3))
    dates = pd.bdate_range("2024-01-01", periods=n_dates)
    index = panel_index(names * n_dates, dates.repeat(3))
    panel = pd.DataFrame({"close": 10.0, "in_universe": member}, index=index)
    ended = has_bar & ~has_features & draw(st.booleans())
    panel["delisting_return"] = np.where(ended, 0.0, np.nan)
    panel = panel[has_bar]
    features = pd.DataFrame({"F": 0.0}, index=index[has_bar & member & has_features])
    return panel, features


@settings(max_examples=40, deadline=None)
@given(tables=panels(), lag=st.integers(0, 2), horizon=st.integers(1, 3))
def test_row_by_row_definition_on_random_panels(tables, lag, horizon):
    panel, features = tables
    if panel.empty:
        return
    bars = lag + horizon
    rows, last = list(panel.index), panel.index.get_level_values("datetime").max()
    ended = set(panel.index[panel["delisting_return"].notna()])
    members = {
        name for (name, date), member in panel["in_universe"].items() if member and date == last
    }
    expected = [
        (name, date)
        for name, date in features.index
        if name in members
        and sum(n == name and day > date for n, day in rows) < bars
        and not any(n == name and day >= date for n, day in ended)
    ]

    assert list(find_live_rows(panel, features, bars=bars)) == sorted(expected)

    try:
        labels = build_labels_from_config(panel, {"horizons": [horizon], "execution_lag_days": lag})
    except LabelError:
        return
    label = labels[f"label_{horizon}d"]
    assert sorted(expected_live_rows(panel, label, features, bars=bars)) == sorted(expected)


@pytest.fixture(scope="module")
def stored(tables, tmp_path_factory) -> StoredFoldModels:
    store = Store(tmp_path_factory.mktemp("live"))
    address = Address("us", "final_models", HORIZON, "ridge")
    store.write(address, fit_final(tables))
    return store.open_models(address)


def make(stored: StoredFoldModels, tables: LiveTables, registry=None) -> pd.DataFrame:
    return make_live(
        task("ridge", HORIZON, models=registry or models()),
        stored,
        market_data=tables.market_data,
        features=tables.features,
        labels=tables.labels,
        oof_predictions=tables.oof,
        oof_paths=tables.paths,
    )


def check(live: pd.DataFrame, tables: LiveTables, **limits):
    outcomes = check_live(
        live,
        market_data=tables.market_data,
        labels=tables.labels,
        features=tables.features,
        oof_paths=tables.paths,
        horizon=HORIZON,
        limits=ChecksConfig(**limits),
    )
    return {outcome.name: outcome for outcome in outcomes}


def test_predictions_are_those_of_scikit_learn_fitted_on_every_labelled_row(stored, tables):
    rows = oracle_rows(tables)
    oracle = make_pipeline(SimpleImputer(), StandardScaler(), Ridge(alpha=50.0))
    oracle.fit(
        tables.features.loc[rows].to_numpy(dtype=np.float64),
        tables.labels.loc[rows, f"label_{HORIZON}"],
    )

    live = make(stored, tables)

    require_conformity(live, load_contract("LivePredictions"), origin="live")
    dates = np.sort(tables.market_data.index.get_level_values("datetime").unique())
    # Every instrument has a bar on every date: the last 22 of them are live.
    assert set(live.index.get_level_values("datetime")) == set(pd.DatetimeIndex(dates[-22:]))
    assert len(live) == 22 * 8
    assert live.index.is_monotonic_increasing
    expected = oracle.predict(tables.features.loc[live.index].to_numpy(dtype=np.float64))
    np.testing.assert_allclose(live["prediction"], expected, rtol=1e-9)


def test_live_and_out_of_fold_rows_share_none_and_together_are_all_rows_with_features(
    stored, tables
):
    live = make(stored, tables).index
    assert not live.intersection(tables.oof.index).size
    assert live.union(tables.oof.index).equals(tables.features.index.sort_values())


def test_they_state_what_they_were_made_from(stored, tables):
    made = make(stored, tables)
    assert facts_of(made) == {
        "data_version": table_digest(made),
        "inputs": {
            **data_versions_of(
                market_data=tables.market_data,
                features=tables.features,
                labels=tables.labels,
                oof_predictions=tables.oof,
            ),
            "final_models": stored.manifest.data_version,
        },
        "region": "us",
        "horizon": "21d",
        "model": "ridge",
        "calibrations": stored.manifest.calibrations,
        "oldest_date": "2010-09-09",
        "newest_date": "2010-10-08",
    }
    assert make(stored, tables).equals(made)


def test_every_check_passes(stored, tables):
    # Eight names on a hundred dates resemble nothing: the limit is for another test.
    outcomes = check(make(stored, tables), tables, psi_warn=10)
    names = ["contract", "coverage", "newest_date", "finite", "range", "resembles_oof"]
    assert list(outcomes) == names
    assert {name for name, outcome in outcomes.items() if not outcome.passed} == set()
    assert outcomes["newest_date"].values["instruments"] == 8


def test_a_row_whose_position_ended_at_a_barrier_is_not_live(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "docs"))
    tables = live_tables(builder="triple_barrier:build_labels", params={"barrier": 0.05})
    store, address = Store(tmp_path), Address("us", "final_models", HORIZON, "ridge")
    store.write(address, fit_final(tables))

    live = make(store.open_models(address), tables)

    dates = tables.features.index.get_level_values("datetime")
    newest = tables.features.index[dates.isin(dates.unique().sort_values()[-22:])]
    has_ended = tables.labels.loc[newest, f"label_{HORIZON}"].notna()
    assert 0 < has_ended.sum() < len(newest)
    assert set(live.index) == set(newest[~has_ended])
    assert check(live, tables)["coverage"].passed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"momentum": "carry"}, "features has 'carry', which final_models was not trained on"),
        ({}, "features has 'reversal' in another place than final_models was trained with"),
    ],
)
def test_other_features_are_refused_by_name(stored, tables, change, message):
    features = tables.features.rename(columns=change)
    features = features if change else features[["reversal", "momentum"]]
    with pytest.raises(StoreError, match=f"^{message}; materialize final_models again$"):
        make(stored, tables.replaced(features=mark(features)))


def test_an_absent_feature_is_named(stored, tables):
    features = mark(tables.features[["momentum"]])
    with pytest.raises(StoreError, match=r"^features lacks 'reversal', which final_models was"):
        make(stored, tables.replaced(features=features))


@pytest.mark.parametrize("table", ["features", "labels", "oof"])
def test_a_model_of_other_tables_is_stale_and_refused(stored, tables, table):
    changed = getattr(tables, table).copy()
    changed.iloc[3, 0] += 1
    name = {"oof": "oof_predictions"}.get(table, table)
    message = f"^final_models was made from {name} of version .*; materialize final_models again$"
    with pytest.raises(StoreError, match=message):
        make(stored, tables.replaced(**{table: mark(changed)}))


def test_live_predictions_are_compared_with_those_of_single_models(stored, tables):
    # Four models a row: their mean spreads half as much as each of them.
    rng = np.random.default_rng(0)
    live = make(stored, tables)
    index = tables.oof.index.repeat(4)
    singles = pd.DataFrame({"prediction": rng.normal(0, 50, len(index))}, index=index)
    means = singles.groupby(level=["instrument", "datetime"]).mean()
    drawn = live.assign(prediction=rng.normal(0, 50, len(live)))

    def psi(paths):
        outcomes = check_live(
            drawn,
            market_data=tables.market_data,
            labels=tables.labels,
            features=tables.features,
            oof_paths=paths.reset_index(),
            horizon=HORIZON,
            limits=ChecksConfig(),
        )
        return {o.name: o for o in outcomes}["resembles_oof"].values["psi"]

    assert psi(singles) < 0.25 < psi(means)


def test_features_of_other_market_data_are_refused(stored, tables):
    newer = tables.market_data.copy()
    newer.iloc[-1, newer.columns.get_loc("close")] *= 1.01
    with pytest.raises(StoreError, match=r"^features was made from market_data of version"):
        make(stored, tables.replaced(market_data=mark(newer)))


def test_a_model_of_other_settings_is_refused(stored, tables):
    with pytest.raises(
        StoreError, match=r"^final_models of 21d.ridge was trained with another alp"
    ):
        make(stored, tables, models(params={"alpha": 51.0}))


def test_an_infinite_feature_is_named(stored, tables):
    features = tables.features.copy()
    last = features.index[-1]
    features.loc[last, "reversal"] = np.inf
    features.attrs = tables.features.attrs  # as if it had been stored so
    message = f"'reversal' is infinite at instrument {last[0]} on {last[1]:%Y-%m-%d}"
    with pytest.raises(TrainingError, match=message):
        make(stored, tables.replaced(features=features))


def test_newest_extremes_are_ranked_from_the_highest_down(stored, tables):
    made = make(stored, tables)
    newest = made.xs(pd.Timestamp("2010-10-08"), level="datetime")["prediction"]
    ordered = newest.sort_values(ascending=False)
    table = extremes(made, n_names=3)
    assert table["rank"].tolist() == [1, 2, 3, 6, 7, 8]
    assert table["instrument"].tolist() == [*ordered.index[:3], *ordered.index[-3:]]
    assert table["prediction"].tolist() == [*ordered[:3], *ordered[-3:]]
    for n_names in (4, 5, 20):
        assert extremes(made, n_names=n_names)["rank"].tolist() == list(range(1, 9))
