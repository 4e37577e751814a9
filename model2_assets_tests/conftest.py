"""Which tests run first, which run in the same process, and what none leaves behind."""

import logging
from collections.abc import Iterator

import pytest

from model2_assets.logging import PACKAGE_LOGGER

LONGEST = ("test_backfill.py", "test_daemon.py", "test_commands.py")
"""Files that take minutes, since they wait for a daemon or start one process after another."""

SHARED = ("trained",)
"""Fixtures so dear that all files that use one run in the same process, which makes it once."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first, and keep tests that share what is dear together.

    The groups are those of ``pytest -n ... --dist loadgroup``: a file, or all files that use
    one of the shared fixtures.
    """
    groups = {item.path: shared for item in items for shared in SHARED if _uses(item, shared)}
    for item in items:
        item.add_marker(pytest.mark.xdist_group(groups.get(item.path, str(item.path))))
    items.sort(key=lambda item: (item.path.name not in LONGEST, item.path not in groups))


def _uses(item: pytest.Item, fixture: str) -> bool:
    return fixture in getattr(item, "fixturenames", ())


@pytest.fixture(autouse=True)
def package_logger() -> Iterator[None]:
    """Set the logger back that commands direct to the standard error of their test."""
    logger = logging.getLogger(PACKAGE_LOGGER)
    kept = logger.handlers, logger.level, logger.propagate
    yield
    logger.handlers, logger.level, logger.propagate = kept
