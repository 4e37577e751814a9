"""Whoever is killed while it replaces a table, in parts or in one file: readers see old or new."""

import multiprocessing
import shutil
from pathlib import Path

import pytest

from model2_assets import panel
from model2_assets.storage.data_version import table_digest
from model2_assets_tests.services.killed_writer import (
    IN_ONE_FILE,
    IN_PARTS,
    open_store,
    write_and_die,
    write_in_turns,
)
from model2_assets_tests.storage.large_tables import LABELS, ROWS_A_PART, table

pytestmark = pytest.mark.services


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(panel, "PART_ROWS", ROWS_A_PART)


@pytest.fixture(scope="module")
def processes():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["model2_assets_tests.services.killed_writer"])
    return context


def files_of(base: Path) -> set[str]:
    """Return everything below the region's folder, and the records, by path."""
    return {
        str(path.relative_to(base))
        for place in ("us", ".versions")
        for path in (base / place).rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("before", "after", "seed"),
    [
        (IN_ONE_FILE, IN_PARTS, 1),
        (IN_PARTS, IN_ONE_FILE, 1),
        (IN_PARTS, IN_PARTS, 1),
        (IN_PARTS, IN_PARTS, 0),
        (IN_ONE_FILE, IN_ONE_FILE, 1),
    ],
    ids=["file to parts", "parts to file", "parts to others", "parts again", "file to another"],
)
def test_a_kill_before_any_step_leaves_the_old_table_or_the_new(
    tmp_path, processes, before, after, seed
):
    start = tmp_path / "start"
    open_store(start, before).write(LABELS, table(LABELS, 0))
    versions = [table_digest(table(LABELS, number)) for number in (0, seed)]
    seen, step, code = [], 0, -9
    while code:
        base = tmp_path / f"step-{step}"
        shutil.copytree(start, base)
        child = processes.Process(target=write_and_die, args=(base, after, seed, step))
        child.start()
        child.join(timeout=60)
        code = child.exitcode
        assert code in (0, -9)
        store = open_store(base, after)
        seen.append(table_digest(store.read(LABELS)))
        assert store.current_version(LABELS).data_version == seen[-1]
        store.verify(LABELS)
        for number in (2, 3):  # and the next ones clear up
            store.write(LABELS, table(LABELS, number))
            assert table_digest(store.read(LABELS)) == table_digest(table(LABELS, number))
        left = {path for path in files_of(base) if ".tmp-model2-" not in path}
        assert len(left) == (8 if after == IN_PARTS else 2), left
        shutil.rmtree(base)
        step += 1
    assert set(seen) == set(versions)
    assert seen == sorted(seen, key=versions.index), "a later kill showed an older table"
    assert step > 5


def test_a_reader_meets_old_or_new_while_the_form_changes(tmp_path, processes):
    turns = 60
    known = {table_digest(table(LABELS, seed)): seed for seed in range(turns)}
    open_store(tmp_path, IN_PARTS).write(LABELS, table(LABELS, 0))
    writer = processes.Process(target=write_in_turns, args=(tmp_path, turns))
    writer.start()
    seen = [0]
    while writer.is_alive():
        seen.append(known[table_digest(open_store(tmp_path).read(LABELS))])
    writer.join()
    assert writer.exitcode == 0
    assert seen == sorted(seen)
    assert len(set(seen)) > 3
    assert table_digest(open_store(tmp_path).read(LABELS)) == table_digest(table(LABELS, turns - 1))
