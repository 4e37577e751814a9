"""What is current is not made again, and an edit outdates what it concerns."""

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from model2_assets.defs.assets import PREPARATION, asset_names
from model2_assets.defs.build import configured_regions, define
from model2_assets.defs.model_settings import report_model_settings
from model2_assets.defs.publication import FORCED_TAG
from model2_assets.defs.recorded import partition_problems
from model2_assets.defs.region import STAGES
from model2_assets.defs.retrain import RunResult, execute_plan, plan_region
from model2_assets.storage import Store
from model2_assets_tests.defs.recorded_events import RecordedEvents
from model2_assets_tests.defs.small_region import (
    SMALL_XGBOOST,
    built_region,
    small_config,
    small_region,
)

REGION = built_region("us", small_config(), Store("memory://names"))
EVERY, TRAINED = set(asset_names(REGION, *STAGES)), set(asset_names(REGION, "training"))
COMPARED = {"leaderboard", "stacking_frame"}
KEYS = ("21d|ridge", "21d|xgboost", "63d|ridge", "63d|xgboost")
OTHER_ALPHA = {"ridge": {"params": {"alpha": 50_000.0}}, "xgboost": {"params": SMALL_XGBOOST}}
OTHERS_OF_63D = {
    "ridge": {"overrides": {"63d": {"alpha": 50_000.0}}},
    "xgboost": {"params": SMALL_XGBOOST},
}


@pytest.mark.parametrize(
    ("changes", "outdated"),
    [
        ({}, ()),
        ({"models": OTHER_ALPHA}, ("21d|ridge", "63d|ridge")),
        ({"models": OTHERS_OF_63D}, ("63d|ridge",)),
        ({"models": {"xgboost": {"params": SMALL_XGBOOST, "seed": 8}}}, KEYS[1::2]),
        ({"models": {"xgboost": {"params": SMALL_XGBOOST, "calibration": "none"}}}, KEYS[1::2]),
        ({"execution": {"profile": "exact"}}, KEYS),
    ],
)
def test_an_edit_of_a_model_outdates_its_own_partitions(
    changes: dict[str, Any], outdated: tuple[str, ...]
) -> None:
    before = built_region("us", small_config(), Store("memory://settings"))
    after = built_region("us", small_config(**changes), Store("memory://settings"))
    reason = "fitted_models was made with other settings of the model"

    with dg.DagsterInstance.ephemeral() as instance:
        RecordedEvents(instance, before).make_all()
        assert partition_problems(before.results(instance)) == {}
        expected = dict.fromkeys(outdated, reason)
        assert partition_problems(after.results(instance)) == expected
        report_model_settings(instance, after)  # as every run does
        assert partition_problems(after.results(instance)) == expected
        assert partition_problems(before.results(instance)) == expected


@pytest.mark.parametrize(
    ("sections", "readers"),
    [
        ({}, []),
        ({"market_data": {"source": "demo"}}, []),
        ({"market_data": {"universe": "members.csv"}}, ["market_data"]),
        ({"market_data": {"source": "csv", "path": "bars.csv"}}, ["market_data"]),
        (
            {"market_data": {"source": "sql", "query": "SELECT 1", "url_variable": "BARS"}},
            ["market_data"],
        ),
        (
            {"features": {"extra": [{"path": "own.csv", "columns": {"own": "own"}}]}},
            ["market_data", "features"],
        ),
    ],
)
def test_what_may_change_unseen_is_read_by_every_retrain(
    sections: dict[str, Any], readers: list[str]
) -> None:
    config = small_config(regions=small_region(**sections))
    (region,) = configured_regions(config, REGION.store)
    reads, *_ = plan_region("us", (), readers=region.readers)

    assert list(reads.assets) == readers
    assert (reads.title == "market data") is bool(readers)


@pytest.mark.parametrize(
    "section", [{"cross_validation": {"embargo_days": 9}}, {"labels": {"execution_lag_days": 2}}]
)
def test_what_inner_folds_and_weights_depend_on_is_of_the_settings(section: dict[str, Any]) -> None:
    """Splits or labels of one's own may be the same for any, and so no reason to fit again."""
    changed = built_region("us", small_config(regions=small_region(**section)), REGION.store)
    for key, version in changed.settings_versions.items():
        assert version != REGION.settings_versions[key]


def test_settings_are_reported_where_they_differ_from_those_on_record() -> None:
    before = built_region("us", small_config(), Store("memory://settings"))
    after = built_region("us", small_config(models=OTHERS_OF_63D), Store("memory://settings"))

    with dg.DagsterInstance.ephemeral() as instance:
        for region, reported in ((before, 4), (before, 4), (after, 5)):
            report_model_settings(instance, region)
            records = instance.fetch_observations(region.key("model_settings"), limit=9).records
            assert len(records) == reported
    made = records[0].event_log_entry.asset_observation
    assert made is not None
    assert made.partition == "63d|ridge"
    assert made.metadata["settings"].value["params"] == {"alpha": 50_000.0}


def test_dagsters_ui_calls_stale_what_was_fitted_with_other_settings() -> None:
    before, after = (
        built_region("us", small_config(**changes), Store("memory://settings"))
        for changes in ({}, {"models": OTHERS_OF_63D})
    )
    graph = define([before]).resolve_asset_graph()

    with dg.DagsterInstance.ephemeral() as instance:
        RecordedEvents(instance, before).make_all()
        report_model_settings(instance, after)
        resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
        found = {key: resolver.get_stale_causes(before.key("fitted_models"), key) for key in KEYS}

    (cause,) = found.pop("63d|ridge")
    assert cause.dependency is not None
    assert cause.dependency.asset_key == before.key("model_settings")
    assert not any(found.values())


class Desk:
    """Retrains what is due, as the command does."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.store, self.instance = Store(folder), instance

    def retrain(self, *, force: bool = False, **changes: Any) -> dict[str, RunResult]:
        config = small_config(**changes)
        regions = configured_regions(config, self.store)
        found = execute_plan(
            define(regions),
            self.instance,
            plan_region(
                "us", config.partitions_of("us"), readers=() if force else regions[0].readers
            ),
            regions=() if force else regions,
            tags={FORCED_TAG: "yes"} if force else None,
        )
        return {run.name.removeprefix("us "): run for run in found}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("retrain")
    with dg.instance_for_test(temp_dir=str(folder)) as instance:
        desk = Desk(folder / "data", instance)
        first = desk.retrain()
        assert {run.status for run in first.values()} == {"passed"}
        yield desk


def made(found: dict[str, RunResult]) -> dict[str, set[str]]:
    """Return the names of the assets that each run made."""
    return {
        name: {step.step.removeprefix("us/") for step in run.steps} & EVERY
        for name, run in found.items()
        if run.status != "current"
    }


@pytest.mark.end_to_end
def test_what_is_current_is_not_made_again(desk: Desk) -> None:
    again = desk.retrain()

    assert made(again) == {"summary": {"leaderboard"}}
    assert all(run.success for run in again.values())


@pytest.mark.end_to_end
def test_a_parameter_of_a_model_retrains_that_model(desk: Desk) -> None:
    changed = desk.retrain(models=OTHERS_OF_63D)

    assert made(changed) == {"63d|ridge": TRAINED, "summary": COMPARED}
    assert not [w for run in changed.values() for w in run.warnings if "partitions_current" in w]
    back = desk.retrain()
    assert set(made(back)) == {"63d|ridge", "summary"}


@pytest.mark.end_to_end
def test_other_splits_retrain_all_models_on_the_features_at_hand(desk: Desk) -> None:
    other = desk.retrain(regions=small_region(cross_validation={"embargo_days": 9}))

    assert made(other)["preparation"] == {"cv_splits"}
    assert set(made(other)) == {"preparation", *KEYS, "summary"}


@pytest.mark.end_to_end
def test_a_limit_of_a_check_makes_anew_what_is_held_to_it(desk: Desk) -> None:
    desk.retrain()

    found = desk.retrain(checks={"prediction_bps": 0.001})

    assert [run for run in found.values() if run.failures]
    assert all("check range" in run.failures[-1] for run in found.values() if run.failures)
    assert "fitted_models" not in made(found)["21d|ridge"]


@pytest.mark.end_to_end
def test_force_makes_all(desk: Desk) -> None:
    desk.retrain()
    forced = desk.retrain(force=True)

    assert set(made(forced)) == {"preparation", *KEYS, "summary"}
    assert made(forced)["preparation"] == set(PREPARATION)


@pytest.mark.end_to_end
def test_what_was_deleted_is_made_again(desk: Desk) -> None:
    desk.retrain()
    shutil.rmtree(desk.store.base / "us" / "fitted_models" / "21d" / "ridge")
    (desk.store.base / "us" / "labels.parquet").unlink()

    again = made(desk.retrain())

    assert "labels" in again["preparation"]
    assert again["21d|ridge"] == TRAINED


@pytest.mark.end_to_end
def test_definitions_end_with_a_retrain(desk: Desk) -> None:
    desk.retrain(force=True)

    assert gc.get_freeze_count() == 0  # what is frozen is never found to be garbage
