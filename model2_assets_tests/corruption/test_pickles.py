"""Pickles that a writer of the store put in place, and what Dagster's paths do with them."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from model2_assets.cli.main import roll_back
from model2_assets.defs.recorded import EventLog, target_of
from model2_assets.errors import StoreError
from model2_assets.storage import Address, Store
from model2_assets_tests.corruption.bombs import plant
from model2_assets_tests.defs.small_region import (
    Workbench,
    real_instance,
    small_config,
    small_region,
)
from model2_assets_tests.storage.records import forge_record

pytestmark = pytest.mark.end_to_end

TRAINER = "model2_assets_tests.defs.plugged_in:ElasticNetTrainer"
KEY = "5d|net"
MODELS = Address("us", "fitted_models", "5d", "net")
PREPARATION = ("market_data", "labels", "features", "cv_splits")
DERIVED = ("oof_predictions", "oof_paths", "feature_importance", "cv_scores")
CONFIG: dict[str, Any] = {
    "regions": small_region(
        market_data={"source": "synthetic", "params": {"n_instruments": 6, "n_dates": 220}},
        labels={"horizons": [5]},
        cross_validation={"n_groups": 3},
    ),
    "models": {
        "ridge": None,
        "xgboost": None,
        "net": {"trainer": TRAINER, "params": {"alpha": 5.0}},
    },
    "checks": {"lookahead_control_dates": 1},
}


@dataclass(frozen=True)
class Bench:
    """A store with pickled models, the instance that made them, and a file that a bomb writes."""

    work: Workbench
    crater: Path

    @property
    def definitions(self) -> dg.Definitions:
        return self.work.definitions

    def materialize(self, *assets: str, partition: str | None = KEY) -> str:
        """Run assets; return what failed, empty if nothing did."""
        chosen = {self.work.key(asset) for asset in assets}
        job = self.definitions.resolve_implicit_global_asset_job_def()
        result = job.get_subset(asset_selection=chosen).execute_in_process(
            instance=self.work.instance, partition_key=partition, raise_on_error=False
        )
        failures = [event.step_failure_data for event in result.get_step_failure_events()]
        return "\n".join(
            failure.user_failure_data.description if failure.user_failure_data else str(failure)
            for failure in failures
        )

    def check(self, asset: str, name: str) -> Any:
        key = dg.AssetCheckKey(self.work.key(asset), name)
        job = self.definitions.resolve_implicit_global_asset_job_def()
        chosen = job.get_subset(asset_selection=set(), asset_check_selection={key})
        result = chosen.execute_in_process(
            instance=self.work.instance, partition_key=KEY, raise_on_error=False
        )
        (evaluation,) = result.get_asset_check_evaluations()
        return evaluation

    @property
    def manifest(self) -> Path:
        return Path(str(self.work.store.entry_file(MODELS)))

    def plant(self) -> None:
        """Plant bombs, a manifest that names them, and the record of that."""
        plant(self.manifest, self.manifest.parent, self.crater)
        forge_record(self.work.store, MODELS, self.manifest.read_bytes())


def opened(folder: Path) -> Workbench:
    store = Store(str(folder / "data"))
    return Workbench(small_config(**CONFIG), store, real_instance(folder / "home"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pickles")
    bench = Bench(opened(folder), folder / "crater")
    with bench.work.instance:
        assert bench.materialize(*PREPARATION, partition=None) == ""
        assert bench.materialize("fitted_models", *DERIVED) == ""
    return folder


@pytest.fixture
def bench(trained: Path, tmp_path: Path) -> Iterator[Bench]:
    for part in ("home", "data"):
        shutil.copytree(trained / part, tmp_path / part)
    bench = Bench(opened(tmp_path), tmp_path / "crater")
    with bench.work.instance:
        yield bench


def test_planted_pickle_is_never_run_by_dagster_and_the_next_retrain_heals(bench: Bench) -> None:
    recorded = EventLog(bench.work.instance)(MODELS)
    assert recorded is not None
    bench.plant()
    planted = bench.work.store.open_models(MODELS).sha256

    failure = bench.materialize("oof_predictions")

    assert failure == (
        f"{bench.manifest}: has sha256 {planted[:12]}…, Dagster recorded "
        f"{recorded.manifest_sha256[:12]}… when it was last materialized here, so no pickle is "
        f"read; materialize fitted_models again"
    )
    reproduced = bench.check("oof_predictions", "stored_models_reproduce_oof")
    assert not reproduced.passed
    assert failure in reproduced.description
    stored = bench.check("fitted_models", "stored")
    assert not stored.passed
    assert "recorded: " in stored.description
    assert not bench.crater.exists()

    assert bench.materialize("fitted_models", "oof_predictions") == ""
    assert not bench.crater.exists()


def test_instance_without_a_record_goes_by_the_manifest_alone(
    bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench.plant()
    with real_instance(tmp_path / "elsewhere") as stranger:
        abroad = Bench(Workbench(bench.work.config, bench.work.store, stranger), bench.crater)
        failure = abroad.materialize("oof_predictions")
        (run,) = stranger.get_runs()
        logged = [entry.user_message for entry in stranger.all_logs(run.run_id)]

    assert "cannot be read as model2_assets_tests.defs.plugged_in:ElasticNetTrainer" in failure
    assert bench.crater.exists(), "the bomb works, so that the other tests show something"
    assert any("so it alone vouches for the pickles" in line for line in logged)


def test_rollback_records_what_it_brings_back_and_brings_no_planted_pickle_back(
    bench: Bench,
) -> None:
    instance = bench.work.instance
    store = Store(str(bench.work.store.base), keep_versions=5, trainers=[TRAINER])
    predictions = Address("us", "oof_predictions", "5d", "net")
    (version,) = store.archive.versions(predictions)
    first = EventLog(instance)(MODELS)

    roll_back(store, predictions, version.short, instance, is_confirmed=True)

    assert len(EventLog(instance).materializations(*target_of(MODELS), limit=9)) == 2
    assert EventLog(instance)(MODELS) == first

    (kept,) = store.archive.versions(MODELS)
    file = Path(str(store.archive.path(MODELS, kept)))
    plant(file, bench.manifest.parent, bench.crater)
    forged = forge_record(store, MODELS, file.read_bytes(), kept=True)
    file = file.rename(str(store.archive.path(MODELS, forged)))
    with pytest.raises(StoreError) as refused:
        roll_back(store, predictions, version.short, instance, is_confirmed=True)

    assert str(refused.value) == (
        f"{file}: Dagster recorded no manifest of sha256 {forged.sha256[:12]}… here, so its "
        f"pickles are not restored; choose another version, or retrain"
    )
    assert bench.materialize("oof_predictions") == ""
    assert not bench.crater.exists()
