"""The order of the tests."""

import pytest

WAITING = ("test_daemon.py", "test_backfill.py")
"""Files whose tests mostly wait for a daemon."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start what waits first, so that the other worker computes meanwhile."""
    items.sort(key=lambda item: item.path.name not in WAITING)
