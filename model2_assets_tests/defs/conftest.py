from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from model2_assets.defs.retrain import RunResult
from model2_assets_tests.defs.gate_bench import GateBench, Good, messages
from model2_assets_tests.defs.small_region import Workbench, small_config, workbench


@dataclass(frozen=True)
class Trained:
    """A workbench after one retrain; tests only look at it."""

    bench: Workbench
    runs: list[RunResult]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    bench = workbench(tmp_path_factory.mktemp("trained"), small_config(reports={}))
    with bench.instance:
        yield Trained(bench, bench.retrain())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    bench = workbench(tmp_path, small_config())
    with bench.instance:
        yield bench


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Good:
    bench = GateBench.open(tmp_path_factory.mktemp("gate"))
    result = bench.run("retrain", "--gate")
    return Good(bench, result, bench.document(), messages(bench))


@pytest.fixture
def gate(good: Good) -> GateBench:
    assert good.result.exit_code == 0, good.result.output
    return good.bench
