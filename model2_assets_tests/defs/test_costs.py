"""Costs of steps: measured around a body, and read back from the event log."""

import time
from collections.abc import Iterator

import dagster as dg
import numpy as np

from model2_assets.defs.recorded import recorded_costs
from model2_assets.defs.steps import measured
from model2_assets.storage import Store
from model2_assets.training.resources import total_costs
from model2_assets_tests.defs.recorded_events import RecordedEvents
from model2_assets_tests.defs.small_region import built_region, small_config

MEGABYTES = 300


def test_a_body_says_what_it_cost_until_it_hands_its_result_on() -> None:
    @measured
    def body(context: object) -> Iterator[object]:
        np.ones(MEGABYTES * 1_000_000 // 8).sum()
        yield dg.MaterializeResult(metadata={"rows": 3}, data_version=dg.DataVersion("v"))
        time.sleep(0.05)
        yield dg.AssetCheckResult(passed=True, check_name="good")

    started = time.monotonic()
    result, check = body(None)
    elapsed = time.monotonic() - started

    assert isinstance(result, dg.MaterializeResult)
    assert result.data_version == dg.DataVersion("v")
    assert result.metadata is not None
    assert set(result.metadata) == {"rows", "seconds", "peak_rss_mb"}
    assert 0 < result.metadata["seconds"] <= (elapsed - 0.05) * (1 + 1e-5)
    assert result.metadata["peak_rss_mb"] > MEGABYTES
    assert isinstance(check, dg.AssetCheckResult)


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
    total = total_costs(found)
    assert (total.hours, total.peak_rss_gb) == (14 / 3600, 0.5)
    assert "fitted_models (3 partitions)" in total.unknown
    assert "market_data" in total.unknown
