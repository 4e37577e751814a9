"""Combinatorial splits, their paths and nested predictions, by the configuration alone."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from model2_assets.config import Model2Config
from model2_assets.cross_validation import PurgedEmbargoedTimeSeriesSplit
from model2_assets.evaluation import top_quantile_turnover
from model2_assets.storage.data_version import facts_of
from model2_assets.training.models import load_model
from model2_assets_tests.defs.conftest import Trained
from model2_assets_tests.defs.small_region import Workbench, small_config, small_region, workbench

pytestmark = pytest.mark.end_to_end

HERE = "model2_assets_tests.defs.plugged_in"
LABELS = {"horizons": [5, 21]}
CPCV = {"n_groups": 6, "n_test_groups": 2}
PARTITIONS = [(h, m) for h in ("5d", "21d") for m in ("ridge", "xgboost")]
ROW = ["instrument", "datetime"]


def cpcv_config() -> Model2Config:
    return small_config(regions=small_region(labels=LABELS, cross_validation=CPCV))


def nested_config(**changes: Any) -> Model2Config:
    region = small_region(labels={"horizons": [21]}, cross_validation={"nested": True})
    return small_config(regions=region, models={"xgboost": None, **changes})


@pytest.fixture(scope="module")
def cpcv(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    bench = workbench(tmp_path_factory.mktemp("cpcv"), cpcv_config())
    with bench.instance:
        yield Trained(bench, bench.retrain())


@pytest.fixture(scope="module")
def nested(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    bench = workbench(tmp_path_factory.mktemp("nested"), nested_config())
    with bench.instance:
        yield Trained(bench, bench.retrain())


def test_every_run_and_every_check_passes(cpcv: Trained) -> None:
    assert [run.failures for run in cpcv.runs] == [()] * 6
    assert all(run.success for run in cpcv.runs)
    graph = cpcv.bench.definitions.resolve_asset_graph()
    # Trees on noise spread by how few rows they see, so those of all rows need not resemble.
    for key in (k for k in graph.asset_check_keys if k.name != "resembles_oof"):
        records = cpcv.bench.check_records(key.asset_key.path[-1], key.name)
        assert records, key
        assert {record.status.value for record in records} == {"SUCCEEDED"}, key


def test_six_groups_two_at_a_time_are_fifteen_splits_with_a_model_each(cpcv: Trained) -> None:
    splits = cpcv.bench.read("cv_splits")
    assert sum(name.startswith("split_") for name in splits) == 15
    for horizon, model in PARTITIONS:
        stored = cpcv.bench.read("fitted_models", horizon, model)
        assert [fold.split_id for fold in stored.manifest.folds] == list(range(15))


@pytest.mark.parametrize(("horizon", "model"), PARTITIONS)
def test_five_complete_paths_whose_mean_is_the_out_of_fold_file(
    cpcv: Trained, horizon: str, model: str
) -> None:
    paths = cpcv.bench.read("oof_paths", horizon, model)
    oof = cpcv.bench.read("oof_predictions", horizon, model)
    labels = cpcv.bench.read("labels")[f"label_{horizon}"].dropna()
    features = cpcv.bench.read("features")

    assert list(oof.columns) == ["prediction", "fold_id"]
    assert set(oof.index) == set(labels.index.intersection(features.index))
    assert (paths.groupby(ROW).size() == 5).all()
    for _, path in paths.groupby("path_id"):
        assert set(path.set_index(ROW).index) == set(oof.index)
        assert len(path) == len(oof)
    wide = paths.pivot_table(index=ROW, columns="path_id", values="prediction", sort=True)
    assert wide.shape[1] == 5
    total = sum((wide[path_id].to_numpy() for path_id in range(5)), np.zeros(len(wide)))
    np.testing.assert_array_equal(total / 5, oof["prediction"])
    spread = paths.drop_duplicates(ROW).set_index(ROW)["prediction_std"]
    np.testing.assert_allclose(spread, wide.std(axis=1), rtol=1e-9)
    assert (spread > 0).any()
    by_row = paths.set_index(ROW)["group_id"]
    assert (by_row == oof["fold_id"].reindex(by_row.index)).all()


def test_paths_are_those_of_the_splitter_and_predictions_those_of_the_stored_models(
    cpcv: Trained,
) -> None:
    splitter = PurgedEmbargoedTimeSeriesSplit(6, n_test_groups=2)
    paths = cpcv.bench.read("oof_paths", "21d", "ridge")
    stored = cpcv.bench.read("fitted_models", "21d", "ridge")
    features = cpcv.bench.read("features")

    for split_id, lines in paths.groupby("split_id"):
        groups, numbers = splitter.test_groups[split_id], splitter.path_ids()[split_id]
        assert set(zip(lines["group_id"], lines["path_id"], strict=True)) == set(
            zip(groups.tolist(), numbers.tolist(), strict=True)
        )
        sample = lines.iloc[::97]
        X = features.reindex(pd.MultiIndex.from_frame(sample[ROW])).to_numpy(dtype=np.float32)
        np.testing.assert_allclose(
            load_model(stored, int(split_id)).predict(X), sample["prediction"], rtol=1e-9
        )


def test_importances_are_over_all_splits(cpcv: Trained) -> None:
    importance = cpcv.bench.read("feature_importance", "21d", "ridge")
    folds = importance[[f"importance_coefficient_fold_{s}" for s in range(15)]]

    assert "importance_coefficient_fold_15" not in importance
    np.testing.assert_allclose(importance["importance_coefficient"], folds.mean(axis=1))
    np.testing.assert_allclose(importance["importance_coefficient_std"], folds.std(axis=1))


def test_scores_have_a_fold_for_every_group(cpcv: Trained) -> None:
    scores = cpcv.bench.read("cv_scores", "21d", "ridge")
    board = cpcv.bench.read("leaderboard")

    assert set(scores.loc[scores["scope"] == "fold", "fold_id"]) == set(range(6))
    assert len(board) == 4
    assert (board["coverage"] == 1).all()


def test_leaderboard_shows_the_range_over_paths(cpcv: Trained) -> None:
    (latest,) = cpcv.bench.instance.fetch_materializations(
        cpcv.bench.key("leaderboard"), limit=1
    ).records
    assert latest.asset_materialization is not None
    board = cpcv.bench.read("leaderboard")

    details = latest.asset_materialization.metadata["leaderboard_details"]
    shown = [record.data for record in details.value.records]

    for row, line in zip(board.to_dict("records"), shown, strict=True):
        paths = cpcv.bench.read("cv_scores", row["horizon"], row["model"])
        of_paths = paths.loc[(paths["scope"] == "path") & (paths["metric"] == "rank_ic"), "value"]
        assert len(of_paths) == 5
        assert line["worst path"] == round(of_paths.min(), 4)
        assert line["median path"] == round(of_paths.median(), 4)
        assert line["best path"] == round(of_paths.max(), 4)
        oof = cpcv.bench.read("oof_predictions", row["horizon"], row["model"])
        turnover = top_quantile_turnover(oof["prediction"], oof.index)
        assert row["top_quantile_turnover"] == turnover.mean()
        assert turnover.iloc[1:].notna().all()


def test_grid_of_one_partition_has_a_leaderboard_too(nested: Trained) -> None:
    board = nested.bench.read("leaderboard")

    assert board[["horizon", "model"]].to_numpy().tolist() == [["21d", "ridge"]]
    event = nested.bench.instance.get_latest_materialization_event(nested.bench.key("leaderboard"))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert metadata["rank_ic_21d_ridge"].value == metadata["best_rank_ic_21d"].value
    assert "oof_rank_correlation" not in metadata
    for check in ("partitions_current", "rank_ic_held", "scores_complete"):
        assert nested.bench.check_records("leaderboard", check)[0].status.value == "SUCCEEDED"


def test_paths_of_other_models_than_the_means_are_refused(bench: Workbench) -> None:
    config = small_config(models={"xgboost": None})
    good = bench.with_config(config)
    assert all(run.success for run in good.retrain(horizons=("21d",)))
    other = {"ridge": {"params": {"alpha": 7.0}}, "xgboost": None}
    changed = bench.with_config(small_config(models=other))

    job = changed.definitions.resolve_job_def("us_training")
    partial = job.get_subset(asset_selection={changed.key("fitted_models")})
    partial.execute_in_process(instance=bench.instance, partition_key="21d|ridge")
    partial = job.get_subset(asset_selection={changed.key("oof_paths")})
    result = partial.execute_in_process(
        instance=bench.instance, partition_key="21d|ridge", raise_on_error=False
    )

    (failure,) = [event for event in result.all_events if event.is_step_failure]
    reason = failure.step_failure_data.user_failure_data.description
    assert "oof_predictions was made from fitted_models of version" in reason
    assert "materialize oof_predictions again" in reason


def test_own_splitter_has_the_one_path(bench: Workbench) -> None:
    region = small_region(cross_validation={"splitter": f"{HERE}:DateFolds", "params": {"gap": 69}})
    config = small_config(regions=region, models={"xgboost": None})

    runs = bench.with_config(config).retrain(horizons=("21d",))

    assert all(run.success for run in runs)
    assert set(bench.read("oof_paths", "21d", "ridge")["path_id"]) == {0}


def test_nested_predictions_cover_the_train_rows_of_every_fold(nested: Trained) -> None:
    assert [run.failures for run in nested.runs] == [()] * len(nested.runs)
    table = nested.bench.read("nested_oof", "21d", "ridge")
    splits = nested.bench.read("cv_splits")
    labels = nested.bench.read("labels")["label_21d"].reindex(splits.index)

    for fold in range(5):
        lines = table[table["outer_fold_id"] == fold]
        trains = splits.index[(splits[f"split_{fold}"] == 0).to_numpy() & labels.notna().to_numpy()]
        found = pd.MultiIndex.from_frame(lines[ROW])
        assert found.is_unique
        assert set(found) == set(trains)
        assert (splits["group_id"].reindex(found).to_numpy() == lines["fold_id"]).all()
        assert (lines["fold_id"] != fold).all()
    (record,) = nested.bench.check_records("nested_oof", "no_label_overlap")
    assert record.status.value == "SUCCEEDED"
    assert facts_of(table)["model"] == "ridge"


def test_nested_predictions_fail_their_checks_as_the_others_do(bench: Workbench) -> None:
    trainer = {"trainer": f"{HERE}:ShoutingTrainer"}
    runs = bench.with_config(nested_config(ridge=trainer)).retrain()

    assert any(
        "nested_oof" in failure and "check range" in failure
        for run in runs
        for failure in run.failures
    )
    assert not (bench.store.base / "us" / "nested_oof").exists()
    assert (bench.store.base / ".rejected" / "us" / "nested_oof").exists()


def test_uniqueness_weights_go_through_the_whole_graph(bench: Workbench) -> None:
    plain = bench.with_config(small_config(models={"xgboost": None}))
    assert all(run.success for run in plain.retrain(horizons=("21d",)))
    before = bench.read("oof_predictions", "21d", "ridge")
    weighed = {"ridge": {"sample_weights": "uniqueness"}, "xgboost": None}

    runs = bench.with_config(small_config(models=weighed)).retrain(horizons=("21d",))

    assert all(run.success for run in runs)
    after = bench.read("oof_predictions", "21d", "ridge")
    assert bench.read("fitted_models", "21d", "ridge").manifest.sample_weights == "uniqueness"
    assert facts_of(after)["determinism_difference_bps"] == 0
    assert after.index.equals(before.index)
    assert not np.array_equal(after["prediction"], before["prediction"])
