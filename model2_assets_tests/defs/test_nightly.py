"""Nights on a real run storage: what is requested, and what a tick says."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from model2_assets.config import Model2Config, parse_config
from model2_assets.config.sections import ScheduleConfig
from model2_assets.defs.assets import PREPARATION, TRAINING, asset_names
from model2_assets.defs.build import build_definitions, region_jobs
from model2_assets.defs.nightly import (
    NIGHT,
    NIGHTLY,
    begin,
    data_watch,
    has_input_files,
    nightly_schedule,
    stages_sensor,
)
from model2_assets.errors import ConfigError
from model2_assets.storage import Store
from model2_assets_tests.defs.recorded_events import RecordedEvents
from model2_assets_tests.defs.small_region import built_region, small_config

STORE = Store("memory://nightly")
PREPARED = set(PREPARATION) - {"market_data"}
RIDGE, XGBOOST = "21d|ridge", "21d|xgboost"
SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE
Requested = dict[str | None, set[str]]


def config_of(market_data: Mapping[str, Any]) -> Model2Config:
    regions = {"us": {"market_data": market_data, "labels": {"horizons": [21]}}}
    return small_config(schedule={"cron": "0 2 * * *", "timezone": "UTC"}, regions=regions)


class Nights(RecordedEvents):
    """The scheduler and the sensor daemon, and runs that record what they would make."""

    def __init__(self, instance: dg.DagsterInstance, config: Model2Config) -> None:
        super().__init__(instance, built_region("us", config, STORE))
        self.definitions = build_definitions(config, STORE)
        self.trained = set(TRAINING) & set(self.specs)
        self.compared = set(asset_names(self.region, "summary"))
        self.cursors: dict[str, str | None] = {"stages": None, "watch": None}
        self.tick = datetime(2024, 1, 8, 2, 0, tzinfo=UTC)
        self.open: dict[str | None, dg.DagsterRun] = {}
        self.said = ""

    def begin(self) -> Requested:
        """Begin a night a day later, as the schedule does, and launch what is requested."""
        self.tick += timedelta(days=1)
        found = begin(self.instance, self.region, self.tick)
        if isinstance(found, dg.SkipReason):
            self.said = found.skip_message or ""
            return {}
        return self.launch([found])

    def ask_watch(self) -> list[dg.RunRequest]:
        """Tick the watch and return what it requests, without launching it."""
        return self._ask("watch", data_watch(self.region))

    def look(self) -> Requested:
        """Tick the sensor of the stages and launch what it requests."""
        jobs = region_jobs(self.region)
        return self.launch(self._ask("stages", stages_sensor(self.region, jobs)))

    def _ask(self, which: str, sensor: dg.SensorDefinition) -> list[dg.RunRequest]:
        result: Any = sensor(dg.build_sensor_context(self.instance, cursor=self.cursors[which]))
        self.cursors[which] = result.cursor
        self.said = result.skip_reason.skip_message if result.skip_reason else ""
        return list(result.run_requests or ())

    def launch(self, requests: list[dg.RunRequest]) -> Requested:
        requested: Requested = {}
        for request in requests:
            partition = request.partition_key
            tags = {**request.tags, **({"dagster/partition": partition} if partition else {})}
            self.open[partition] = self.create(
                str(request.job_name), set(request.asset_selection or ()), tags
            )
            requested[partition] = {key.path[-1] for key in request.asset_selection or ()}
        return requested

    def create(
        self, job: str, assets: set[dg.AssetKey], tags: Mapping[str, str], **more: Any
    ) -> dg.DagsterRun:
        return self.instance.create_run_for_job(
            self.definitions.resolve_job_def(job),
            asset_selection=frozenset(assets),
            status=dg.DagsterRunStatus.STARTED,
            tags=dict(tags),
            **more,
        )

    def end(
        self,
        partition: str | None = None,
        *,
        version: str = "1",
        status: dg.DagsterRunStatus = SUCCESS,
        made: set[str] | None = None,
        **tags: str,
    ) -> dg.DagsterRun:
        """End an open run, which has made all that it was to make unless it is told."""
        run = self.open.pop(partition)
        selected = {key.path[-1] for key in run.asset_selection or ()}
        for name in self.specs:
            if name in (selected if made is None else made):
                self.make(name, partition, version=version, run_id=run.run_id, **tags)
        kind = {
            SUCCESS: dg.DagsterEventType.RUN_SUCCESS,
            FAILURE: dg.DagsterEventType.RUN_FAILURE,
        }[status]
        self.instance.report_dagster_event(dg.DagsterEvent(kind.value, run.job_name), run.run_id)
        return run

    def reexecute(self, run: dg.DagsterRun, **more: Any) -> None:
        """Start a run once more, as "Re-execute" does: with its tags, and its parent's id."""
        self.open[run.tags.get("dagster/partition")] = self.create(
            run.job_name,
            set(run.asset_selection or ()),
            run.tags,
            parent_run_id=run.run_id,
            root_run_id=run.run_id,
        )

    def night_of_new_data(self, version: str) -> None:
        """Begin a night and end the runs of its first two stages."""
        assert self.begin() == {None: {"market_data"}}
        self.end(version=version)
        assert self.look() == {None: PREPARED}
        self.end(version=version)


@pytest.fixture
def nights() -> Iterator[Nights]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Nights(instance, config_of({"source": "synthetic"}))


def test_nothing_happens_before_a_night_begins(nights: Nights) -> None:
    assert nights.look() == {}
    assert nights.said == "no night has begun yet"


def test_first_night_makes_everything_in_order_each_stage_in_one_run(nights: Nights) -> None:
    assert nights.begin() == {None: {"market_data"}}
    assert nights.look() == {}
    assert "market_data, run " in nights.said

    nights.end()
    assert nights.look() == {None: PREPARED}
    nights.end()
    assert nights.look() == {RIDGE: nights.trained, XGBOOST: nights.trained}

    nights.end(RIDGE)
    assert nights.look() == {}
    assert "training of 21d|xgboost, run " in nights.said

    nights.end(XGBOOST)
    assert nights.look() == {None: nights.compared}
    nights.end()
    assert nights.look() == {}
    assert nights.said.endswith("is over; current and skipped: nothing")


def test_no_second_night_begins_while_a_run_of_the_first_is_open(nights: Nights) -> None:
    nights.begin()
    assert nights.begin() == {}
    assert nights.said.startswith("waits for the night under way: market_data, run ")

    nights.end()
    nights.look()
    assert nights.begin() == {}
    nights.end()

    assert nights.begin() == {None: {"market_data"}}


def test_night_without_changes_says_what_is_skipped_at_every_tick(nights: Nights) -> None:
    nights.make_all()
    nights.begin()
    nights.end(version="1")

    for _ in range(3):
        assert nights.look() == {}
        assert nights.said.endswith(
            "is over; current and skipped: labels, features, cv_splits; 21d|ridge; 21d|xgboost; "
            "leaderboard, stacking_frame"
        )


def test_new_market_data_renew_only_what_differs(nights: Nights) -> None:
    nights.make_all()
    nights.begin()
    nights.end(version="2")
    assert nights.look() == {None: PREPARED}

    # Made again to the same values: a restated bar that no label or feature looks at.
    nights.end(version="1")

    live = {"live_predictions"}  # Made from the market data themselves.
    assert nights.look() == {RIDGE: live, XGBOOST: live}


def test_one_outdated_partition_is_made_alone_and_the_comparison_follows(nights: Nights) -> None:
    nights.make_all()
    nights.make("fitted_models", RIDGE, version="1", **{"dagster/code_version": "of yesterday"})
    nights.begin()
    nights.end(version="1")

    assert nights.look() == {RIDGE: nights.trained}
    nights.end(RIDGE, version="2")
    assert nights.look() == {None: nights.compared}
    nights.end()
    assert nights.look() == {}
    assert nights.said.endswith("skipped: labels, features, cv_splits; 21d|xgboost")


def test_failed_partition_holds_back_the_comparison_alone_and_is_tried_the_next_night(
    nights: Nights,
) -> None:
    nights.make_all()
    nights.night_of_new_data("2")
    assert set(nights.look()) == {RIDGE, XGBOOST}
    nights.end(XGBOOST, version="2")
    nights.end(RIDGE, version="2", made={"fitted_models"}, status=FAILURE)

    for _ in range(3):
        assert nights.look() == {}
        assert nights.said.endswith(
            "what follows training is held back: 21d|ridge: oof_predictions was made from "
            "another version of labels"
        )

    assert nights.begin() == {None: {"market_data"}}
    nights.end(version="2")
    assert nights.look() == {RIDGE: nights.trained - {"fitted_models"}}
    nights.end(RIDGE, version="2")
    assert nights.look() == {None: nights.compared}


def test_comparison_follows_a_failed_partition_that_is_reexecuted(nights: Nights) -> None:
    nights.make_all()
    nights.night_of_new_data("2")
    nights.look()
    nights.end(XGBOOST, version="2")
    failed = nights.end(RIDGE, made=set(), status=FAILURE)
    assert nights.look() == {}

    nights.reexecute(failed)
    assert nights.look() == {}
    nights.end(RIDGE, version="2")

    assert nights.look() == {None: nights.compared}


def test_night_goes_on_once_its_failed_market_data_are_reexecuted(nights: Nights) -> None:
    nights.make_all()
    nights.begin()
    failed = nights.end(made=set(), status=FAILURE)
    assert nights.look() == {}
    assert nights.said.endswith("market_data failed, so nothing follows")

    nights.reexecute(failed)
    nights.end(version="2")

    assert nights.look() == {None: PREPARED}


def test_failed_preparation_is_tried_again_the_next_night_and_not_before(nights: Nights) -> None:
    nights.make_all()
    nights.begin()
    nights.end(version="2")
    nights.look()
    nights.end(version="2", made={"labels"}, status=FAILURE)
    assert nights.look() == {}
    assert "what follows preparation is held back: features was made from" in nights.said

    nights.begin()
    nights.end(version="2")

    assert nights.look() == {None: PREPARED - {"labels"}}


def test_nothing_follows_what_is_made_by_hand_at_noon(nights: Nights) -> None:
    nights.make_all()
    nights.begin()
    nights.end(version="1")
    nights.look()

    for name in ("market_data", "features"):
        run = nights.create("us_preparation", {nights.region.key(name)}, {})
        assert nights.look() == {}
        nights.open[None] = run
        nights.end(version="by hand")
        assert nights.look() == {}


def test_nothing_follows_a_tag_that_an_older_run_is_given_at_noon(nights: Nights) -> None:
    nights.make_all()
    nights.begin()
    older = nights.end(version="1")
    nights.begin()
    nights.end(version="1")
    assert nights.look() == {}

    nights.make("features", version="by hand")
    nights.instance.add_run_tags(older.run_id, {"seen": "yes"})

    assert nights.look() == {}
    assert "is over" in nights.said


def test_comparison_does_not_mix_what_is_made_by_hand_within_a_night(nights: Nights) -> None:
    nights.make_all()
    nights.night_of_new_data("2")
    nights.look()
    nights.make("labels", version="by hand")
    nights.end(RIDGE, version="2")
    nights.make("labels", version="by hand once more")
    nights.end(XGBOOST, version="2")

    assert nights.look() == {}
    assert nights.said.endswith("is held back: cv_splits was made from another version of labels")


def test_run_of_newer_code_than_the_daemon_knows_does_not_stop_the_night(nights: Nights) -> None:
    edited = {"dagster/code_version": "of a later edit"}
    nights.make_all()
    nights.begin()
    nights.end(version="2", **edited)
    nights.look()
    nights.end(version="2", **edited)

    assert set(nights.look()) == {RIDGE, XGBOOST}


def test_resumed_look_requests_the_same_runs_by_the_same_keys(nights: Nights) -> None:
    nights.make_all()
    nights.begin()
    nights.end(version="2")
    sensor = stages_sensor(nights.region, region_jobs(nights.region))
    before = nights.cursors["stages"]

    (first,), (again,) = (
        nights._ask("stages", sensor) for nights.cursors["stages"] in [before] * 2
    )

    assert first.run_key == again.run_key is not None


def test_night_of_another_region_is_another_night(nights: Nights) -> None:
    nights.create("us_preparation", set(), {NIGHTLY: "eu", NIGHT: "2024-01-09"})

    assert nights.look() == {}
    assert nights.begin() == {None: {"market_data"}}


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[Nights, Path]]:
    bars = tmp_path / "bars.parquet"
    bars.write_bytes(b"1")
    with dg.DagsterInstance.ephemeral() as instance:
        nights = Nights(instance, config_of({"source": "parquet", "path": str(bars)}))
        assert nights.ask_watch() == []
        assert nights.said == "1 file; waits for a change"
        yield nights, bars


def test_change_begins_a_night_once_two_looks_agree(watched: tuple[Nights, Path]) -> None:
    nights, bars = watched
    assert nights.ask_watch() == []
    assert nights.said == "1 file, unchanged"
    for written in (b"12", b"123"):  # Still being written.
        bars.write_bytes(written)
        assert nights.ask_watch() == []
        assert nights.said == "1 file, changed; waits until two looks agree"

    (request,) = nights.ask_watch()

    assert request.run_key is None  # A file that is put back is a change again.
    assert nights.launch([request]) == {None: {"market_data"}}
    assert nights.ask_watch() == []
    assert nights.said == "1 file, unchanged"
    nights.end()
    assert nights.look() == {None: PREPARED}


def test_a_night_makes_features_anew_that_read_files_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_bytes(b"1")
    extra = [{"path": str(own), "columns": ["pe"]}]
    regions = {"us": {"features": {"extra": extra}, "labels": {"horizons": [21]}}}
    with dg.DagsterInstance.ephemeral() as instance:
        nights = Nights(instance, small_config(regions=regions))
        assert nights.ask_watch() == []
        assert nights.said == "1 file; waits for a change"
        own.write_bytes(b"12")
        nights.ask_watch()

        (request,) = nights.ask_watch()

        assert nights.launch([request]) == {None: {"market_data", "features"}}
        nights.end(status=FAILURE)
        assert nights.look() == {}
        assert nights.said.endswith("features or market_data failed, so nothing follows")


def test_change_is_kept_while_a_night_is_under_way(watched: tuple[Nights, Path]) -> None:
    nights, bars = watched
    nights.begin()
    bars.write_bytes(b"12")
    nights.ask_watch()
    for _ in range(2):
        assert nights.ask_watch() == []
        assert nights.said.startswith(
            "1 file, changed; waits for the night under way: market_data, run "
        )

    nights.end()

    assert len(nights.ask_watch()) == 1


def test_schedule_and_watch_in_the_same_second_are_one_night(watched: tuple[Nights, Path]) -> None:
    nights, bars = watched
    nights.make_all()
    bars.write_bytes(b"12")
    nights.ask_watch()
    from_the_watch = nights.ask_watch()  # Both look before either run is there.
    nights.begin()
    by_the_schedule = nights.open.pop(None)
    nights.launch(from_the_watch)
    assert nights.look() == {}

    nights.end(version="2")
    assert nights.look() == {}  # waits for the other one
    nights.open[None] = by_the_schedule
    nights.end(version="2")

    assert nights.look() == {None: PREPARED}
    nights.end(version="2")
    assert set(nights.look()) == {RIDGE, XGBOOST}


def test_unreadable_path_is_a_reason_and_forgets_nothing(watched: tuple[Nights, Path]) -> None:
    nights, bars = watched
    bars.unlink()
    assert nights.ask_watch() == []
    assert "bars.parquet: no such file" in nights.said

    bars.write_bytes(b"12")
    nights.ask_watch()

    assert "changed" in nights.said


def test_only_regions_with_files_are_watched_and_the_watch_is_off(
    watched: tuple[Nights, Path],
) -> None:
    nights, _ = watched

    assert not has_input_files(built_region("us", small_config(), STORE))
    assert has_input_files(nights.region)
    sensor = nights.definitions.resolve_sensor_def("us_market_data_changed")
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
    names = {sensor.name for sensor in build_definitions(small_config(), STORE).sensors or ()}
    assert names == {"us_nightly_stages", "dead_runs", "lost_runs"}


@pytest.mark.parametrize("cron", ["0 2 * * nay", "0 2 30 2 *", "61 2 * * *", "at two, please"])
def test_impossible_cron_expression_is_named(cron: str) -> None:
    schedule = ScheduleConfig.model_construct(cron=cron, timezone="UTC", look_every_seconds=30)
    region = built_region("us", small_config().model_copy(update={"schedule": schedule}), STORE)

    with pytest.raises(ConfigError) as found:
        nightly_schedule(region)
    assert str(found.value).startswith(f"schedule.cron: {cron!r} is not a cron expression")


def test_tick_of_the_schedule_begins_a_night(tmp_path: Path) -> None:
    region = built_region("us", config_of({"source": "synthetic"}), STORE)
    tick = datetime(2024, 1, 8, 2, 0, tzinfo=UTC)
    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
        dg.build_schedule_context(instance, scheduled_execution_time=tick) as context,
    ):
        request: Any = nightly_schedule(region)(context)

    assert request.asset_selection == [region.key("market_data")]
    assert request.tags[NIGHTLY] == "us"
    assert request.tags[NIGHT] == "2024-01-08T02:00:00+00:00"


def test_schedule_is_that_of_the_configuration() -> None:
    config = parse_config({"schedule": {"cron": "5 4 * * *", "timezone": "Europe/Berlin"}})

    (schedule,) = (nightly_schedule(built_region(name, config, STORE)) for name in config.regions)

    assert (schedule.cron_schedule, schedule.execution_timezone) == ("5 4 * * *", "Europe/Berlin")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
