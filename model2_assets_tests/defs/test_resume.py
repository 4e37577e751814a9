"""An interrupted step goes on with the folds that it had finished, in Dagster's own runs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from model2_assets.checks.models import FoldModelsChecks
from model2_assets.defs.region import job_name
from model2_assets.storage import Address, Store
from model2_assets_tests.defs.small_region import Workbench, small_config, workbench
from model2_assets_tests.sample_tables import mark
from model2_assets_tests.training.interrupted import interrupted_after
from model2_assets_tests.training.panels import make_tables
from model2_assets_tests.training.stored_tables import mark_splits

pytestmark = pytest.mark.end_to_end

PARTITION = "21d|ridge"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """Yield a workbench with tables that models can be fitted on."""
    config = small_config(models={"xgboost": None}, execution={"n_jobs": 2})
    bench = workbench(tmp_path_factory.mktemp("resume"), config)
    features, labels, cv_splits = make_tables()
    labels["forward_return_21d"] = labels["label_21d"]
    labels["label_end_21d"] = labels.index.get_level_values("datetime") + pd.Timedelta(days=2)
    features, labels = mark(features), mark(labels)
    tables = {
        "features": features,
        "labels": labels,
        "cv_splits": mark_splits(cv_splits, features, labels),
    }
    for asset, table in tables.items():
        bench.store.write(Address("us", asset), table)
    with bench.instance:
        yield bench


def run(bench: Workbench) -> Any:
    return bench.definitions.resolve_job_def(job_name("us", "training")).execute_in_process(
        instance=bench.instance,
        partition_key=PARTITION,
        asset_selection=[bench.key("fitted_models")],
        raise_on_error=False,
    )


def kept(bench: Workbench) -> list[Path]:
    folder = bench.store.working_files("us").folder
    assert folder is not None
    return sorted((folder / "fold_checkpoints").rglob("*.json"))


def materialization(result: Any) -> dg.AssetMaterialization:
    (event,) = result.get_asset_materialization_events()
    return event.materialization


def reused(result: Any) -> int:
    return int(materialization(result).metadata["folds_reused"].value)


def data_version(result: Any) -> str:
    return (materialization(result).tags or {})["dagster/data_version"]


def log_of(bench: Workbench, result: Any) -> list[str]:
    return [entry.user_message for entry in bench.instance.all_logs(result.run_id)]


def test_interrupted_run_is_resumed_and_says_so_and_the_next_one_trains_anew(
    prepared: Workbench,
) -> None:
    with interrupted_after(2):
        run(prepared)
    assert len(kept(prepared)) == 2

    resumed = run(prepared)

    assert resumed.success
    assert reused(resumed) == 2
    lines = [line for line in log_of(prepared, resumed) if " reused: an interrupted run" in line]
    assert len(lines) == 2
    assert kept(prepared) == []
    anew = run(prepared)
    assert reused(anew) == 0
    assert data_version(anew) == data_version(resumed)
    assert kept(prepared) == []


def test_result_that_could_not_be_written_leaves_its_folds_to_the_next_run(
    prepared: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Store, "write", no_space)
    assert not run(prepared).success
    monkeypatch.undo()
    assert len(kept(prepared)) == 5
    resumed = run(prepared)
    assert reused(resumed) == 5
    assert kept(prepared) == []


def test_rejected_candidate_leaves_nothing(
    prepared: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = FoldModelsChecks.complete
    monkeypatch.setattr(
        FoldModelsChecks,
        "complete",
        lambda subject: replace(complete(subject), passed=False, description="planted"),
    )
    with interrupted_after(2):
        run(prepared)
    rejected = run(prepared)
    assert not rejected.success
    assert (prepared.store.base / ".rejected" / "us" / "fitted_models").exists()
    assert kept(prepared) == []
