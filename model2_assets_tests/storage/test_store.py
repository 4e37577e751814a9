import io
import json
import multiprocessing
import re
import sys
import uuid
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.registry import _registry as opened_before
from upath import UPath

from model2_assets.config import parse_config
from model2_assets.errors import ConfigError, ContractError, StoreError
from model2_assets.storage import (
    PRODUCTS,
    Address,
    Store,
    default_base,
    default_store,
    repository_root,
)
from model2_assets.storage import (
    address as _base,
)
from model2_assets.storage.archive import new_rejected_name
from model2_assets.storage.data_version import table_digest
from model2_assets.storage.files import temporary_file
from model2_assets.training.models import load_models
from model2_assets_tests.sample_models import fitted
from model2_assets_tests.sample_tables import cv_scores, oof_predictions, sample_table
from model2_assets_tests.storage.records import put_in_place

OOF = Address("us", "oof_predictions", "21d", "ridge")
SCORES = Address("us", "cv_scores", "63d", "xgboost")
MODELS = Address("us", "fitted_models", "21d", "ridge")
SHEET = Address("us", "tear_sheet", "21d", "ridge")
TABLES = [name for name, product in PRODUCTS.items() if product.contract is not None]
UNPARTITIONED = ("market_data", "labels", "features", "cv_splits", "leaderboard")


@pytest.fixture(params=["local", "memory"])
def store(request, tmp_path):
    return Store(tmp_path if request.param == "local" else f"memory://{uuid.uuid4().hex}")


def files_of(store: Store) -> list[str]:
    base = store.base
    if not base.exists():
        return []
    found = [path for path in base.rglob("*") if path.is_file()]
    names = [str(path).removeprefix(str(base)).lstrip("/") for path in found]
    return sorted(name for name in names if not name.startswith((".versions/", ".working/")))


def test_products_stand_in_the_order_of_the_graph():
    assert list(PRODUCTS) == [
        "market_data", "labels", "features", "cv_splits", "fitted_models",
        "oof_predictions", "oof_paths", "nested_oof", "feature_importance", "cv_scores",
        "final_models", "live_predictions", "tear_sheet", "leaderboard", "stacking_frame",
        "region_report",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("address", "path"),
    [(Address("us", asset), f"us/{asset}.parquet") for asset in UNPARTITIONED]
    + [
        (OOF, "us/oof_predictions/21d/ridge.parquet"),
        (
            Address("eu", "feature_importance", "63d", "xgboost"),
            "eu/feature_importance/63d/xgboost.parquet",
        ),
        (SCORES, "us/cv_scores/63d/xgboost.jsonl"),
        (MODELS, "us/fitted_models/21d/ridge"),
        (SHEET, "us/tear_sheet/21d/ridge/report.html"),
        (Address("us", "region_report"), "us/region_report/report.html"),
    ],
)
def test_layout(address, path):
    assert str(address) == path
    assert Store("/base").path(address) == UPath("/base") / path
    assert str(Store("memory://base").path(address)) == f"memory://base/{path}"


@pytest.mark.parametrize("asset", TABLES)
def test_every_table_is_written_where_the_layout_says_and_read_back(store, asset):
    partitioned = asset not in UNPARTITIONED
    address = Address("us", asset, *(("21d", "ridge") if partitioned else ()))
    table = sample_table(PRODUCTS[asset].contract)
    assert not store.exists(address)
    path = store.write(address, table)
    assert path == store.path(address)
    assert store.exists(address)
    assert files_of(store) == [str(address)]
    back = store.read(address)
    pd.testing.assert_frame_equal(back, table)
    pd.testing.assert_frame_equal(store.load(address), table)
    assert table_digest(back) == table_digest(table)


@pytest.mark.parametrize("address", [SHEET, Address("us", "region_report")])
def test_reports_are_text_in_a_folder_of_their_own(store, address):
    assert not store.exists(address)
    assert store.write(address, "<p>R² − 1</p>") == store.path(address)
    store.write(address, "<p>R² − 2</p>\r\n")
    assert store.exists(address)
    assert files_of(store) == [str(address)]
    assert store.path(address).name == "report.html"
    assert store.load(address) == "<p>R² − 2</p>\r\n"
    assert store.path(address).read_bytes() == "<p>R² − 2</p>\r\n".encode()


def test_missing_report_is_named_with_what_to_materialize(store):
    with pytest.raises(StoreError, match=r"report\.html: not there; materialize tear_sheet first"):
        store.load(SHEET)


def test_rejected_report_goes_aside_as_html(store):
    store.write(SHEET, "good")
    path = store.reject(SHEET, "bad")
    assert path.suffix == ".html"
    assert path.read_text() == "bad"
    assert store.load(SHEET) == "good"


def test_fold_models_are_a_folder_behind_a_manifest(store):
    assert not store.exists(MODELS)
    made = fitted()
    assert store.write(MODELS, made) == store.path(MODELS)
    assert store.exists(MODELS)
    stored = store.load(MODELS)
    assert stored.manifest.data_version == made.data_version
    assert [model.trainer.digest() for model in load_models(stored)] == [
        model.trainer.digest() for model in made.models
    ]
    manifest = json.loads((store.path(MODELS) / "manifest.json").read_bytes())
    files = ["manifest.json", *(fold["file"] for fold in manifest["folds"])]
    assert files_of(store) == sorted(f"us/fitted_models/21d/ridge/{name}" for name in files)


def test_fold_models_without_a_manifest_do_not_exist(store):
    store.write(MODELS, fitted())
    (store.path(MODELS) / "manifest.json").unlink()
    assert not store.exists(MODELS)
    with pytest.raises(StoreError, match=r"manifest\.json: not there; materialize fitted_mod"):
        store.load(MODELS)


def test_partitions_and_regions_do_not_share_files(store):
    addresses = [
        Address(region, "oof_predictions", horizon, model)
        for region in ("us", "eu")
        for horizon in ("21d", "63d")
        for model in ("ridge", "xgboost")
    ]
    for number, address in enumerate(addresses):
        store.write(address, oof_predictions(prediction=(number, 0.0, 0.0)))
    found = [store.read(address)["prediction"].iloc[0] for address in addresses]
    assert found == list(range(8))


def test_writing_again_replaces(store):
    store.write(OOF, oof_predictions())
    store.write(OOF, oof_predictions(prediction=(9.0, 8.0, 7.0)))
    assert store.read(OOF)["prediction"].tolist() == [9.0, 8.0, 7.0]
    assert files_of(store) == [str(OOF)]


@pytest.mark.parametrize("address", [OOF, SCORES, Address("us", "labels")])
def test_missing_result_is_named_with_what_to_materialize(store, address):
    with pytest.raises(StoreError) as caught:
        store.read(address)
    expected = f"{store.path(address)}: not there; materialize {address.asset} first"
    assert str(caught.value) == expected


def test_table_that_breaks_its_contract_is_not_written(store):
    store.write(OOF, oof_predictions())
    broken = oof_predictions(fold_id=(0, -1, 0))
    with pytest.raises(ContractError, match="column 'fold_id' is below 0") as caught:
        store.write(OOF, broken)
    assert str(store.path(OOF)) in str(caught.value)
    pd.testing.assert_frame_equal(store.read(OOF), oof_predictions())
    assert files_of(store) == [str(OOF)]


def test_table_that_breaks_its_contract_is_not_read(store):
    put_in_place(store, OOF, sample_table("Labels").to_parquet())
    with pytest.raises(ContractError, match="column 'prediction' is missing") as caught:
        store.read(OOF)
    assert str(store.path(OOF)) in str(caught.value)


def test_file_in_the_place_of_another_is_refused(store):
    other = Address("us", "oof_predictions", "63d", "ridge")
    store.write(OOF, oof_predictions())
    store.write(other, oof_predictions(prediction=(9.0, 8.0, 7.0)))
    store.path(OOF).write_bytes(store.path(other).read_bytes())
    with pytest.raises(StoreError, match=f"{OOF}: belongs to {other} and was put in another's"):
        store.read(OOF)


@pytest.mark.parametrize("address", [OOF, SCORES])
def test_damaged_file_is_named(store, address):
    store.write(address, oof_predictions() if address is OOF else cv_scores())
    path = store.path(address)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(StoreError, match=r"materialize .* again") as caught:
        store.read(address)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "candidate",
    [
        oof_predictions(prediction=(np.nan, np.inf, 5000.0)),
        oof_predictions().iloc[[0, 0, 0]],
        oof_predictions().drop(columns="fold_id"),
    ],
    ids=["wild predictions", "repeated rows", "missing column"],
)
def test_rejected_table_goes_aside_and_leaves_the_published_one(store, candidate):
    store.write(OOF, oof_predictions())
    before = store.path(OOF).read_bytes()
    path = store.reject(OOF, candidate)
    assert store.path(OOF).read_bytes() == before
    relative = str(path).removeprefix(str(store.base)).lstrip("/")
    assert relative.startswith(".rejected/us/oof_predictions/21d/ridge/")
    assert files_of(store) == sorted([relative, str(OOF)])
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(path.read_bytes())), candidate)


def test_rejected_candidates_do_not_replace_each_other(store):
    paths = {str(store.reject(OOF, oof_predictions())) for _ in range(5)}
    assert len(paths) == len(files_of(store)) == 5
    assert not store.exists(OOF)


def test_rejected_scores_are_kept_as_parquet(store):
    path = store.reject(SCORES, cv_scores())
    assert path.suffix == ".parquet"
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(path.read_bytes())), cv_scores())


def test_rejected_fold_models_go_aside_and_can_be_opened(store):
    store.write(MODELS, fitted())
    before = files_of(store)
    good = store.load(MODELS).manifest
    candidate = fitted(scale=3.0)
    path = store.reject(MODELS, candidate)
    assert store.load(MODELS).manifest == good
    rejected = [name for name in files_of(store) if name not in before]
    assert all(name.startswith(".rejected/us/fitted_models/21d/ridge/") for name in rejected)
    assert len(rejected) == 3
    from model2_assets.storage.models import open_fold_models

    assert open_fold_models(path).manifest.data_version == candidate.data_version


def test_storage_variable_wins(monkeypatch, tmp_path):
    monkeypatch.setenv("MODEL2_STORAGE", str(tmp_path / "elsewhere"))
    assert default_base() == UPath(tmp_path / "elsewhere")
    monkeypatch.setenv("MODEL2_STORAGE", "memory://bucket/results")
    assert str(default_store().path(OOF)) == f"memory://bucket/results/{OOF}"


@pytest.mark.parametrize("value", [None, ""])
def test_without_the_variable_results_go_to_the_checkout(monkeypatch, value):
    monkeypatch.delenv("MODEL2_STORAGE", raising=False)
    if value is not None:
        monkeypatch.setenv("MODEL2_STORAGE", value)
    root = Path(__file__).parents[2]
    assert repository_root() == root
    assert default_base() == UPath(root / "data")


def test_an_installed_package_uses_dagster_home_then_the_working_directory(monkeypatch, tmp_path):
    monkeypatch.delenv("MODEL2_STORAGE", raising=False)
    installed = tmp_path / "site-packages/model2_assets/storage/_base.py"
    monkeypatch.setattr(_base, "__file__", str(installed))
    monkeypatch.chdir(tmp_path)
    assert repository_root() is None
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    assert default_base() == UPath(tmp_path / "home/data")
    monkeypatch.delenv("DAGSTER_HOME")
    assert default_base() == UPath(tmp_path / "data")


def test_unknown_asset_is_an_error():
    with pytest.raises(KeyError, match="no_such_asset"):
        _ = Address("us", "no_such_asset").product


def test_local_base_is_made_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert Store("results").base == UPath(tmp_path / "results")
    assert Store("~/results").base == UPath(tmp_path / "home/results")
    monkeypatch.setenv("MODEL2_STORAGE", "results")
    assert default_base() == UPath(tmp_path / "results")


@pytest.mark.parametrize(
    ("base", "module", "reason"),
    [
        ("nosuchscheme://bucket/x", "none", ".*nosuch.*; correct MODEL2_STORAGE"),
        ("s3://bucket/x", "s3fs", "Install s3fs to"),
        ("gs://bucket/x", "gcsfs", "Please install gcsfs to"),
        ("abfs://box@us.dfs.core.windows.net/x", "adlfs", "Install adlfs to"),
        ("sftp://host/x", "paramiko", '.* requires "paramiko" to be installed'),
        ("https://host/x", "aiohttp", '.* requires "requests" and "aiohttp" to be installed'),
        ("simplecache::s3://bucket/x", "s3fs", "Install s3fs to"),
    ],
)
def test_base_that_nothing_can_open_is_named_with_its_package(monkeypatch, base, module, reason):
    monkeypatch.setitem(sys.modules, module, None)
    for protocol in ("s3", "s3a"):  # which another test may have opened
        monkeypatch.delitem(opened_before, protocol, raising=False)
    remedy = "" if module == "none" else ".*; install that Python package, or correct"
    said = rf"^storage {re.escape(base)}: cannot be opened \({reason}{remedy}"
    with pytest.raises(ConfigError, match=said):
        Store(base)
    monkeypatch.setenv("MODEL2_STORAGE", base)
    with pytest.raises(ConfigError, match=said):
        default_store()


OTHER_MODEL = Address("us", "oof_predictions", "21d", "xgboost")
KEPT = 3


@pytest.fixture(params=["local", "memory"])
def rejecting(request, tmp_path):
    base = tmp_path if request.param == "local" else f"memory://{uuid.uuid4().hex}"
    return Store(base, keep_versions=2, keep_rejected=KEPT)


def test_the_newest_of_each_asset_and_partition_stay(rejecting):
    others = [
        rejecting.reject(SCORES, cv_scores()),
        rejecting.reject(OTHER_MODEL, oof_predictions()),
    ]
    paths = [rejecting.reject(OOF, oof_predictions()) for _ in range(KEPT + 3)]
    assert [path.exists() for path in paths] == [False] * 3 + [True] * KEPT
    assert all(path.exists() for path in others)


def test_the_newest_fold_models_stay(rejecting):
    folders = [rejecting.reject(MODELS, fitted(n_models=1)) for _ in range(KEPT + 1)]
    left = [folder for folder in folders if (folder / "manifest.json").exists()]
    assert left == folders[1:]
    assert not [path for path in rejecting.base.rglob("*") if folders[0].name in str(path)]


def test_what_is_published_and_its_versions_are_not_touched(rejecting):
    for address, good in ((OOF, oof_predictions()), (MODELS, fitted(n_models=1))):
        rejecting.write(address, good)
    before = {str(path): path.read_bytes() for path in rejecting.base.rglob("*") if path.is_file()}
    for _ in range(KEPT + 2):
        rejecting.reject(OOF, oof_predictions())
        rejecting.reject(MODELS, fitted(n_models=1))
    after = {str(path): path.read_bytes() for path in rejecting.base.rglob("*") if path.is_file()}
    assert {name: after[name] for name in before} == before
    assert {name for name in after if name not in before and ".rejected" not in name} == set()


def test_one_that_is_kept_is_the_new_one(tmp_path):
    rejecting = Store(tmp_path, keep_rejected=1)
    old, new = (rejecting.reject(OOF, oof_predictions()) for _ in range(2))
    assert (old.exists(), new.exists()) == (False, True)


def test_a_file_that_another_process_is_writing_and_files_of_others_stay(tmp_path):
    rejecting = Store(tmp_path, keep_rejected=1)
    folder = rejecting.reject(OOF, oof_predictions()).parent
    strangers = [folder / "notes.txt"]
    with temporary_file(folder / "20260101T000000000000-abcdef.parquet") as written:
        strangers.append(written)
        for stranger in strangers:
            stranger.write_text("mine")
        rejecting.reject(OOF, oof_predictions())
        assert all(stranger.exists() for stranger in strangers)


def test_fold_models_that_are_being_written_stay_and_those_given_up_a_day_ago_go(rejecting):
    folder = rejecting.reject(MODELS, fitted(n_models=1)).parent
    now, yesterday = new_rejected_name(), "20260101T000000000000-abcdef"
    for name in (now, yesterday):
        (folder / name).mkdir()
        (folder / name / "fold_0.ubj").write_bytes(b"half")
    made = [rejecting.reject(MODELS, fitted(n_models=1)) for _ in range(KEPT)]
    assert sorted(path.name for path in folder.iterdir()) == sorted([now, *(m.name for m in made)])


@pytest.mark.parametrize("error", [FileNotFoundError("gone"), PermissionError("not yours")])
def test_what_cannot_be_removed_fails_no_rejection(tmp_path, monkeypatch, caplog, error):
    rejecting = Store(tmp_path, keep_rejected=1)
    first = rejecting.reject(OOF, oof_predictions())

    def refuse(*_, **__):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(LocalFileSystem, "rm", refuse)
        second = rejecting.reject(OOF, oof_predictions())
    assert second.exists()
    assert caplog.text.count(f"{first}: cannot be removed") == isinstance(error, PermissionError)


def reject_often(base: str) -> list[str]:
    rejecting = Store(base, keep_rejected=KEPT)
    return [str(rejecting.reject(MODELS, fitted(n_models=1))) for _ in range(20)]


def test_two_processes_reject_and_prune_at_once(tmp_path):
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        made = [path for paths in pool.map(reject_often, [str(tmp_path)] * 2) for path in paths]
    assert len(set(made)) == 40
    rejecting = Store(str(tmp_path), keep_rejected=KEPT)
    last = rejecting.reject(MODELS, fitted(n_models=1))
    left = sorted(Path(last.parent.path).iterdir())
    assert len(left) == KEPT
    assert left[-1] == Path(last.path)
    assert set(map(str, left[:-1])) <= set(made)


def test_the_configuration_says_how_many_are_kept():
    assert parse_config({}).storage.keep_rejected == 5
    assert parse_config({"storage": {"keep_rejected": 2}}).storage.keep_versions == 5
