"""The watch of the market data files, looked through by Dagster's own sensor context."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus

from model2_assets.config import parse_config
from model2_assets.defs.build import build_definitions
from model2_assets.defs.nightly import STARTED_BY
from model2_assets.defs.region import Region
from model2_assets.defs.schedules import data_watch, has_input_files
from model2_assets.storage import Store
from model2_assets_tests.defs.small_region import small_config


class Watch:
    def __init__(self, instance: dg.DagsterInstance, folder: Path) -> None:
        self.instance, self.file = instance, folder / "bars.parquet"
        market_data = {"source": "parquet", "path": str(self.file)}
        self.config = parse_config({"regions": {"us": {"market_data": market_data}}})
        self.region = Region("us", self.config, Store("memory://watch"))
        self.cursor: str | None = None

    def look(self) -> tuple[list[dg.RunRequest], str]:
        context = dg.build_sensor_context(self.instance, cursor=self.cursor)
        result: Any = data_watch(self.region)(context)
        self.cursor = result.cursor
        reason = result.skip_reason.skip_message if result.skip_reason else ""
        return list(result.run_requests or ()), reason

    def switch_nightly(self, status: InstigatorStatus) -> None:
        repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "__repository__")
        origin = RemoteInstigatorOrigin(repository, "us_nightly")
        state = InstigatorState(origin, InstigatorType.SENSOR, status)
        if self.instance.get_instigator_state(origin.get_id(), origin.get_selector().get_id()):
            self.instance.update_instigator_state(state)
        else:
            self.instance.add_instigator_state(state)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    home = tmp_path / "dagster_home"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        watch = Watch(instance, tmp_path)
        watch.switch_nightly(InstigatorStatus.RUNNING)
        watch.file.write_bytes(b"1")
        yield watch


def test_first_look_remembers_and_starts_nothing(watch: Watch) -> None:
    assert watch.look() == ([], "1 file; waits for a change")
    assert watch.look() == ([], "1 file, unchanged")


def test_change_starts_the_market_data_once_two_looks_agree(watch: Watch) -> None:
    watch.look()
    watch.file.write_bytes(b"12")
    assert watch.look() == ([], "1 file, changed; waits until two looks agree")
    watch.file.write_bytes(b"123")  # Still being written.
    assert watch.look() == ([], "1 file, changed; waits until two looks agree")

    requests, reason = watch.look()

    assert reason == ""
    (request,) = requests
    assert request.asset_selection == [dg.AssetKey(["us", "market_data"])]
    assert list(request.tags) == [STARTED_BY]
    assert request.run_key is None  # A file that is put back is a change again.
    assert watch.look() == ([], "1 file, unchanged")


def test_change_is_kept_until_the_nightly_switch_is_on(watch: Watch) -> None:
    watch.switch_nightly(InstigatorStatus.STOPPED)
    watch.look()
    watch.file.write_bytes(b"12")
    watch.look()
    assert watch.look() == ([], "1 file, changed; needs us_nightly, which is off: switch it on")

    watch.switch_nightly(InstigatorStatus.RUNNING)

    assert len(watch.look()[0]) == 1


@pytest.mark.parametrize(
    ("job", "status", "waits"),
    [
        ("us_training", dg.DagsterRunStatus.STARTED, True),
        ("us_preparation", dg.DagsterRunStatus.NOT_STARTED, True),
        ("us_training", dg.DagsterRunStatus.FAILURE, False),
        ("asia_training", dg.DagsterRunStatus.STARTED, False),
    ],
)
def test_no_two_retrains_of_a_region_at_once(
    watch: Watch, job: str, status: dg.DagsterRunStatus, waits: bool
) -> None:
    synthetic = {"market_data": {"source": "synthetic"}}
    both = small_config(regions={"us": synthetic, "asia": synthetic})
    definitions = build_definitions(both, Store("memory://watch"))
    watch.look()
    watch.file.write_bytes(b"12")
    watch.look()
    run = watch.instance.create_run_for_job(
        definitions.resolve_job_def(job), status=status, tags={"dagster/partition": "21d|ridge"}
    )

    requests, reason = watch.look()

    assert (requests == []) == waits
    assert (f"waits for run {run.run_id} to end" in reason) == waits


def test_run_of_assets_chosen_by_hand_is_waited_for(watch: Watch) -> None:
    watch.look()
    watch.file.write_bytes(b"12")
    watch.look()
    definitions = build_definitions(watch.config, Store("memory://watch"))
    job = definitions.resolve_implicit_global_asset_job_def()
    watch.instance.create_run_for_job(
        job,
        asset_selection={watch.region.key("labels")},
        status=dg.DagsterRunStatus.STARTED,
    )

    assert "waits for run" in watch.look()[1]


def test_unreadable_path_is_a_reason_and_forgets_nothing(watch: Watch) -> None:
    watch.look()
    watch.file.unlink()
    requests, reason = watch.look()
    assert requests == []
    assert "bars.parquet: no such file" in reason

    watch.file.write_bytes(b"12")

    assert "changed" in watch.look()[1]


def test_only_regions_with_files_are_watched_and_the_watch_is_off(watch: Watch) -> None:
    synthetic = Region("us", small_config(), Store("memory://watch"))

    assert not has_input_files(synthetic)
    assert has_input_files(watch.region)
    repository = build_definitions(watch.config, watch.region.store).get_repository_def()
    sensor = repository.get_sensor_def("us_market_data_changed")
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
    names = {
        sensor.name for sensor in build_definitions(small_config(), watch.region.store).sensors
    }
    assert names == {"us_nightly", "dead_runs", "lost_runs"}
