from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from model2_assets.storage import Address, Store
from model2_assets.storage.read import previous_result
from model2_assets_tests.sample_tables import leaderboard
from model2_assets_tests.storage.records import put_in_place

BOARD = Address("us", "leaderboard")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def test_what_is_stored_is_what_was_before(store: Store) -> None:
    store.write(BOARD, leaderboard())
    previous = previous_result(store, BOARD)
    assert previous.problem == ""
    pd.testing.assert_frame_equal(previous.table, leaderboard())


def test_none_yet(store: Store) -> None:
    previous = previous_result(store, BOARD)
    assert previous.table is None
    assert previous.problem == "there is no leaderboard before this one"


def test_a_damaged_one_is_told_of(store: Store) -> None:
    store.write(BOARD, leaderboard()).write_bytes(b"PAR1 no more")
    previous = previous_result(store, BOARD)
    assert previous.table is None
    assert "leaderboard before cannot be read" in previous.problem
    assert "leaderboard.parquet: is not what was published here" in previous.problem


def test_one_that_memory_does_not_suffice_to_read_is_not_taken_for_none(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_table(*_: object, **__: object) -> None:
        raise MemoryError("realloc of size 1216 failed")

    store.write(BOARD, leaderboard())
    monkeypatch.setattr(pq, "read_table", read_table)
    with pytest.raises(MemoryError, match="realloc of size 1216 failed"):
        previous_result(store, BOARD)


def test_one_of_an_older_contract_is_told_of(store: Store) -> None:
    put_in_place(store, BOARD, leaderboard().drop(columns="rank_ic_se").to_parquet())
    previous = previous_result(store, BOARD)
    assert previous.table is None
    assert "column 'rank_ic_se' is missing" in previous.problem
