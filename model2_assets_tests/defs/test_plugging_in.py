"""A team's own labels, features, splitter and trainers, by the configuration alone."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from model2_assets.market_data import synthetic_panel
from model2_assets_tests.defs.small_region import (
    SMALL_REGION,
    Workbench,
    small_config,
    small_region,
)

pytestmark = pytest.mark.end_to_end

HERE = "model2_assets_tests.defs.plugged_in"
RIDGE_ONLY = {"xgboost": None}


def retrain(bench: Workbench, models: Any = RIDGE_ONLY, **sections: Any) -> Any:
    config = small_config(regions=small_region(**sections), models=models)
    return bench.with_config(config).retrain(horizons=("21d",))


def test_elastic_net_joins_the_registry(bench: Workbench) -> None:
    models = {
        "ridge": None,
        "xgboost": None,
        "elastic_net": {"trainer": f"{HERE}:ElasticNetTrainer", "params": {"alpha": 5.0}},
    }

    runs = retrain(bench, models)

    assert all(run.success for run in runs)
    importance = bench.read("feature_importance", "21d", "elastic_net")
    assert importance["importance_coefficient"].notna().all()
    assert bench.read("fitted_models", "21d", "elastic_net").manifest.params["alpha"] == 5.0


def test_own_features_and_labels_replace_ours(bench: Workbench) -> None:
    runs = retrain(
        bench,
        features={"builder": f"{HERE}:momentum_features", "params": {"window": 10}},
        labels={"builder": f"{HERE}:raw_labels"},
    )

    assert all(run.success for run in runs)
    assert list(bench.read("features").columns) == ["momentum", "reversal"]
    labels = bench.read("labels")
    assert labels["label_21d"].equals(labels["forward_return_21d"].rename("label_21d"))


def test_own_splitter_serves_under_the_same_proof(bench: Workbench) -> None:
    runs = retrain(
        bench,
        cross_validation={"splitter": f"{HERE}:DateFolds", "params": {"gap": 69}},
    )

    assert [run.failures for run in runs] == [()] * len(runs)
    splits = bench.read("cv_splits")
    assert sorted(splits["group_id"].unique()) == [0, 1, 2]
    event = bench.instance.get_latest_materialization_event(dg.AssetKey(["us", "cv_splits"]))
    told = event.asset_materialization.metadata["purge_of_long_windows"].value
    assert told.startswith("not known of a splitter of your own")
    assert len(bench.read("leaderboard")) == 1


def test_leaking_splitter_is_refused_by_the_proof(bench: Workbench) -> None:
    runs = retrain(
        bench,
        cross_validation={"splitter": f"{HERE}:DateFolds", "params": {"gap": 20}},
    )

    assert [run.name for run in runs] == ["us preparation"]
    assert any("check no_label_overlap" in failure for failure in runs[0].failures)
    assert not (bench.store.base / "us" / "cv_splits.parquet").exists()


def test_splitter_that_ignores_the_embargo_is_refused_by_the_proof(bench: Workbench) -> None:
    # Labels of 63 bars and a lag of one end 64 dates on: the first row trains the date after.
    splitter = {"splitter": f"{HERE}:DateFolds", "params": {"gap": 64}}
    runs = retrain(bench, cross_validation={**splitter, "embargo_days": 50})

    assert [run.name for run in runs] == ["us preparation"]
    failure = runs[0].failures[0]
    assert "check embargo_kept: split 0: 600 train rows, first S000 2010-12-20" in failure
    assert "on date 1 after a test block's latest label end, where the embargo is 50" in failure
    assert "no_label_overlap" not in failure
    assert not (bench.store.base / "us" / "cv_splits.parquet").exists()


def test_feature_that_knows_the_future_raises_the_alarm(bench: Workbench, tmp_path: Path) -> None:
    # The future is in the market data themselves, where no look-ahead of a builder can be seen.
    bars = synthetic_panel(**SMALL_REGION["market_data"]["params"])
    bars["vwap"] = bars.groupby("instrument")["close"].shift(-22)
    bars.to_parquet(tmp_path / "bars.parquet")

    runs = retrain(
        bench,
        market_data={"source": "parquet", "path": str(tmp_path / "bars.parquet")},
        features={"builder": f"{HERE}:stamped_too_early"},
    )

    assert all(run.success for run in runs)
    by_name, implausible, unlike_history = sorted(runs[1].warnings)
    assert "feature_ic of us/feature_importance 21d|ridge: leak alone has a rank IC" in by_name
    assert "rank_ic_plausible" in implausible
    assert "look for a feature that knows the future" in implausible
    # The newest rows do not know theirs, so live predictions spread less.
    assert "resembles_oof of us/live_predictions 21d|ridge" in unlike_history
    (record,) = bench.check_records("oof_predictions", "rank_ic_plausible")
    assert record.evaluation.severity.value == "WARN"
    assert record.evaluation.metadata["rank_ic"].value > 0.5


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"features": {"builder": f"{HERE}:strangers"}}, "not a row of the universe"),
        ({"labels": {"builder": f"{HERE}:labels_without_end"}}, "are not missing together"),
        (
            {"labels": {"builder": f"{HERE}:shortsighted_labels"}},
            "label_end_21d is before the own bar of its entry",
        ),
        (
            {"features": {"builder": "math:sqrt"}},
            "features.builder: math:sqrt failed: TypeError",
        ),
    ],
)
def test_own_tables_are_held_to_the_same_contracts(
    bench: Workbench, sections: Any, message: str
) -> None:
    runs = retrain(bench, **sections)

    assert any(message in failure for failure in runs[0].failures)
    assert len(runs) == 1
