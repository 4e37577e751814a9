from typing import Any

import dagster as dg
import pytest

from model2_assets.checks.catalogue import STORED
from model2_assets.config import Model2Config
from model2_assets.defs.build import build_definitions
from model2_assets.storage import PRODUCTS, Store
from model2_assets_tests.defs.small_region import (
    SMALL_REGION,
    SMALL_XGBOOST,
    small_config,
    small_region,
)

EDGES = {
    "model_settings": set(),
    "market_data": set(),
    "labels": {"market_data"},
    "features": {"market_data"},
    "cv_splits": {"labels", "features"},
    "fitted_models": {"model_settings", "labels", "features", "cv_splits"},
    "oof_predictions": {"labels", "features", "cv_splits", "fitted_models"},
    "oof_paths": {"labels", "features", "cv_splits", "fitted_models", "oof_predictions"},
    "nested_oof": {"model_settings", "labels", "features", "cv_splits"},
    "feature_importance": {"labels", "features", "fitted_models"},
    "cv_scores": {"oof_predictions", "oof_paths", "labels"},
    "final_models": {
        "model_settings",
        "labels",
        "features",
        "fitted_models",
        "oof_predictions",
    },
    "live_predictions": {
        "market_data",
        "labels",
        "features",
        "final_models",
        "oof_predictions",
        "oof_paths",
    },
    "tear_sheet": {
        "labels",
        "fitted_models",
        "oof_predictions",
        "cv_scores",
        "feature_importance",
    },
    "leaderboard": {"cv_scores", "oof_predictions", "fitted_models", "labels"},
    "stacking_frame": {"labels", "cv_splits", "oof_predictions"},
    "region_report": {"labels", "oof_predictions", "cv_scores", "tear_sheet", "leaderboard"},
}


REPORTS = {"tear_sheet", "region_report"}
NESTED = {"cross_validation": {"nested": True}}
MODEL_ASSETS = {
    "fitted_models",
    "oof_predictions",
    "oof_paths",
    "nested_oof",
    "feature_importance",
    "cv_scores",
    "final_models",
    "live_predictions",
    "tear_sheet",
}


def full_config(**changes: object) -> Model2Config:
    return small_config(reports={}, **changes)


def asset_graph(**changes: object) -> Any:
    definitions = build_definitions(full_config(**changes), Store("memory://graph"))
    return definitions.resolve_asset_graph()


def edges_of(graph: Any) -> dict[str, set[str]]:
    return {
        key.path[-1]: {parent.path[-1] for parent in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }


def test_every_asset_has_the_edges_of_the_design() -> None:
    assert edges_of(asset_graph(regions=small_region(**NESTED))) == EDGES
    assert tuple(EDGES)[1:] == tuple(PRODUCTS)


def test_nested_predictions_are_in_the_graph_and_the_training_job_only_if_asked_for() -> None:
    plain = build_definitions(full_config(), Store("memory://graph"))
    nested = build_definitions(full_config(regions=small_region(**NESTED)), Store("memory://graph"))

    def trained(definitions: dg.Definitions) -> set[str]:
        keys = definitions.resolve_job_def("us_training").asset_layer.selected_asset_keys
        return {key.path[-1] for key in keys}

    assert edges_of(plain.resolve_asset_graph()) == {
        asset: parents for asset, parents in EDGES.items() if asset != "nested_oof"
    }
    assert trained(plain) == MODEL_ASSETS - {"nested_oof"}
    assert trained(nested) == MODEL_ASSETS


def test_reports_are_in_the_graph_only_where_they_are_wanted() -> None:
    bare = build_definitions(small_config(), Store("memory://graph")).resolve_asset_graph()

    assert edges_of(bare) == {
        asset: parents for asset, parents in EDGES.items() if asset not in {*REPORTS, "nested_oof"}
    }
    checked = {key.asset_key.path[-1] for key in bare.asset_check_keys}
    assert checked == set(edges_of(bare)) - {"model_settings"}


def test_model_assets_share_one_partitions_definition_whose_keys_name_the_horizon_first() -> None:
    graph = asset_graph(regions=small_region(**NESTED))

    partitioned = {
        key.path[-1]: graph.get(key).partitions_def
        for key in graph.get_all_asset_keys()
        if graph.get(key).partitions_def is not None
    }

    assert set(partitioned) == MODEL_ASSETS | {"model_settings"}
    assert len(set(partitioned.values())) == 1
    keys = next(iter(partitioned.values())).get_partition_keys()
    assert keys == ["21d|ridge", "21d|xgboost", "63d|ridge", "63d|xgboost"]


def test_partition_keys_follow_the_configuration() -> None:
    graph = asset_graph(
        regions={"eu": {**SMALL_REGION, "labels": {"horizons": [5]}, "models": ["ridge"]}}
    )

    partitions_def = graph.get(dg.AssetKey(["eu", "cv_scores"])).partitions_def

    assert partitions_def is not None
    assert partitions_def.get_partition_keys() == ["5d|ridge"]


def test_every_region_is_a_group_with_its_own_prefix_jobs_and_switch() -> None:
    config = full_config(regions={"us": SMALL_REGION, "eu": SMALL_REGION})
    definitions = build_definitions(config, Store("memory://graph"))
    graph = definitions.resolve_asset_graph()

    groups = {(key.path[0], graph.get(key).group_name) for key in graph.get_all_asset_keys()}
    repository = definitions.get_repository_def()

    assert groups == {("us", "us"), ("eu", "eu")}
    assert {"us_preparation", "eu_training", "eu_summary"} <= set(repository.job_names)
    assert {schedule.name for schedule in repository.schedule_defs} == {"us_nightly", "eu_nightly"}
    sensors = {sensor.name for sensor in repository.sensor_defs} - {"dead_runs", "lost_runs"}
    assert sensors == {"us_nightly_stages", "eu_nightly_stages"}


def test_nightly_retrain_is_off_until_switched_on() -> None:
    definitions = build_definitions(full_config(), Store("memory://graph"))

    schedule = definitions.resolve_schedule_def("us_nightly")
    sensor = definitions.resolve_sensor_def("us_nightly_stages")

    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    # It only goes on with what the schedule or the watch has begun.
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING


def test_every_asset_has_a_check_of_what_is_on_disk_and_the_jobs_evaluate_every_check() -> None:
    definitions = build_definitions(
        full_config(regions=small_region(**NESTED)), Store("memory://graph")
    )
    graph = definitions.resolve_asset_graph()

    stored = {key.asset_key for key in graph.asset_check_keys if key.name == STORED.name}
    in_the_jobs = {
        key
        for job in ("us_preparation", "us_training", "us_summary")
        for key in definitions.resolve_job_def(job).asset_layer.asset_graph.asset_check_keys
    }

    assert stored == set(graph.get_all_asset_keys()) - {dg.AssetKey(["us", "model_settings"])}
    assert in_the_jobs == graph.asset_check_keys


@pytest.mark.parametrize("asset", PRODUCTS)
def test_every_asset_is_described_owned_versioned_and_checked(asset: str) -> None:
    node = asset_graph(regions=small_region(**NESTED)).get(dg.AssetKey(["us", asset]))

    assert node.description
    assert len(node.description) > 60
    assert node.owners == ["team:model2"]
    assert node.kinds
    assert node.group_name == "us"
    assert node.code_version
    assert node.check_keys
    contract = PRODUCTS[asset].contract
    if contract is None:
        return
    assert node.metadata["contract"] == contract
    columns = node.metadata["dagster/column_schema"].columns
    assert columns
    assert all(item.type and "Unit: " in (item.description or "") for item in columns)


@pytest.mark.parametrize(
    ("asset", "column"),
    [
        ("market_data", "close"),
        ("labels", "label_end_63d"),
        ("cv_splits", "split_4"),
        ("oof_predictions", "prediction"),
        ("oof_paths", "prediction_std"),
        ("stacking_frame", "oof_63d_xgboost"),
        ("stacking_frame", "label_end_21d"),
        ("stacking_frame", "realized_63d"),
        ("feature_importance", "importance_coefficient_std"),
        ("cv_scores", "rank"),
    ],
)
def test_columns_are_known_before_the_first_run(asset: str, column: str) -> None:
    schema = asset_graph().get(dg.AssetKey(["us", asset])).metadata["dagster/column_schema"]

    names = [item.name for item in schema.columns]

    assert (column in names) == (column != "rank")
    assert all(item.description and "Unit: " in item.description for item in schema.columns)


def moved(before: Any, after: Any) -> set[str]:
    shared = before.get_all_asset_keys() & after.get_all_asset_keys()
    return {
        key.path[-1]
        for key in shared
        if before.get(key).code_version != after.get(key).code_version
    }


def test_code_version_moves_with_the_settings_of_the_asset_and_no_others() -> None:
    winsorized = asset_graph(regions=small_region(labels={"winsorize": 0.05}))

    assert moved(asset_graph(), winsorized) == {
        "labels",
        "cv_scores",
        "live_predictions",
        *REPORTS,
    }


def test_what_is_scored_on_realized_returns_is_as_old_as_labels_excess() -> None:
    whole = asset_graph(regions=small_region(labels={"excess": False}))

    assert {"cv_scores", "leaderboard", "stacking_frame", *REPORTS} <= moved(asset_graph(), whole)


def test_code_version_stays_where_a_setting_changes_no_value() -> None:
    strict = {"market_data": {**SMALL_REGION["market_data"], "max_age_weekdays": 3}}

    assert moved(asset_graph(), asset_graph(regions=small_region(**strict))) == set()


def test_nested_predictions_are_as_old_as_their_splits() -> None:
    before = asset_graph(regions=small_region(**NESTED))
    embargo = {"cross_validation": {"nested": True, "embargo_days": 9}}
    weighed = {"ridge": {"sample_weights": "uniqueness"}, "xgboost": {"params": SMALL_XGBOOST}}

    assert moved(asset_graph(), before) == set()
    assert moved(before, asset_graph(regions=small_region(**embargo))) == {
        "cv_splits",
        "nested_oof",
        *REPORTS,
    }
    assert moved(before, asset_graph(regions=small_region(**NESTED), models=weighed)) == set()
