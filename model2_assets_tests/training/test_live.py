# ruff: noqa: PD011 -- an outcome's values are a mapping
"""Live predictions: those of the final model for the live rows, and of no stale one."""

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model2_assets.checks import check_live
from model2_assets.config import ChecksConfig
from model2_assets.contracts import load_contract
from model2_assets.errors import StoreError, TrainingError
from model2_assets.storage import Address, Store
from model2_assets.storage.conformity import require_conformity
from model2_assets.storage.data_version import table_digest
from model2_assets.storage.models import StoredFoldModels
from model2_assets.storage.provenance import data_versions_of, facts_of
from model2_assets.training import LivePredictions, make_live
from model2_assets_tests.training.live_tables import (
    HORIZON,
    LiveTables,
    fit_final,
    live_tables,
    models,
    oracle_rows,
)
from model2_assets_tests.training.stored_tables import mark, task


@pytest.fixture(scope="module")
def tables() -> LiveTables:
    return live_tables()


@pytest.fixture(scope="module")
def stored(tables, tmp_path_factory) -> StoredFoldModels:
    store = Store(tmp_path_factory.mktemp("live"))
    address = Address("us", "final_models", HORIZON, "ridge")
    store.write(address, fit_final(tables))
    return store.open_models(address)


def make(stored: StoredFoldModels, tables: LiveTables, registry=None) -> LivePredictions:
    return make_live(
        task("ridge", HORIZON, models=registry or models()),
        stored,
        market_data=tables.market_data,
        features=tables.features,
        labels=tables.labels,
        oof_predictions=tables.oof,
        oof_paths=tables.paths,
    )


def check(made: LivePredictions, tables: LiveTables, **limits):
    outcomes = check_live(
        made,
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

    live = make(stored, tables).live

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
    live = make(stored, tables).live.index
    assert not live.intersection(tables.oof.index).size
    assert live.union(tables.oof.index).equals(tables.features.index.sort_values())


def test_they_state_what_they_were_made_from(stored, tables):
    made = make(stored, tables)
    assert facts_of(made.live) == {
        "data_version": table_digest(made.live),
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
        "oldest_date": "2010-09-09",
        "newest_date": "2010-10-08",
    }
    assert made.data_version == table_digest(made.live) == make(stored, tables).data_version


def test_every_check_passes(stored, tables):
    # Eight names on a hundred dates resemble nothing: the limit is for another test.
    outcomes = check(make(stored, tables), tables, psi_warn=10)
    names = ["contract", "coverage", "newest_date", "finite", "range", "resembles_oof"]
    assert list(outcomes) == names
    assert {name for name, outcome in outcomes.items() if not outcome.passed} == set()
    assert outcomes["newest_date"].values["instruments"] == 8


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
    drawn = live.live.assign(prediction=rng.normal(0, 50, len(live.live)))

    def psi(paths):
        outcomes = check_live(
            LivePredictions(drawn, live.bars),
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
    message = f"'reversal' is infinite at {last[0]} {last[1]:%Y-%m-%d}"
    with pytest.raises(TrainingError, match=message):
        make(stored, tables.replaced(features=features))


def test_newest_extremes_are_ranked_from_the_highest_down(stored, tables):
    made = make(stored, tables)
    newest = made.live.xs(pd.Timestamp("2010-10-08"), level="datetime")["prediction"]
    ordered = newest.sort_values(ascending=False)
    table = made.extremes(n_names=3)
    assert table["rank"].tolist() == [1, 2, 3, 6, 7, 8]
    assert table["instrument"].tolist() == [*ordered.index[:3], *ordered.index[-3:]]
    assert table["prediction"].tolist() == [*ordered[:3], *ordered[-3:]]
    for n_names in (4, 5, 20):
        assert made.extremes(n_names=n_names)["rank"].tolist() == list(range(1, 9))
