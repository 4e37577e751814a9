import math
from contextlib import nullcontext
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from model2_assets.storage import Store
from model2_assets_tests.defs.conftest import Trained
from model2_assets_tests.defs.small_region import Workbench, small_config

pytestmark = pytest.mark.end_to_end

PARTITIONS = [(h, m) for h in ("21d", "63d") for m in ("ridge", "xgboost")]
KEYS = {f"{horizon}|{model}" for horizon, model in PARTITIONS}


def test_every_run_succeeds(trained: Trained) -> None:
    assert [run.name for run in trained.runs] == [
        "us preparation",
        "us 21d|ridge",
        "us 21d|xgboost",
        "us 63d|ridge",
        "us 63d|xgboost",
        "us summary",
    ]
    assert [run.failures for run in trained.runs] == [()] * 6
    assert all(run.success for run in trained.runs)


def test_every_check_of_every_partition_passed(trained: Trained) -> None:
    graph = trained.bench.definitions.resolve_asset_graph()
    assert len(graph.asset_check_keys) == 72

    for key in graph.asset_check_keys:
        records = trained.bench.check_records(key.asset_key.path[-1], key.name)
        partitions = {record.partition for record in records}
        partitioned = graph.get(key.asset_key).partitions_def is not None
        assert partitions == (KEYS if partitioned else {None}), key
        assert {record.status.value for record in records} == {"SUCCEEDED"}, key


@pytest.mark.parametrize(("horizon", "model"), PARTITIONS)
def test_out_of_fold_predictions_cover_every_row_with_features_and_a_label(
    trained: Trained, horizon: str, model: str
) -> None:
    oof = trained.bench.read("oof_predictions", horizon, model)
    labels = trained.bench.read("labels")[f"label_{horizon}"].dropna()
    features = trained.bench.read("features")

    expected = labels.index.intersection(features.index)

    assert set(oof.index) == set(expected)
    assert oof.index.is_unique
    assert np.isfinite(oof["prediction"]).all()
    assert oof["prediction"].abs().max() < 1000
    assert set(oof["fold_id"]) == {0, 1, 2, 3, 4}


def test_no_train_row_of_any_split_overlaps_a_test_row(trained: Trained) -> None:
    splits = trained.bench.read("cv_splits")
    labels = trained.bench.read("labels").loc[splits.index]
    start = splits.index.get_level_values("datetime").to_numpy()
    end = labels[["label_end_21d", "label_end_63d"]].max(axis=1).to_numpy()

    for name in [column for column in splits if column.startswith("split_")]:
        train, test = (splits[name] == 0).to_numpy(), (splits[name] == 1).to_numpy()
        for first, last in {(s, e) for s, e in zip(start[test], end[test], strict=True)}:
            assert not ((start[train] <= last) & (end[train] >= first)).any()


def test_files_lie_where_the_layout_says(trained: Trained) -> None:
    base = trained.bench.store.base
    unpartitioned = {"market_data", "labels", "features", "cv_splits", "leaderboard"}
    unpartitioned |= {"stacking_frame"}

    assert {path.name for path in (base / "us").iterdir() if path.is_file()} == {
        f"{asset}.parquet" for asset in unpartitioned
    }
    for horizon, model in PARTITIONS:
        assert (base / "us" / "oof_predictions" / horizon / f"{model}.parquet").exists()
        assert (base / "us" / "oof_paths" / horizon / f"{model}.parquet").exists()
        assert (base / "us" / "feature_importance" / horizon / f"{model}.parquet").exists()
        assert (base / "us" / "cv_scores" / horizon / f"{model}.jsonl").exists()
        assert (base / "us" / "fitted_models" / horizon / model / "manifest.json").exists()
        assert (base / "us" / "final_models" / horizon / model / "manifest.json").exists()
        assert (base / "us" / "live_predictions" / horizon / f"{model}.parquet").exists()
        assert (base / "us" / "tear_sheet" / horizon / model / "report.html").exists()
    assert (base / "us" / "region_report" / "report.html").exists()
    assert not (base / ".rejected").exists()


def test_plain_pandas_reads_the_out_of_fold_file(trained: Trained) -> None:
    path = trained.bench.store.base / "us" / "oof_predictions" / "21d" / "ridge.parquet"

    frame = pd.read_parquet(path)

    assert list(frame.index.names) == ["instrument", "datetime"]
    assert frame.dtypes.astype(str).to_dict() == {"prediction": "float64", "fold_id": "int16"}


@pytest.mark.parametrize(("horizon", "model"), PARTITIONS)
def test_with_one_test_group_the_only_path_is_the_out_of_fold_predictions(
    trained: Trained, horizon: str, model: str
) -> None:
    paths = trained.bench.read("oof_paths", horizon, model)
    oof = trained.bench.read("oof_predictions", horizon, model)

    assert set(paths["path_id"]) == {0}
    assert paths["prediction_std"].isna().all()
    indexed = paths.set_index(["instrument", "datetime"])
    assert (indexed["split_id"] == indexed["group_id"]).all()
    pd.testing.assert_frame_equal(
        indexed[["prediction", "group_id"]].rename(columns={"group_id": "fold_id"}),
        oof,
        check_exact=True,
    )


def test_scores_have_every_fold_of_every_partition(trained: Trained) -> None:
    metrics = {"rank_ic", "ic", "icir", "r2", "rmse", "mae", "hit_rate", "samples"}
    combinations = set()

    for horizon, model in PARTITIONS:
        scores = trained.bench.read("cv_scores", horizon, model)
        for fold, rows in scores[scores["scope"] == "fold"].groupby("fold_id"):
            assert metrics <= set(rows["metric"])
            combinations.add((horizon, model, fold))

    assert len(combinations) == 20


def test_noise_gives_rank_ic_within_three_standard_errors_of_zero(trained: Trained) -> None:
    for horizon, model in PARTITIONS:
        scores = trained.bench.read("cv_scores", horizon, model)
        overall = scores[scores["scope"] == "all"].set_index("metric")["value"]
        assert abs(overall["rank_ic"]) < 3 * overall["rank_ic_se"], (horizon, model)


def test_importances_have_every_feature_and_the_kinds_of_the_model(trained: Trained) -> None:
    features = set(trained.bench.read("features").columns)

    ridge = trained.bench.read("feature_importance", "21d", "ridge")
    xgboost = trained.bench.read("feature_importance", "21d", "xgboost")

    assert set(ridge["feature"]) == set(xgboost["feature"]) == features
    assert ridge["importance_coefficient"].notna().all()
    assert ridge[["importance_gain", "importance_weight"]].isna().all(axis=None)
    assert xgboost[["importance_gain", "importance_weight"]].notna().all(axis=None)
    assert xgboost["importance_coefficient"].isna().all()
    assert (xgboost["importance_gain"] == 0).any()


def test_leaderboard_compares_all_partitions(trained: Trained) -> None:
    board = trained.bench.read("leaderboard")

    assert set(zip(board["horizon"], board["model"], strict=True)) == set(PARTITIONS)
    assert (board["coverage"] == 1).all()
    assert (board["determinism_difference"] == 0).all()
    assert (board["models_bytes"] > 0).all()
    assert not board["rank_ic"].map(math.isnan).any()


def test_metadata_and_data_version_are_recorded(trained: Trained) -> None:
    instance = trained.bench.instance
    event = instance.get_latest_materialization_event(dg.AssetKey(["us", "cv_splits"]))

    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert metadata["label_overlaps"].value == 0
    assert "![](data:image/png;base64," in metadata["pictures"].value
    assert event.asset_materialization.tags is not None
    assert event.asset_materialization.tags["dagster/data_version"]


def test_second_retrain_gives_the_same_bits_and_data_versions(bench: Workbench) -> None:
    bench.retrain(horizons=("21d",))
    first = {model: bench.read("oof_predictions", "21d", model) for model in ("ridge", "xgboost")}

    runs = bench.retrain(horizons=("21d",))

    assert all(run.success for run in runs)
    for model, before in first.items():
        after = bench.read("oof_predictions", "21d", model)
        pd.testing.assert_frame_equal(before, after, check_exact=True)
        assert before.attrs["provenance"] == after.attrs["provenance"]


def test_one_partition_alone_leaves_a_warning_for_those_that_are_missing(bench: Workbench) -> None:
    runs = bench.retrain(horizons=("21d",), models=("ridge",))

    assert all(run.success for run in runs)
    assert len(bench.read("leaderboard")) == 1
    columns, partitions = sorted(runs[-1].warnings)
    assert "check partitions_current of us/leaderboard" in partitions
    assert "21d|xgboost, 63d|ridge, 63d|xgboost: fitted_models is missing" in partitions
    assert "check columns of us/stacking_frame: 3 of 4 columns are missing" in columns
    frame = bench.read("stacking_frame")
    assert [name for name in frame if name.startswith("oof_")] == ["oof_21d_ridge"]


def test_all_assets_can_be_made_with_one_partition_at_a_time(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``dagster asset materialize --select '*' --partition ...`` does."""
    held: list[tuple[str, str | None]] = []

    def hold(self: Store, region: str, *, partition: str | None = None) -> Any:
        held.append((region, partition))
        return nullcontext()

    monkeypatch.setattr(Store, "hold", hold)
    definitions = bench.with_config(small_config(models={"xgboost": None})).definitions
    job = definitions.resolve_implicit_global_asset_job_def()
    keys = list(definitions.resolve_asset_graph().materializable_asset_keys)
    for partition in ("21d|ridge", "63d|ridge"):
        done = job.execute_in_process(
            instance=bench.instance, partition_key=partition, asset_selection=keys
        )
        assert done.success

    assert held == [("us", None)] * 2
    assert bench.read("leaderboard")["horizon"].tolist() == ["21d", "63d"]
