"""Other schemes and purge modes of the splits, by configuration alone."""

from typing import Any

import dagster as dg
import pytest

from model2_assets_tests.defs.small_region import Workbench, small_config, small_region

pytestmark = pytest.mark.end_to_end


def splits_of(bench: Workbench, **settings: Any) -> tuple[Any, dict[str, Any]]:
    """Materialize up to cv_splits; return the table and its metadata."""
    config = small_config(regions=small_region(cross_validation=settings))
    chosen = bench.with_config(config)
    job = chosen.definitions.resolve_implicit_global_asset_job_def()
    names = ("market_data", "labels", "features", "cv_splits")
    result = job.execute_in_process(
        instance=bench.instance, asset_selection=[dg.AssetKey(["us", name]) for name in names]
    )
    (event,) = result.asset_materializations_for_node("us__cv_splits")
    return chosen.read("cv_splits"), {name: v.value for name, v in event.metadata.items()}


def test_a_walk_forward_is_split_proved_and_says_what_it_covers(bench: Workbench) -> None:
    splits, metadata = splits_of(bench, scheme="walk_forward", window="rolling", train_groups=2)

    assert [name for name in splits if name.startswith("split_")] == [
        "split_0",
        "split_1",
        "split_2",
    ]
    tested = (splits["group_id"] >= 2).sum()
    assert metadata["splits"] == 3
    assert metadata["label_overlaps"] == 0
    assert metadata["coverage"].startswith(f"{tested:,} of {len(splits):,} rows (")
    assert "are never tested, and scores and coverage do not speak of them" in metadata["coverage"]
    (record,) = bench.check_records("cv_splits", "minimum_samples")
    assert metadata["coverage"] in record.evaluation.description


def test_purged_per_horizon_there_is_a_column_for_each(bench: Workbench) -> None:
    splits, metadata = splits_of(bench, purge="per_horizon", n_groups=3)

    assert list(splits.columns) == [
        "group_id",
        *(f"split_{split_id}_{horizon}" for horizon in ("21d", "63d") for split_id in range(3)),
    ]
    assert metadata["splits"] == 3
    assert metadata["label_overlaps"] == 0
    assert metadata["overlaps_of_longest_window"] > 0
    assert "owed to windows longer than horizon + lag" in metadata["purge_of_long_windows"]
    assert metadata["coverage"].count("are tested, each in 1 split") == 2
    (record,) = bench.check_records("cv_splits", "no_label_overlap")
    assert "do not put predictions of different horizons side by side" in (
        record.evaluation.description
    )
    columns = bench.with_config(
        small_config(regions=small_region(cross_validation={"purge": "per_horizon", "n_groups": 3}))
    ).definitions.resolve_asset_graph()
    schema = columns.get(dg.AssetKey(["us", "cv_splits"])).metadata["dagster/column_schema"]
    assert [column.name for column in schema.columns][3:] == list(splits.columns)[1:]


def test_purged_per_horizon_the_graph_trains_each_with_its_own_splits(bench: Workbench) -> None:
    config = small_config(
        regions=small_region(cross_validation={"purge": "per_horizon", "n_groups": 3})
    )
    chosen = bench.with_config(config)

    runs = chosen.retrain(models=("ridge",))

    assert [run.failures for run in runs] == [()] * len(runs)
    splits = chosen.read("cv_splits")
    for horizon in ("21d", "63d"):
        oof = chosen.read("oof_predictions", horizon, "ridge")
        tested = (splits.filter(regex=f"_{horizon}$") == 1).any(axis=1)
        assert set(oof.index) == set(splits.index[tested])
