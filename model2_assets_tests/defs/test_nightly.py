"""The order of the nightly retrain, by Dagster's own evaluation of the conditions."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from model2_assets.config import parse_config
from model2_assets.config.sections import ScheduleConfig
from model2_assets.defs.build import build_definitions
from model2_assets.defs.materializations import RecordedResults
from model2_assets.defs.nightly import STARTED_BY, Night, Target, nightly_condition
from model2_assets.defs.region import Region
from model2_assets.defs.schedules import nightly_sensor
from model2_assets.errors import ConfigError
from model2_assets.storage import Store
from model2_assets_tests.defs.recorded_events import RecordedEvents
from model2_assets_tests.defs.small_region import small_config

MINUTE, DAY = 60.0, 86_400.0  # seconds
PREPARATION = {"labels", "features", "cv_splits"}
RIDGE, XGBOOST = "21d|ridge", "21d|xgboost"


class Nights(RecordedEvents):
    """Looks at the region as the daemon does, and reports what its runs would record."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        config = small_config(
            schedule={"cron": "0 2 * * *", "timezone": "UTC"},
            regions={"us": {"market_data": {"source": "synthetic"}, "labels": {"horizons": [21]}}},
        )
        super().__init__(instance, Region("us", config, Store("memory://nightly")))
        self.definitions = build_definitions(config, self.region.store)
        self.cursor: Any = None
        self.now = datetime(2024, 1, 8, 22, 0, tzinfo=UTC).timestamp()

    def look(self) -> dict[str | None, set[str]]:
        """Return what is requested a minute later: names of assets by partition."""
        self.now += MINUTE
        result = dg.evaluate_automation_conditions(
            self.definitions,
            self.instance,
            asset_selection=dg.AssetSelection.groups("us"),
            cursor=self.cursor,
            evaluation_time=datetime.fromtimestamp(self.now, UTC),
        )
        self.cursor = result.cursor
        requested: dict[str | None, set[str]] = {}
        for key in self.region.specs:
            for partition in result.get_requested_partitions(key):
                requested.setdefault(partition, set()).add(key.path[-1])
        return requested

    def begin(self) -> dict[str | None, set[str]]:
        """Pass the tick of the next night and return what is requested then."""
        if self.cursor is None:
            assert self.look() == {}
        self.now += DAY
        return self.look()

    def make_each(self, requested: dict[str | None, set[str]], *, version: str) -> None:
        for partition, names in requested.items():
            for name in self.specs:
                if name in names:
                    self.make(name, partition, version=version)

    def make_unpartitioned(self, *names: str, version: str) -> None:
        self.make_each({None: set(names)}, version=version)

    @property
    def partitioned(self) -> set[str]:
        return {name for name, spec in self.specs.items() if spec.partitions_def is not None}

    @property
    def comparisons(self) -> set[str]:
        return set(self.specs) - self.partitioned - PREPARATION - {"market_data"}


@pytest.fixture
def nights() -> Iterator[Nights]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Nights(instance)


def test_nothing_is_requested_before_the_first_tick(nights: Nights) -> None:
    assert nights.look() == {}
    assert nights.look() == {}


def test_first_night_makes_everything_in_order_and_in_few_runs(nights: Nights) -> None:
    assert nights.begin() == {None: {"market_data"}}
    assert nights.look() == {}

    nights.make("market_data")
    assert nights.look() == {None: PREPARATION}
    assert nights.look() == {}

    nights.make_unpartitioned(*PREPARATION, version="1")
    assert nights.look() == {RIDGE: nights.partitioned, XGBOOST: nights.partitioned}
    assert nights.look() == {}

    nights.make_each({RIDGE: nights.partitioned}, version="1")
    assert nights.look() == {}

    nights.make_each({XGBOOST: nights.partitioned}, version="1")
    assert nights.look() == {None: nights.comparisons}
    nights.make_unpartitioned(*nights.comparisons, version="1")
    assert nights.look() == {}


def test_night_without_changes_makes_the_market_data_alone_and_says_what_is_skipped(
    nights: Nights, caplog: pytest.LogCaptureFixture
) -> None:
    nights.make_all()
    assert nights.begin() == {None: {"market_data"}}
    nights.make("market_data", version="1")

    with caplog.at_level("INFO"):
        assert nights.look() == {}

    skipped = {record.message for record in caplog.records if "skipped" in record.message}
    assert "us/leaderboard is current: skipped" in skipped
    assert "us/fitted_models of 21d|ridge is current: skipped" in skipped
    assert len(skipped) == (
        len(PREPARATION) + 2 * len(nights.partitioned) + len(nights.comparisons)
    )
    with caplog.at_level("INFO"):
        caplog.clear()
        assert nights.look() == {}
    assert not [record for record in caplog.records if "skipped" in record.message]


def test_new_market_data_renew_only_what_differs(nights: Nights) -> None:
    nights.make_all()
    nights.begin()
    nights.make("market_data", version="2")
    assert nights.look() == {None: PREPARATION}

    # Made again to the same values: a restated bar that no label or feature looks at.
    nights.make_unpartitioned(*PREPARATION, version="1")

    live = {"live_predictions"}  # Made from the market data themselves.
    assert nights.look() == {RIDGE: live, XGBOOST: live}


def test_one_outdated_partition_is_made_alone_and_the_comparison_follows(nights: Nights) -> None:
    nights.make_all()
    nights.make("fitted_models", RIDGE, version="1", **{"dagster/code_version": "of yesterday"})
    nights.begin()
    nights.make("market_data", version="1")

    assert nights.look() == {RIDGE: nights.partitioned}
    nights.make_each({RIDGE: nights.partitioned}, version="1")
    assert nights.look() == {None: nights.comparisons}


def test_failed_partition_holds_back_the_comparison_alone_and_is_tried_the_next_night(
    nights: Nights,
) -> None:
    nights.make_all()
    nights.begin()
    nights.make("market_data", version="2")
    nights.look()
    nights.make_unpartitioned(*PREPARATION, version="2")
    assert set(nights.look()) == {RIDGE, XGBOOST}
    nights.make_each({XGBOOST: nights.partitioned}, version="2")
    nights.make("fitted_models", RIDGE, version="2")  # What follows it failed.

    for _ in range(3):
        assert nights.look() == {}

    assert nights.begin() == {None: {"market_data"}}
    nights.make("market_data", version="2")
    assert nights.look() == {RIDGE: nights.partitioned - {"fitted_models"}}
    nights.make_each({RIDGE: nights.partitioned - {"fitted_models"}}, version="2")
    assert nights.look() == {None: nights.comparisons}


def test_nothing_follows_what_is_made_by_hand_at_noon(nights: Nights) -> None:
    nights.make_all()
    nights.begin()
    nights.make("market_data", version="1")
    nights.look()

    for name in ("market_data", "features"):
        nights.make(name, version="by hand")
        assert nights.look() == {}


def test_interrupted_night_goes_on_once_it_is_mended_by_hand(nights: Nights) -> None:
    nights.make_all()
    nights.begin()
    for _ in range(3):  # The market data failed.
        assert nights.look() == {}

    nights.make("market_data", version="2")

    assert nights.look() == {None: PREPARATION}


def test_run_of_newer_code_than_the_daemon_knows_does_not_stop_the_night(nights: Nights) -> None:
    nights.make_all()
    nights.begin()
    nights.make("market_data", version="2", **{"dagster/code_version": "of a later edit"})
    assert nights.look() == {None: PREPARATION}

    for name in ("labels", "features", "cv_splits"):
        nights.make(name, version="2", **{"dagster/code_version": "of a later edit"})

    assert set(nights.look()) == {RIDGE, XGBOOST}


@pytest.mark.parametrize(("tags", "begins"), [({STARTED_BY: "a change"}, True), ({}, False)])
def test_watch_begins_a_night_by_a_run_of_the_market_data(
    nights: Nights, tags: dict[str, str], begins: bool
) -> None:
    nights.make_all()
    nights.look()
    job = nights.definitions.resolve_job_def("us_preparation")
    status = dg.DagsterRunStatus.SUCCESS
    run = nights.instance.create_run_for_job(job, status=status, tags=tags)

    nights.now += 1
    nights.make("market_data", version="2", run_id=run.run_id)

    assert nights.look() == ({None: PREPARATION} if begins else {})


@pytest.mark.parametrize(
    ("under_way", "waiting"),
    [
        (("cv_splits", None), ("final_models", RIDGE)),  # Final models need no splits.
        (("feature_importance", XGBOOST), ("stacking_frame", None)),
    ],
)
def test_stage_waits_for_the_whole_stage_before_it_so_that_it_is_one_run(
    nights: Nights, under_way: tuple[str, str | None], waiting: tuple[str, str | None]
) -> None:
    nights.make_all()
    results = RecordedResults(nights.instance, nights.region)
    before, after = (
        (nights.region.key(name), partition) for name, partition in (under_way, waiting)
    )

    def may_be_made(*, in_progress: set[Target], requested: set[Target]) -> bool:
        night = Night(results, in_progress=in_progress, since=0.0)
        return night.may_be_made(after, requested)

    assert may_be_made(in_progress=set(), requested=set())
    assert not may_be_made(in_progress={before}, requested=set())
    assert not may_be_made(in_progress=set(), requested={before})


def test_nothing_is_requested_while_it_is_under_way(nights: Nights) -> None:
    nights.make_all()
    nights.look()
    job = nights.definitions.resolve_job_def("us_training")
    run = nights.instance.create_run_for_job(
        job, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": RIDGE}
    )
    nights.now += DAY
    assert nights.look() == {}

    nights.instance.report_run_failed(run)

    assert nights.look() == {None: {"market_data"}}


def test_impossible_cron_expression_is_named() -> None:
    config = small_config()
    schedule = ScheduleConfig.model_construct(cron="0 2 * * nay", timezone="UTC")
    region = Region("us", config.model_copy(update={"schedule": schedule}), Store("memory://x"))

    with pytest.raises(ConfigError, match=r"schedule.cron: '0 2 \* \* nay'"):
        nightly_condition(region, first=True)


def test_assets_of_every_region_carry_the_condition_of_the_configuration() -> None:
    config = parse_config({"schedule": {"cron": "5 4 * * *", "timezone": "UTC"}})

    graph = build_definitions(config, Store("memory://nightly")).resolve_asset_graph()

    for key in graph.get_all_asset_keys():
        condition = graph.get(key).automation_condition
        assert condition is not None
        assert condition.get_label() == "nightly(5 4 * * *, UTC)"


def test_switch_is_off_until_it_is_turned_on() -> None:
    sensor = nightly_sensor(Region("us", small_config(), Store("memory://nightly")))

    assert sensor.name == "us_nightly"
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
