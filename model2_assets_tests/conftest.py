"""The order of the tests."""

import pytest

LONGEST = ("test_backfill.py", "test_daemon.py", "test_commands.py")
"""Files that take minutes, since they wait for a daemon or start one process after another."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first, so that no worker is left with one at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
