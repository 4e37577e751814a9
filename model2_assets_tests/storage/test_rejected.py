"""Rejected candidates: the newest of each result stay, whoever prunes, and nothing else goes."""

import multiprocessing
import uuid
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem

from model2_assets.config import parse_config
from model2_assets.storage import Address, Store
from model2_assets.storage.archive import new_rejected_name, prune_rejected
from model2_assets_tests.sample_models import fitted
from model2_assets_tests.sample_tables import cv_scores, oof_predictions

OOF = Address("us", "oof_predictions", "21d", "ridge")
OTHER_MODEL = Address("us", "oof_predictions", "21d", "xgboost")
SCORES = Address("us", "cv_scores", "63d", "xgboost")
MODELS = Address("us", "fitted_models", "21d", "ridge")
KEPT = 3


@pytest.fixture(params=["local", "memory"])
def store(request, tmp_path):
    base = tmp_path if request.param == "local" else f"memory://{uuid.uuid4().hex}"
    return Store(base, keep_versions=2, keep_rejected=KEPT)


def test_the_newest_of_each_asset_and_partition_stay(store):
    others = [store.reject(SCORES, cv_scores()), store.reject(OTHER_MODEL, oof_predictions())]
    paths = [store.reject(OOF, oof_predictions()) for _ in range(KEPT + 3)]
    assert [path.exists() for path in paths] == [False] * 3 + [True] * KEPT
    assert all(path.exists() for path in others)


def test_the_newest_fold_models_stay(store):
    folders = [store.reject(MODELS, fitted(n_models=1)) for _ in range(KEPT + 1)]
    left = [folder for folder in folders if (folder / "manifest.json").exists()]
    assert left == folders[1:]
    assert not [path for path in store.base.rglob("*") if folders[0].name in str(path)]


def test_what_is_published_and_its_versions_are_not_touched(store):
    for address, good in ((OOF, oof_predictions()), (MODELS, fitted(n_models=1))):
        store.write(address, good)
    before = {str(path): path.read_bytes() for path in store.base.rglob("*") if path.is_file()}
    for _ in range(KEPT + 2):
        store.reject(OOF, oof_predictions())
        store.reject(MODELS, fitted(n_models=1))
    after = {str(path): path.read_bytes() for path in store.base.rglob("*") if path.is_file()}
    assert {name: after[name] for name in before} == before
    assert {name for name in after if name not in before and ".rejected" not in name} == set()


def test_one_that_is_kept_is_the_new_one(tmp_path):
    store = Store(tmp_path, keep_rejected=1)
    old, new = (store.reject(OOF, oof_predictions()) for _ in range(2))
    assert (old.exists(), new.exists()) == (False, True)


def test_a_file_that_another_process_is_writing_and_files_of_others_stay(tmp_path):
    store = Store(tmp_path, keep_rejected=1)
    folder = store.reject(OOF, oof_predictions()).parent
    strangers = [folder / ".tmp-abc-20260101T000000-abcdef.parquet", folder / "notes.txt"]
    for stranger in strangers:
        stranger.write_text("mine")
    store.reject(OOF, oof_predictions())
    assert all(stranger.exists() for stranger in strangers)


def test_fold_models_that_are_being_written_stay_and_those_given_up_a_day_ago_go(store):
    folder = store.reject(MODELS, fitted(n_models=1)).parent
    now, yesterday = new_rejected_name(), "20260101T000000000000-abcdef"
    for name in (now, yesterday):
        (folder / name).mkdir()
        (folder / name / "fold_0.ubj").write_bytes(b"half")
    made = [store.reject(MODELS, fitted(n_models=1)) for _ in range(KEPT)]
    assert sorted(path.name for path in folder.iterdir()) == sorted([now, *(m.name for m in made)])


def test_candidates_named_by_the_second_are_older_than_those_of_the_same_second(tmp_path):
    store = Store(tmp_path, keep_rejected=1)
    new = store.reject(OOF, oof_predictions())
    by_the_second = new.parent / f"{new.name[:15]}-ffffff.parquet"
    by_the_second.write_bytes(b"")
    prune_rejected(new.parent, keep=1)
    assert (new.exists(), by_the_second.exists()) == (True, False)


@pytest.mark.parametrize("error", [FileNotFoundError("gone"), PermissionError("not yours")])
def test_what_cannot_be_removed_fails_no_rejection(tmp_path, monkeypatch, caplog, error):
    store = Store(tmp_path, keep_rejected=1)
    first = store.reject(OOF, oof_predictions())

    def refuse(*_, **__):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(LocalFileSystem, "rm", refuse)
        second = store.reject(OOF, oof_predictions())
    assert second.exists()
    assert caplog.text.count(f"{first}: cannot be removed") == isinstance(error, PermissionError)


def reject_often(base: str) -> list[str]:
    store = Store(base, keep_rejected=KEPT)
    return [str(store.reject(MODELS, fitted(n_models=1))) for _ in range(20)]


def test_two_processes_reject_and_prune_at_once(tmp_path):
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        made = [path for paths in pool.map(reject_often, [str(tmp_path)] * 2) for path in paths]
    assert len(set(made)) == 40
    store = Store(str(tmp_path), keep_rejected=KEPT)
    last = store.reject(MODELS, fitted(n_models=1))
    left = sorted(Path(last.parent.path).iterdir())
    assert len(left) == KEPT
    assert left[-1] == Path(last.path)
    assert set(map(str, left[:-1])) <= set(made)


def test_the_configuration_says_how_many_are_kept():
    assert parse_config({}).storage.keep_rejected == 5
    assert parse_config({"storage": {"keep_rejected": 2}}).storage.keep_versions == 5
