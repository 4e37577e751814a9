"""A few retrains in one process leave nothing behind, by the code that watches hundreds."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from model2_assets.cli.main import main
from model2_assets.config import load_config
from model2_assets.defs.assets import asset_names
from model2_assets.defs.build import build_definitions
from model2_assets.defs.recorded import outdated, partition_problems
from model2_assets.defs.region import Region
from model2_assets.storage import Address, Store
from model2_assets_tests.defs.small_region import built_region
from model2_assets_tests.long_run.figures import NAMES, Figures
from model2_assets_tests.long_run.growth import TOLERANCES, all_growths, growth_of, table_of
from model2_assets_tests.long_run.region import FIRST_NIGHT_DATES, GrowingRegion
from model2_assets_tests.long_run.retrains import retrain_often


@dataclass(frozen=True)
class Retrained:
    """A region after three retrains, and what was counted after each."""

    growing: GrowingRegion
    figures: tuple[Figures, Figures, Figures]

    @property
    def region(self) -> Region:
        config = load_config(self.growing.environment["MODEL2_CONFIG"])
        return built_region("us", config, Store(self.growing.environment["MODEL2_STORAGE"]))

    def prune(self, *options: str) -> str:
        environment = self.growing.environment
        result = CliRunner().invoke(main, ["prune-runs", *options], env=environment)
        assert result.exit_code == 0, result.output
        return result.output


@pytest.fixture(scope="module")
def retrained(tmp_path_factory: pytest.TempPathFactory) -> Retrained:
    growing = GrowingRegion(tmp_path_factory.mktemp("long_run") / "region")
    first, second, third = retrain_often(growing, 3, pictures=False, keep_versions=1)
    return Retrained(growing, (first, second, third))


@pytest.mark.services
def test_retrains_in_one_process_leave_nothing_behind(retrained: Retrained) -> None:
    first, second, third = retrained.figures

    assert first.temporary_files == second.temporary_files == third.temporary_files == 0
    assert third.open_files <= second.open_files
    assert third.rejected == 0
    for name in ("results", "versions", "working"):
        assert getattr(third, name) == getattr(second, name), name
    # Two generations of five fold models and a final one, and two manifests.
    assert third.models <= 2 * 6 + 2
    assert second.versions > first.versions
    grown = second.log_rows - first.log_rows
    assert third.log_rows - second.log_rows == pytest.approx(grown, abs=9)
    features = retrained.region.store.read(Address("us", "features"))
    assert features.index.get_level_values("datetime").nunique() == FIRST_NIGHT_DATES + 2 - 20


@pytest.mark.services
def test_a_pruned_region_is_current_and_goes_on(retrained: Retrained) -> None:
    region = retrained.region
    with dg.DagsterInstance.from_config(retrained.growing.environment["DAGSTER_HOME"]) as instance:
        before = latest_of(instance, region)
        assert "days: 0 deleted" in retrained.prune()
        grow_old(instance)

        printed = retrained.prune("--keep-days", "90")

        assert "runs older than 90 days: 6 deleted, 3 stay" in printed
        assert len(instance.get_runs()) == 3
        assert latest_of(instance, region) == before
        results = region.results(instance)
        assert partition_problems(results) == {}
        assert (
            outdated(results, [region.key(name) for name in asset_names(region, "summary")], None)
            == {}
        )
        jobs = build_definitions(region.config, region.store)
        preparation = jobs.resolve_job_def("us_preparation")
        assert preparation.execute_in_process(instance=instance).success
        # Of the three, the preparation has been superseded now.
        assert "days: 1 would be deleted, 2 stay" in retrained.prune("--dry-run")
        assert len(instance.get_runs()) == 4


def latest_of(instance: dg.DagsterInstance, region: Region) -> dict[Any, Any]:
    results = region.results(instance)
    return {
        (key, partition): results.latest(key, partition)
        for key in region.specs
        for partition in results.partitions_of(key)
    }


def grow_old(instance: dg.DagsterInstance) -> None:
    """Date all runs back by a hundred days."""
    runs = Path(instance.root_directory) / "history" / "runs.db"
    older = "UPDATE runs SET update_timestamp = datetime(update_timestamp, '-100 days')"
    with closing(sqlite3.connect(runs)) as connection, connection:
        connection.execute(older)


def test_steady_growth_is_found_and_a_spike_is_not() -> None:
    steady = [400e6 + 150_000 * number for number in range(100)]
    spike = [400e6 if number != 80 else 900e6 for number in range(100)]
    warming_up = [*range(0, 50), *([50] * 51)]

    assert growth_of("rss", steady).is_leak
    assert growth_of("rss", steady).slope == pytest.approx(150_000)
    assert not growth_of("rss", spike).is_leak
    assert not growth_of("open_files", warming_up).is_leak
    assert growth_of("open_files", list(range(100))).is_leak
    assert not growth_of("log_bytes", list(range(100))).is_leak
    assert not growth_of("open_files", list(range(19))).is_leak


def test_table_names_what_grows() -> None:
    taken = [
        Figures(
            **{field.name: 5 for field in fields(Figures) if field.name != "threads"}, threads=n
        )
        for n in range(24)
    ]

    lines = table_of(all_growths(taken, NAMES)).splitlines()

    assert [line for line in lines if "**grows**" in line] == [
        "| threads | 0 | 12 | 23 | 1 | 0.02 | **grows** |"
    ]
    assert len(lines) == 2 + len(NAMES)


def test_everything_but_sizes_and_the_log_is_judged() -> None:
    measured = set(NAMES) - set(TOLERANCES)

    assert measured == {
        "store_bytes",
        "log_bytes",
        "log_rows",
        "run_bytes",
        "run_count",
        "compute_log_files",
    }
