"""Two nights with other parameters, and back: through the command, on a real instance."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result

from model2_assets import load_oof
from model2_assets.cli.main import main
from model2_assets.defs.region import job_name
from model2_assets.storage import Address, Store
from model2_assets_tests.defs.conftest import Trained
from model2_assets_tests.defs.small_region import (
    SMALL_REGION,
    SMALL_XGBOOST,
    Workbench,
    real_instance,
    small_config,
)
from model2_assets_tests.sample_tables import OF_PARTITIONS

pytestmark = pytest.mark.end_to_end

KEY = "21d|ridge"
OOF = Address("us", "oof_predictions", "21d", "ridge")
RESTORED = (*OF_PARTITIONS, "tear_sheet")
SECOND_NIGHT = {
    "ridge": {"params": {"alpha": 123.0}},
    "xgboost": {"params": SMALL_XGBOOST},
}


@pytest.fixture
def bench(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """Return a copy of the trained workbench, which the commands use by default."""
    home = tmp_path / "dagster_home"
    shutil.copytree(str(trained.bench.store.base), tmp_path / "data")
    shutil.copytree(trained.bench.instance.root_directory, home)
    config = tmp_path / "second_night.yaml"
    config.write_text(yaml.safe_dump({"regions": {"us": SMALL_REGION}, "models": SECOND_NIGHT}))
    for name, value in (
        ("DAGSTER_HOME", home),
        ("MODEL2_STORAGE", tmp_path / "data"),
        ("MODEL2_CONFIG", config),
    ):
        monkeypatch.setenv(name, str(value))
    with real_instance(home) as instance:
        store = Store(str(tmp_path / "data"))
        yield Workbench(small_config(models=SECOND_NIGHT, reports={}), store, instance)


def train(bench: Workbench) -> None:
    job = bench.definitions.resolve_job_def(job_name("us", "training"))
    assert job.execute_in_process(instance=bench.instance, partition_key=KEY).success


def run(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=answer)


def roll_back(version: str, *options: str, answer: str | None = None) -> Result:
    where = ("--region", "us", "--horizon", "21d", "--model", "ridge")
    return run("rollback", *where, *options, version, answer=answer)


def latest(bench: Workbench, asset: str) -> dg.AssetMaterialization:
    wanted = dg.AssetRecordsFilter(bench.key(asset), asset_partitions=[KEY])
    (record,) = bench.instance.fetch_materializations(wanted, limit=1).records
    assert record.asset_materialization is not None
    return record.asset_materialization


def provenance(made: dg.AssetMaterialization) -> dict[str, str]:
    kinds = ("dagster/code_version", "dagster/input_", "dagster/data_version")
    return {name: value for name, value in (made.tags or {}).items() if name.startswith(kinds)}


def files_of(bench: Workbench) -> dict[str, bytes]:
    return {asset: bench.store.entry_file(address_of(asset)).read_bytes() for asset in RESTORED}


def address_of(asset: str) -> Address:
    return Address("us", asset, "21d", "ridge")


def stored_models_check(bench: Workbench) -> Any:
    key = dg.AssetCheckKey(bench.key("oof_predictions"), "stored_models_reproduce_oof")
    everything = bench.definitions.resolve_implicit_global_asset_job_def()
    job = everything.get_subset(asset_selection=set(), asset_check_selection={key})
    result = job.execute_in_process(instance=bench.instance, partition_key=KEY)
    (evaluation,) = result.get_asset_check_evaluations()
    return evaluation


def test_rollback_returns_to_the_first_night_to_the_bit_and_the_next_retrain_works(
    bench: Workbench,
) -> None:
    first_files, first = files_of(bench), load_oof("us", "21d", "ridge")
    first_events = {asset: latest(bench, asset) for asset in RESTORED}
    train(bench)
    second_files, second = files_of(bench), load_oof("us", "21d", "ridge")
    version, other = (frame.attrs["provenance"]["data_version"] for frame in (first, second))
    assert version != other
    assert all(first_files[asset] != second_files[asset] for asset in RESTORED)

    drift = bench.check_records("oof_predictions", "oof_drift")[0].evaluation
    assert drift.metadata["common_rows"].value == len(first)
    difference = (first["prediction"] - second["prediction"]).abs().max()
    assert drift.metadata["largest_difference_bps"].value == pytest.approx(difference)

    shown = run("versions", "--horizon", "21d", "--model", "ridge")
    assert shown.exit_code == 0, shown.output
    newest, oldest = (line for line in shown.output.splitlines() if re.search(r"\d:\d\d ", line))
    assert newest.split()[:2] == [other[:12], "current"]
    assert oldest.split()[0] == version[:12]

    refused = roll_back(version[:8], answer="n\n")
    assert refused.exit_code == 1
    assert files_of(bench) == second_files

    done = roll_back(version[:8], "--yes")

    assert done.exit_code == 0, done.output
    assert "left as it is" not in done.output
    assert files_of(bench) == first_files
    pd.testing.assert_frame_equal(load_oof("us", "21d", "ridge"), first, check_exact=True)
    pd.testing.assert_frame_equal(
        load_oof("us", "21d", "ridge", version=other[:6]), second, check_exact=True
    )
    assert stored_models_check(bench).passed
    for asset, before in first_events.items():
        now = latest(bench, asset)
        assert provenance(now) == provenance(before)
        assert now.metadata["rolled_back_to"].value == now.tags["dagster/data_version"]
        assert set(before.metadata) <= set(now.metadata)

    train(bench)
    pd.testing.assert_frame_equal(load_oof("us", "21d", "ridge"), second, check_exact=True)
    assert len(bench.store.archive.versions(OOF)) == 2
