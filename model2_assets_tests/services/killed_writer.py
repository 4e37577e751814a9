"""A process that replaces a stored table, and is killed before one of its steps on disk."""

import os
import signal
import sys
import time
from pathlib import Path

from model2_assets import panel
from model2_assets.storage import Store
from model2_assets_tests.storage.large_tables import LABELS, ROWS_A_PART, table

STEPS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "open")
"""Audit events of what changes a disk; ``open`` only where it is to write."""

IN_PARTS, IN_ONE_FILE = 0.0, float("inf")


def open_store(base: Path, limit: float = IN_ONE_FILE) -> Store:
    panel.PART_ROWS = ROWS_A_PART
    return Store(base, dataset_above_mb=limit)


def write_and_die(base: Path, limit: float, seed: int, step: int) -> None:
    """Write a table, and be killed before the step of that number, counted from 0."""
    store, steps = open_store(base, limit), 0

    def count(event: str, arguments: tuple) -> None:
        nonlocal steps
        if event not in STEPS or not str(arguments[0]).startswith(str(base)):
            return
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        if steps == step:
            os.kill(os.getpid(), signal.SIGKILL)
        steps += 1

    frame = table(LABELS, seed)
    sys.addaudithook(count)
    store.write(LABELS, frame)


def write_in_turns(base: Path, turns: int) -> None:
    """Write tables in one form and the other by turns."""
    for seed in range(turns):
        open_store(base, (IN_PARTS, IN_ONE_FILE, IN_PARTS)[seed % 3]).write(
            LABELS, table(LABELS, seed)
        )
        time.sleep(0.02)
