"""What else can go wrong where a candidate is checked, and what does not keep it back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from model2_assets.checks import Finding
from model2_assets.checks.inputs import MarketDataChecks
from model2_assets.defs.retrain import PlannedRun, run_result
from model2_assets.storage import Address, Store
from model2_assets_tests.defs.small_region import SMALL_REGION, Workbench, small_config

pytestmark = pytest.mark.end_to_end

PANEL = Address("us", "market_data")


def with_bars(*, seed: int, **settings: Any) -> Any:
    bars = {"source": "synthetic", "params": {"n_instruments": 3, "n_dates": 90, "seed": seed}}
    return small_config(regions={"us": {**SMALL_REGION, "market_data": {**bars, **settings}}})


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    """Yield a bench with good market data."""
    with dg.DagsterInstance.ephemeral() as instance:
        bench = Workbench(with_bars(seed=1), Store(str(tmp_path / "data")), instance)
        assert load_bars(bench).success
        yield bench


def load_bars(bench: Workbench) -> dg.ExecuteInProcessResult:
    job = bench.definitions.resolve_implicit_global_asset_job_def()
    return job.get_subset(asset_selection={bench.key("market_data")}).execute_in_process(
        instance=bench.instance, raise_on_error=False
    )


def test_a_candidate_that_cannot_be_put_aside_is_refused_all_the_same(bench: Workbench) -> None:
    before = bench.store.path(PANEL).read_bytes()
    (bench.store.base / ".rejected").write_text("a file where the folder should be")

    result = load_bars(bench.with_config(with_bars(seed=2, max_age_weekdays=0)))

    assert not result.success
    assert bench.store.path(PANEL).read_bytes() == before
    found = {e.check_name: e for e in result.get_asset_check_evaluations()}
    assert found["contract"].passed
    assert not found["fresh"].passed
    lost = str(found["fresh"].metadata["rejected_candidate_lost"].value)
    assert lost.startswith("us/market_data.parquet: the rejected candidate could not be kept: ")
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "check fresh: last session" in str(failure.step_failure_data.user_failure_data)


def test_a_check_that_raises_publishes_nothing_and_lets_no_check_pass(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bench.store.path(PANEL).read_bytes()

    def broken(_: Any) -> Finding:
        raise ZeroDivisionError("a fault in the check")

    monkeypatch.setattr(MarketDataChecks, "fresh", broken)

    result = load_bars(bench.with_config(with_bars(seed=2)))

    assert not result.success
    assert bench.store.path(PANEL).read_bytes() == before
    assert [e.check_name for e in result.get_asset_check_evaluations() if e.passed] == []
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "a fault in the check" in str(failure.step_failure_data.error)


def test_a_check_of_level_warn_is_counted_and_keeps_nothing_back(bench: Workbench) -> None:
    before = bench.store.path(PANEL).read_bytes()

    result = load_bars(bench.with_config(with_bars(seed=2)))

    run = run_result(result, bench.instance, PlannedRun("us", "preparation"), seconds=0.0)
    (warning,) = run.warnings
    assert warning.startswith("check history_unchanged of us/market_data: ")
    assert (run.status, result.success) == ("passed", True)
    assert bench.store.path(PANEL).read_bytes() != before
    assert not (bench.store.base / ".rejected").exists()
