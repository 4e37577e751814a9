"""Which tests run first, which run in the same process, and what none leaves behind."""

import gc
import logging
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from model2_assets.logging import PACKAGE_LOGGER
from model2_assets_tests.kept_engines import keep_engines

# A busy machine is no failure.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")

LONGEST = (
    "test_backfill.py",
    "test_daemon.py",
    "test_commands.py",
    "test_faults.py",
    "test_planted_failures.py",
)
"""Files that take minutes, since they wait for a daemon or start one process after another."""

USE_TRAINED = (
    "test_asset_pages.py",
    "test_controls.py",
    "test_end_to_end.py",
    "test_leaderboard.py",
    "test_live.py",
    "test_reports.py",
    "test_rollback.py",
    "test_stacking_example.py",
    "test_recorded.py",
)
"""Files of `defs` that use its dearest fixture; one process runs them all, and makes it once."""


class ByFixture(LoadScopeScheduling):
    """Gives a worker a whole file, or all files that use the dearest fixture."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        return "trained" if Path(file).name in USE_TRAINED and "/defs/" in file else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFixture | None:
    """Let ``--dist loadscope`` go by files and the dearest fixture."""
    return ByFixture(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the collector of garbage from going through thousands of tests again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first, then those that share the dearest fixture."""
    others = {
        item.path.name
        for item in items
        if "trained" in getattr(item, "fixturenames", ()) and item.path.parent.name == "defs"
    }.difference(USE_TRAINED)
    if others:
        raise pytest.UsageError(f"add to USE_TRAINED in conftest.py: {', '.join(sorted(others))}")
    items.sort(key=lambda item: (item.path.name not in LONGEST, item.path.name not in USE_TRAINED))


@pytest.fixture(scope="session", autouse=True)
def engines(request: pytest.FixtureRequest) -> None:
    """Keep the engines of Dagster's databases where tests run the graph, or the shell at all."""
    items = request.session.items
    kinds = {mark.name for item in items for mark in item.iter_markers()}
    if kinds & {"end_to_end", "services"} or any(i.path.parent.name == "defs" for i in items):
        keep_engines()


@pytest.fixture(autouse=True)
def package_logger() -> Iterator[None]:
    """Set the logger back that commands, and fixtures of modules, direct to a standard error."""
    logger = logging.getLogger(PACKAGE_LOGGER)
    logger.handlers, logger.level, logger.propagate = [], logging.NOTSET, True
    yield
    logger.handlers, logger.level, logger.propagate = [], logging.NOTSET, True


@pytest.fixture(autouse=True)
def environment_variables() -> Iterator[None]:
    """Set variables back that commands set for their process, such as that of ``--config``."""
    kept = _our_variables()
    yield
    for name in _our_variables().keys() - kept.keys():
        del os.environ[name]
    os.environ.update(kept)


def _our_variables() -> dict[str, str]:
    ours = ("MODEL2_", "DAGSTER_HOME")
    return {name: value for name, value in os.environ.items() if name.startswith(ours)}
