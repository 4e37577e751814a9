"""What becomes of a declared body: it is run, measured, checked and published."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd

from model2_assets.checks import Finding
from model2_assets.defs.assets.prepare import market_data
from model2_assets.defs.publication import Candidate, Step
from model2_assets.defs.region import IO_MANAGER_KEY, Region
from model2_assets.defs.steps import lock_key, region_lock
from model2_assets.storage import Store
from model2_assets_tests.defs.small_region import small_config

MEGABYTES = 300


class AllHolds:
    """Checks of any name, which hold."""

    def __getattr__(self, name: str) -> Callable[..., Finding]:
        return lambda *_: Finding(True, name)


class SlowDisk(dg.IOManager):
    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        time.sleep(1)

    def load_input(self, context: dg.InputContext) -> object:
        raise NotImplementedError


def test_a_body_says_what_it_cost_until_it_hands_its_result_on(tmp_path: Path) -> None:
    def body(_step: Step) -> Candidate:
        np.ones(MEGABYTES * 1_000_000 // 8).sum()
        return Candidate([1, 2, 3], AllHolds(), {"rows": 3}, data_version="v")

    body.__name__ = "market_data"
    region = Region("us", small_config(), Store(tmp_path))
    asset = replace(market_data, body=body).build(region)
    resources = {IO_MANAGER_KEY: SlowDisk(), lock_key("us"): region_lock(region)}

    started = time.monotonic()
    result = dg.materialize([asset], resources=resources)
    elapsed = time.monotonic() - started

    (made,) = result.asset_materializations_for_node("us__market_data")
    costs = {name: entry.value for name, entry in made.metadata.items()}
    assert made.tags is not None
    assert made.tags["dagster/data_version"] == "v"
    assert set(costs) == {"rows", "dagster/row_count", "seconds", "peak_rss_mb"}
    assert 0 < costs["seconds"] <= (elapsed - 1) * (1 + 1e-5)
    assert costs["peak_rss_mb"] > MEGABYTES
    assert all(found.passed for found in result.get_asset_check_evaluations())


def test_what_all_models_share_is_worked_out_once_a_version_of_its_inputs(tmp_path: Path) -> None:
    calls: list[str] = []
    found: list[float] = []

    def body(step: Step) -> Candidate:
        for version in ("a", "a", "b"):

            def work_out(version: str = version) -> pd.DataFrame:
                calls.append(version)
                return pd.DataFrame({"rank_ic": [len(calls) / 3]}, ["KMID"])

            shared = step.worked_out_once("shared", {"features": version}, work_out)
            found.append(shared.loc["KMID", "rank_ic"])
        return Candidate([1], AllHolds(), data_version="v")

    body.__name__ = "market_data"
    region = Region("us", small_config(), Store(tmp_path))
    asset = replace(market_data, body=body).build(region)
    resources = {IO_MANAGER_KEY: dg.mem_io_manager, lock_key("us"): region_lock(region)}
    dg.materialize([asset], resources=resources)
    assert (calls, found) == (["a", "b"], [1 / 3, 1 / 3, 2 / 3])
