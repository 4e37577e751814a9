"""What is missing or outdated, and what it cost, on recorded events; the real graph at the end."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from model2_assets.defs.assets import asset_names
from model2_assets.defs.recorded import CODE_VERSION, outdated, partition_problems, recorded_costs
from model2_assets.storage import Store
from model2_assets.training.resources import total_costs
from model2_assets_tests.defs.conftest import Trained
from model2_assets_tests.defs.recorded_events import RecordedEvents
from model2_assets_tests.defs.small_region import built_region, small_config

RIDGE, XGBOOST = "21d|ridge", "21d|xgboost"


class Events(RecordedEvents):
    def problems(self) -> dict[str, str]:
        return partition_problems(self.region.results(self.instance))

    def problem(self, name: str) -> str | None:
        return self.region.results(self.instance).problem(self.region.key(name))


@pytest.fixture
def events() -> Iterator[Events]:
    region = built_region("us", small_config(), Store("memory://staleness"))
    with dg.DagsterInstance.ephemeral() as instance:
        yield Events(instance, region)


def test_nothing_made_yet_is_missing_in_every_partition(events: Events) -> None:
    assert events.problems() == dict.fromkeys(
        ("21d|ridge", "21d|xgboost", "63d|ridge", "63d|xgboost"), "market_data is missing"
    )


def test_all_made_in_order_has_no_problem(events: Events) -> None:
    events.make_all()

    assert events.problems() == {}
    assert events.problem("leaderboard") is None


def test_partition_never_made_is_missing(events: Events) -> None:
    for name in ("market_data", "labels", "features", "cv_splits"):
        events.make(name)
    events.make("fitted_models", RIDGE)

    assert events.problems()[RIDGE] == "oof_predictions is missing"
    assert events.problems()[XGBOOST] == "fitted_models is missing"


def test_other_features_make_every_partition_outdated_until_it_is_made_from_them(
    events: Events,
) -> None:
    events.make_all()
    events.make("features", version="2")

    # What comes between is named first: splits are made from features too.
    assert set(events.problems().values()) == {
        "cv_splits was made from another version of features"
    }
    events.make("cv_splits", version="1")
    assert set(events.problems().values()) == {
        "fitted_models was made from another version of features"
    }
    for name, spec in events.specs.items():
        if spec.partitions_def is not None:
            events.make(name, RIDGE)
    assert RIDGE not in events.problems()
    assert XGBOOST in events.problems()


def test_equal_values_made_anew_are_not_another_version(events: Events) -> None:
    events.make_all()

    events.make("features", version="1")

    assert events.problems() == {}


def test_other_models_make_their_own_partition_outdated(events: Events) -> None:
    events.make_all()

    events.make("fitted_models", RIDGE, version="2")

    assert events.problems() == {
        RIDGE: "oof_predictions was made from another version of fitted_models"
    }


def test_other_code_is_named(events: Events) -> None:
    events.make_all()
    events.make("fitted_models", XGBOOST, **{CODE_VERSION: "of yesterday"})

    assert events.problems() == {XGBOOST: "fitted_models was made by other code or settings"}


def test_leaderboard_is_outdated_once_any_partition_has_other_scores(events: Events) -> None:
    events.make_all()

    events.make("cv_scores", XGBOOST, version="1")
    assert events.problem("leaderboard") is None  # the same scores once more
    events.make("cv_scores", XGBOOST, version="2")
    events.make("cv_scores", RIDGE, version="1")

    assert events.problems() == {}
    assert events.problem("leaderboard") == (
        "leaderboard was made from another version of cv_scores"
    )
    events.make("leaderboard")
    assert events.problem("leaderboard") is None


@pytest.mark.end_to_end
def test_what_dagster_records_of_a_retrain_is_current(trained: Trained, tmp_path: Path) -> None:
    bench = trained.bench
    region = built_region("us", bench.config, bench.store)

    results = region.results(bench.instance)
    assert partition_problems(results) == {}
    summary = [region.key(name) for name in asset_names(region, "summary")]
    assert outdated(results, summary, None) == {}

    models = {"xgboost": {"params": {"n_estimators": 3}}}
    other = built_region("us", small_config(models=models), bench.store)
    assert partition_problems(other.results(bench.instance)) == dict.fromkeys(
        ("21d|xgboost", "63d|xgboost"), "fitted_models was made with other settings of the model"
    )


def test_costs_are_those_of_the_latest_materialization_of_every_partition() -> None:
    region = built_region("us", small_config(), Store("memory://costs"))
    with dg.DagsterInstance.ephemeral() as instance:
        events = RecordedEvents(instance, region)
        events.make_all()
        older = {"load_seconds": 9.0, "seconds": 9.0, "write_seconds": 9.0, "peak_rss_mb": 900.0}
        newer = {"load_seconds": 1.0, "seconds": 2.0, "write_seconds": 4.0, "peak_rss_mb": 300.0}
        events.make("fitted_models", "21d|ridge", metadata=older)
        events.make("fitted_models", "21d|ridge", metadata=newer)
        events.make("features", metadata={**newer, "io_peak_rss_mb": 500.0, "left_out": "none"})

        found = recorded_costs(region.results(instance))

    assert len(found) == 4 + 2 + 4 * 7
    known = found.dropna(subset="seconds").set_index(["asset", "partition"])
    assert known.loc[("features", "")].tolist() == [1, 2, 4, 500]
    assert known.loc[("fitted_models", "21d|ridge")].tolist() == [1, 2, 4, 300]
    assert len(known) == 2
    hours, peak_rss_gb, unknown = total_costs(found)
    assert (hours, peak_rss_gb) == (14 / 3600, 0.5)
    assert {"fitted_models (3 partitions)", "market_data"} <= set(unknown)
