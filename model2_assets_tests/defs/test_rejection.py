"""A candidate that fails an error-level check is reported, put aside and never served."""

import re
from pathlib import Path
from typing import Any

import pytest

from model2_assets.config.partition import Partition
from model2_assets.defs.retrain import execute_plan, plan_region
from model2_assets.storage import Address
from model2_assets_tests.defs.small_region import SMALL_REGION, Workbench, small_config

pytestmark = pytest.mark.end_to_end

HERE = "model2_assets_tests.defs.plugged_in"


def with_ridge(trainer: str) -> Any:
    return small_config(models={"ridge": {"trainer": f"{HERE}:{trainer}"}, "xgboost": None})


def files_of(bench: Workbench) -> dict[str, bytes]:
    base = Path(str(bench.store.base))
    return {
        str(path.relative_to(base)): path.read_bytes()
        for path in base.rglob("*")
        if path.is_file() and not {".rejected", ".locks"} & set(path.parts)
    }


@pytest.mark.parametrize(
    ("trainer", "check", "message"),
    [
        ("ShoutingTrainer", "range", "rows beyond it"),
        ("SilentTrainer", "finite", "predictions are not finite, first S000"),
        ("UnsteadyTrainer", "determinism", "moves predictions by"),
    ],
)
def test_failed_check_keeps_the_last_good_predictions(
    bench: Workbench, trainer: str, check: str, message: str
) -> None:
    good = bench.with_config(small_config(models={"xgboost": None}))
    assert all(run.success for run in good.retrain(horizons=("21d",)))
    kept = (
        "us/oof_predictions/21d/ridge.parquet",
        "us/final_models/21d/ridge/manifest.json",
        "us/live_predictions/21d/ridge.parquet",
    )
    before = files_of(bench)

    runs = bench.with_config(with_ridge(trainer)).retrain(horizons=("21d",))

    training = runs[1]
    assert not training.success
    assert any(f"check {check}" in failure and message in failure for failure in training.failures)
    after = files_of(bench)
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    latest = bench.check_records("oof_predictions", check)[0]
    assert latest.status.value == "FAILED"
    assert latest.partition == "21d|ridge"
    rejected = latest.evaluation.metadata["rejected_candidate"].value
    assert Path(rejected).is_file()
    assert Path(rejected).is_relative_to(Path(str(bench.store.base)) / ".rejected")


def test_failed_fit_names_the_fold_and_leaves_everything_in_place(bench: Workbench) -> None:
    good = bench.with_config(small_config(models={"xgboost": None}))
    good.retrain(horizons=("21d",))
    before = files_of(bench)

    runs = bench.with_config(with_ridge("BrokenTrainer")).retrain(horizons=("21d",))

    (failure,) = runs[1].failures
    assert re.search(r"split \d .*no fit today", failure)
    training = {name: data for name, data in before.items() if "21d" in name}
    assert {name: files_of(bench)[name] for name in training} == training


def test_failed_partition_does_not_stop_the_others(bench: Workbench) -> None:
    models = {"ridge": {"trainer": f"{HERE}:BrokenTrainer"}, "xgboost": {}}
    config = small_config(
        models={**models, "xgboost": {"params": {"n_estimators": 2}}},
    )

    runs = bench.with_config(config).retrain(horizons=("21d",))

    assert [(run.name, run.success) for run in runs] == [
        ("us preparation", True),
        ("us 21d|ridge", False),
        ("us 21d|xgboost", True),
        ("us summary", True),
    ]


def test_too_small_folds_fail_before_any_training(bench: Workbench) -> None:
    region = {**SMALL_REGION, "cross_validation": {"min_samples": 100_000}}

    runs = bench.with_config(small_config(regions={"us": region})).retrain()

    assert [run.name for run in runs] == ["us preparation"]
    (failure, *_) = runs[0].failures
    assert "check minimum_samples" in failure
    assert "split 0" in failure
    assert not (bench.store.base / "us" / "fitted_models").exists()


def test_rejected_predictions_beside_new_models_are_named_on_the_leaderboard(
    bench: Workbench,
) -> None:
    good = bench.with_config(small_config(models={"xgboost": None}))
    good.retrain(horizons=("21d",))

    runs = bench.with_config(with_ridge("ShoutingTrainer")).retrain(horizons=("21d",))

    summary = runs[-1]
    assert summary.success
    assert any(
        "same_inputs" in warning and "21d|ridge: its models were replaced" in warning
        for warning in summary.warnings
    )


def test_rows_that_the_splits_forgot_fail_the_coverage_check(bench: Workbench) -> None:
    good = bench.with_config(small_config(models={"xgboost": None}))
    good.retrain(horizons=("21d",))
    splits = bench.read("cv_splits")
    thinned = splits.iloc[::2]
    thinned.attrs = splits.attrs
    bench.store.write(Address("us", "cv_splits"), thinned)

    (training,) = execute_plan(
        good.definitions,
        bench.instance,
        plan_region("us", [Partition("21d", "ridge")])[1:2],
    )

    assert any(
        "check coverage" in failure and "lack a prediction" in failure
        for failure in training.failures
    )
