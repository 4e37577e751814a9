import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import model2_assets
from model2_assets import load_live, load_oof
from model2_assets.errors import ContractError, StoreError
from model2_assets.storage import Address, Store
from model2_assets.storage.data_version import stamped, table_digest, with_provenance
from model2_assets.storage.read import previous_result
from model2_assets_tests.sample_tables import leaderboard, oof_predictions, sample_table
from model2_assets_tests.storage.records import put_in_place

OOF = Address("us", "oof_predictions", "21d", "ridge")
ARGUMENTS = ("us", "21d", "ridge")


def oof(number: float, **changes: str) -> pd.DataFrame:
    frame = oof_predictions(prediction=(number, 0.0, 0.0))
    facts = {"data_version": table_digest(frame), **changes}
    return with_provenance(frame, inputs={"fitted_models": "f"}, **facts)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(str(tmp_path), keep_versions=3)
    for number in (1, 2, 3):
        store.write(OOF, oof(number))
    return store


def test_current_and_kept_predictions_are_read_to_the_bit(store: Store) -> None:
    pd.testing.assert_frame_equal(load_oof(*ARGUMENTS, store=store), oof(3), check_exact=True)
    for number in (1, 2, 3):
        digits = table_digest(oof(number))[:6]
        found = load_oof(*ARGUMENTS, version=digits, store=store)
        pd.testing.assert_frame_equal(found, oof(number), check_exact=True)
        assert found.attrs == oof(number).attrs


def test_default_store_is_that_of_the_environment(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL2_STORAGE", str(store.base))
    pd.testing.assert_frame_equal(load_oof(*ARGUMENTS), oof(3), check_exact=True)


def test_unknown_predictions_name_those_that_there_are(store: Store) -> None:
    store.write(Address("eu", "oof_predictions", "63d", "xgboost"), oof(1))

    with pytest.raises(StoreError) as caught:
        load_oof("us", "21d", "lasso", store=store)

    assert str(caught.value) == (
        f"us 21d lasso: no oof_predictions under {store.base}; there are "
        f"eu 63d xgboost, us 21d ridge"
    )
    with pytest.raises(StoreError, match="there are none at all"):
        load_oof(*ARGUMENTS, store=Store("memory://nothing-here"))


def test_what_is_read_can_be_changed_in_memory(store: Store) -> None:
    read = load_oof(*ARGUMENTS, store=store)
    read.iloc[0, 0] += 0.5

    assert read.iloc[0, 0] == load_oof(*ARGUMENTS, store=store).iloc[0, 0] + 0.5


def test_live_predictions_are_read_and_verified_alike(store: Store) -> None:
    live = stamped(oof(4)[["prediction"]], inputs={})
    store.write(Address("us", "live_predictions", "21d", "ridge"), live)

    pd.testing.assert_frame_equal(load_live(*ARGUMENTS, store=store), live, check_exact=True)
    with pytest.raises(StoreError, match=r"no live_predictions under .*; there are us 21d ridge"):
        load_live("us", "63d", "ridge", store=store)


def test_unknown_version_names_those_that_are_kept(store: Store) -> None:
    with pytest.raises(StoreError, match="us 21d ridge: there is no version 0123456; kept are "):
        load_oof(*ARGUMENTS, version="0123456", store=store)


def test_current_version_may_be_named_where_none_is_kept(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.write(OOF, oof(1))
    digits = table_digest(oof(1))[:8]

    pd.testing.assert_frame_equal(load_oof(*ARGUMENTS, version=digits, store=store), oof(1))
    with pytest.raises(
        StoreError, match=f"no version 0123456; kept is the current one alone, {digits}"
    ):
        load_oof(*ARGUMENTS, version="0123456", store=store)
    with pytest.raises(StoreError, match="'' is no version"):
        load_oof(*ARGUMENTS, version="", store=store)


def test_values_that_are_not_of_the_stated_version_are_refused(store: Store) -> None:
    store.write(OOF, oof(4, data_version="0" * 32))

    with pytest.raises(StoreError, match=r"ridge\.parquet: states data version 000000000000, but"):
        load_oof(*ARGUMENTS, store=store)


def test_values_without_a_stated_version_are_refused(store: Store) -> None:
    store.write(OOF, oof_predictions())

    with pytest.raises(StoreError, match="states data version none, but its values have"):
        load_oof(*ARGUMENTS, store=store)


def test_every_flipped_byte_of_the_current_file_is_noticed(store: Store) -> None:
    path = Path(str(store.path(OOF)))
    good = path.read_bytes()
    for position in range(0, len(good), 97):
        bad = bytearray(good)
        bad[position] ^= 0xFF
        path.unlink()
        path.write_bytes(bad)
        with pytest.raises(StoreError):
            load_oof(*ARGUMENTS, store=store)


def test_damaged_kept_version_is_refused_while_the_current_one_is_read(store: Store) -> None:
    old = store.archive.versions(OOF)[-1]
    path = Path(str(store.archive.path(OOF, old)))
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(StoreError, match=f"is damaged.* version {old.short} is lost"):
        load_oof(*ARGUMENTS, version=old.data_version, store=store)
    pd.testing.assert_frame_equal(load_oof(*ARGUMENTS, store=store), oof(3))


def test_table_of_another_contract_is_refused(store: Store) -> None:
    put_in_place(store, OOF, sample_table("Labels").to_parquet())

    with pytest.raises(ContractError, match="column 'prediction' is missing"):
        load_oof(*ARGUMENTS, store=store)


def test_package_hands_out_the_reader_and_stays_light() -> None:
    code = "import sys, model2_assets; print(*{'pandas', 'dagster', 'upath'} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True)

    assert found.stdout.strip() == ""
    assert model2_assets.load_oof is load_oof
    with pytest.raises(AttributeError, match="no attribute 'load_oofs'"):
        _ = model2_assets.load_oofs


BOARD = Address("us", "leaderboard")


@pytest.fixture
def results(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def test_what_is_stored_is_what_was_before(results: Store) -> None:
    results.write(BOARD, leaderboard())
    previous = previous_result(results, BOARD)
    assert previous.problem == ""
    pd.testing.assert_frame_equal(previous.table, leaderboard())


def test_none_yet(results: Store) -> None:
    previous = previous_result(results, BOARD)
    assert previous.table is None
    assert previous.problem == "there is no leaderboard before this one"


def test_a_damaged_one_is_told_of(results: Store) -> None:
    results.write(BOARD, leaderboard()).write_bytes(b"PAR1 no more")
    previous = previous_result(results, BOARD)
    assert previous.table is None
    assert "leaderboard before cannot be read" in previous.problem
    assert "leaderboard.parquet: is not what was published here" in previous.problem


def test_one_that_memory_does_not_suffice_to_read_is_not_taken_for_none(
    results: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_table(*_: object, **__: object) -> None:
        raise MemoryError("realloc of size 1216 failed")

    results.write(BOARD, leaderboard())
    monkeypatch.setattr(pq, "read_table", read_table)
    with pytest.raises(MemoryError, match="realloc of size 1216 failed"):
        previous_result(results, BOARD)


def test_one_of_an_older_contract_is_told_of(results: Store) -> None:
    put_in_place(results, BOARD, leaderboard().drop(columns="rank_ic_se").to_parquet())
    previous = previous_result(results, BOARD)
    assert previous.table is None
    assert "column 'rank_ic_se' is missing" in previous.problem
