"""Market data of two nights: the second restates the past, then is too old."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from model2_assets.checks.stored import StoredFiles, evaluate_stored
from model2_assets.market_data import synthetic_panel
from model2_assets.storage import Address
from model2_assets_tests.defs.small_region import Workbench, small_config, small_region, workbench

pytestmark = pytest.mark.end_to_end


def config(file: Path, **settings: object) -> object:
    source = {"source": "parquet", "path": str(file), **settings}
    return small_config(regions=small_region(market_data=source))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bars.parquet"


@pytest.fixture
def bench(tmp_path: Path, file: Path) -> Iterator[Workbench]:
    bench = workbench(tmp_path, config(file))
    with bench.instance:
        yield bench


def materialize(bench: Workbench) -> bool:
    everything = bench.definitions.resolve_implicit_global_asset_job_def()
    job = everything.get_subset(asset_selection={bench.key("market_data")})
    return job.execute_in_process(instance=bench.instance, raise_on_error=False).success


def outcome(bench: Workbench, check: str) -> tuple[bool, str]:
    evaluation = bench.check_records("market_data", check)[0].evaluation
    return evaluation.passed, evaluation.description


def test_restated_history_warns_and_old_data_are_refused(bench: Workbench, file: Path) -> None:
    bars = synthetic_panel(n_instruments=3, n_dates=80, seed=4).reset_index()
    bars[["instrument", "datetime", "close"]].to_parquet(file)
    assert materialize(bench)
    assert outcome(bench, "history_unchanged") == (True, "there is no market_data before this one")
    assert outcome(bench, "fresh")[0]

    second = bars.copy()
    restated, split = sorted(set(bars["instrument"]))[:2]
    second.loc[second.index[second["instrument"] == restated][10], "close"] *= 1.5
    second.loc[second["instrument"] == split, "close"] *= 0.5
    second[["instrument", "datetime", "close"]].to_parquet(file)
    assert materialize(bench)

    passed, description = outcome(bench, "history_unchanged")
    assert not passed
    assert f"1 past closes of 1 instruments were restated, first {restated} " in description
    assert f"split of {split}: closes × 0.5" in description

    before = bench.read("market_data")
    bars[["instrument", "datetime", "close"]].to_parquet(file)
    strict = bench.with_config(config(file, max_age_weekdays=3))
    assert not materialize(strict)

    passed, description = outcome(bench, "fresh")
    assert not passed
    assert "weekdays old on" in description
    assert "allowed are 3: update the source" in description
    pd.testing.assert_frame_equal(bench.read("market_data"), before)
    stored = StoredFiles(strict.config, "us", store=strict.store)
    assert [o.name for o in evaluate_stored(stored, "market_data") if not o.passed] == ["fresh"]

    Path(str(bench.store.path(Address("us", "market_data")))).write_bytes(b"PAR1 damaged PAR1")
    assert materialize(bench)
    passed, description = outcome(bench, "history_unchanged")
    assert passed
    assert description.startswith("the market_data before cannot be read (")
