"""Every check of every asset is made to fail, and the last good result stays."""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import pytest

from model2_assets.config import parse_config
from model2_assets.defs.build import build_definitions
from model2_assets.storage import Store
from model2_assets_tests.planted_failures.catalogue import CASES, LETS_PUBLISH
from model2_assets_tests.planted_failures.field import one_region
from model2_assets_tests.planted_failures.trial import Trial
from model2_assets_tests.planted_failures.verdict import Verdict, published_files, table_of

pytestmark = pytest.mark.end_to_end


def declared_checks() -> dict[tuple[str, str], bool]:
    """Return every check of a region with everything switched on, and whether it is blocking."""
    config = parse_config(one_region("us", after=False, drawings=True))
    graph = build_definitions(config, Store("memory://nothing")).resolve_asset_graph()
    return {
        (key.asset_key.path[-1], key.name): graph.get(key).blocking
        for key in graph.asset_check_keys
    }


def test_every_check_that_can_keep_a_candidate_back_has_a_planted_failure() -> None:
    checks = declared_checks()
    planted = [(case.asset, case.check) for case in CASES]
    assert len(planted) == len(set(planted))
    assert set(planted) | set(LETS_PUBLISH) == set(checks)
    assert not set(planted) & set(LETS_PUBLISH)
    blocking = {key for key, is_blocking in checks.items() if is_blocking}
    assert blocking == {*planted, ("oof_predictions", "stored_models_reproduce_oof")}


@dataclass(frozen=True)
class Tried:
    """What became of all planted failures."""

    successes: list[bool]
    verdicts: list[Verdict]


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    folder = tmp_path_factory.mktemp("planted")
    trial = Trial.prepare(folder / "grown", folder / "data", CASES)
    before = published_files(trial.base)
    with dg.DagsterInstance.ephemeral() as instance:
        successes = trial.run_in_process(instance)
        yield Tried(successes, trial.judge(instance, before))


def test_the_last_good_result_stays_whichever_check_fails(tried: Tried) -> None:
    assert tried.successes == [False] * 3
    assert len(tried.verdicts) == len(CASES)
    assert all(verdict.held for verdict in tried.verdicts), table_of(tried.verdicts)
