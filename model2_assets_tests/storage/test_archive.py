import hashlib
import importlib.metadata
import itertools
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upath import UPath

from model2_assets.errors import StoreError
from model2_assets.storage import (
    PRODUCTS,
    WITHOUT_VERSIONS,
    Address,
    Store,
)
from model2_assets.storage import archive as _archive
from model2_assets.storage import models as _models
from model2_assets.storage import store as _store
from model2_assets.storage.codecs import inputs_element, origin_of_report
from model2_assets.storage.data_version import with_provenance
from model2_assets.storage.files import TEMPORARY_PREFIX, temporary_file
from model2_assets.storage.record import Record
from model2_assets.training.models import load_models
from model2_assets_tests.sample_models import fitted
from model2_assets_tests.sample_tables import cv_scores, oof_predictions, sample_table

OOF = Address("us", "oof_predictions", "21d", "ridge")
MODELS = replace(OOF, asset="fitted_models")
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def oof(number: float, models: str = "f1") -> pd.DataFrame:
    frame = oof_predictions(prediction=(number, 0.0, 0.0))
    version = f"{int(number):032x}"
    return with_provenance(frame, data_version=version, inputs={"fitted_models": models})


def values(store: Store, address: Address = OOF) -> list[float]:
    """First prediction of every kept version, the last published first."""
    return [
        float(store.read_version(address, version)["prediction"].iloc[0])
        for version in store.archive.versions(address)
    ]


def kept_files(store: Store, address: Address = OOF) -> list[str]:
    folder = store.archive.folder(address)
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_published_results_are_kept_newest_first_and_the_oldest_goes(store: Store) -> None:
    for number in (1, 2, 3, 4):
        store.write(OOF, oof(number))

    assert store.read(OOF)["prediction"].iloc[0] == 4
    assert values(store) == [4, 3, 2]
    assert len(kept_files(store)) == 6


def test_record_says_what_the_version_is(store: Store) -> None:
    store.archive._now = lambda: NOON
    store.write(OOF, oof(1, models="abc"))

    (version,) = store.archive.versions(OOF)

    assert version.data_version == f"{1:032x}"
    assert version.short == "000000000000"
    assert version.inputs == {"fitted_models": "abc"}
    assert version.rows == 3
    assert version.first_published == version.published == NOON
    data = store.path(OOF).read_bytes()
    assert version.sha256 == hashlib.sha256(data).hexdigest()
    assert kept_files(store) == [f"{version.sha256}.json", f"{version.sha256}.parquet"]
    assert version.size == len(data)
    assert version.address == str(OOF)


def test_record_says_which_version_of_the_package_made_it(store: Store) -> None:
    store.write(OOF, oof(1))

    (record,) = store.archive.versions(OOF)

    assert record.made_by == importlib.metadata.version("model2-assets")
    assert Record.from_json(record.to_json().encode(), origin="x").made_by == record.made_by


def test_same_values_from_the_same_inputs_are_one_version_and_become_the_newest(
    store: Store,
) -> None:
    store.archive._now = lambda: NOON
    store.write(OOF, oof(1))
    store.write(OOF, oof(2))
    store.archive._now = lambda: NOON + timedelta(hours=1)

    store.write(OOF, oof(1))

    assert values(store) == [1, 2]
    newest = store.archive.versions(OOF)[0]
    assert (newest.first_published, newest.published) == (NOON, NOON + timedelta(hours=1))


def test_same_values_from_other_models_are_another_version(store: Store) -> None:
    store.write(OOF, oof(1, models="f1"))
    store.write(OOF, oof(1, models="f2"))

    assert [v.inputs["fitted_models"] for v in store.archive.versions(OOF)] == ["f2", "f1"]


def test_clock_set_back_does_not_make_the_newest_version_old(store: Store) -> None:
    store.archive._now = lambda: NOON
    store.write(OOF, oof(1))
    store.archive._now = lambda: NOON - timedelta(days=3)
    store.write(OOF, oof(2))

    assert values(store) == [2, 1]


def test_damaged_version_is_kept_anew_when_it_is_published_again(store: Store) -> None:
    store.write(OOF, oof(1))
    store.write(OOF, oof(2))
    _, old = store.archive.versions(OOF)
    path = store.archive.path(OOF, old)
    path.unlink()
    path.write_bytes(b"PAR1 damaged PAR1")
    with pytest.raises(StoreError, match=r"is damaged, its sha256 .* version 000000000000 is lost"):
        store.read_version(OOF, old)

    store.write(OOF, oof(1))

    assert values(store) == [1, 2]
    assert len(kept_files(store)) == 4


def test_missing_file_of_a_version_is_named(store: Store) -> None:
    store.write(OOF, oof(1))
    (version,) = store.archive.versions(OOF)
    store.archive.path(OOF, version).unlink()

    with pytest.raises(StoreError, match=r"\.parquet: is missing; version 000000000000 is lost"):
        store.read_version(OOF, version)
    assert store.read(OOF)["prediction"].iloc[0] == 1


@pytest.mark.parametrize("text", [b"{", b"{}", b'{"format_version": 4}'])
def test_unreadable_record_is_left_out_and_never_removed(
    store: Store, text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store.write(OOF, oof(1))
    (version,) = store.archive.versions(OOF)
    (store.archive.folder(OOF) / version.file_name).write_bytes(text)

    for number in (2, 3, 4, 5):
        store.write(OOF, oof(number))

    assert values(store) == [5, 4, 3]
    assert f"{version.sha256}.parquet" in kept_files(store)
    assert version.file_name in caplog.text


def test_half_written_record_is_no_record(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.write(MODELS, fitted())
    folder = store.archive.folder(MODELS)
    record = store.archive.versions(MODELS)[0].file_name
    with temporary_file(folder / record) as half_written:
        half_written.write_bytes(b"{")
        assert len(store.archive.versions(MODELS)) == 1
        assert store.archive.model_files(MODELS) is not None
    assert not [record for record in caplog.records if record.name == _archive.__name__]


@pytest.mark.parametrize("asset", PRODUCTS)
def test_large_reproducible_tables_have_no_versions(store: Store, asset: str) -> None:
    if PRODUCTS[asset].contract is None:
        return
    address = Address("us", asset, "21d", "ridge")
    store.write(address, sample_table(str(PRODUCTS[asset].contract)))

    assert bool(store.archive.versions(address)) == (asset not in WITHOUT_VERSIONS)


def test_scores_are_kept_with_what_their_file_does_not_say(store: Store) -> None:
    scores = replace(OOF, asset="cv_scores")
    marked = with_provenance(cv_scores(), data_version="5c", inputs={"oof_predictions": "00f"})

    store.write(scores, marked)

    (version,) = store.archive.versions(scores)
    assert version.inputs == {"oof_predictions": "00f"}
    assert f"{version.sha256}.jsonl" in kept_files(store, scores)
    pd.testing.assert_frame_equal(store.read_version(scores, version), cv_scores())


def test_without_versions_nothing_is_added_and_nothing_kept_is_removed(store: Store) -> None:
    store.write(OOF, oof(1))
    off = Store(store.base)

    off.write(OOF, oof(2))

    assert values(off) == [1]
    assert off.read(OOF)["prediction"].iloc[0] == 2


def test_current_file_and_its_version_share_their_space_on_a_local_disk(tmp_path: Path) -> None:
    store = Store(str(tmp_path), keep_versions=2)
    for number in (1, 2, 2, 1):
        store.write(OOF, oof(number))
        newest = store.archive.versions(OOF)[0]
        assert Path(str(store.path(OOF))).samefile(str(store.archive.path(OOF, newest)))
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(TEMPORARY_PREFIX)]


def test_disk_without_links_gets_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError("links are not supported")

    monkeypatch.setattr(os, "link", refused)
    store = Store(str(tmp_path), keep_versions=2)
    store.write(OOF, oof(1))

    (version,) = store.archive.versions(OOF)
    assert store.path(OOF).read_bytes() == store.archive.path(OOF, version).read_bytes()
    assert not Path(str(store.path(OOF))).samefile(str(store.archive.path(OOF, version)))


def test_file_left_by_a_killed_publication_is_swept_after_a_day(store: Store) -> None:
    store.write(OOF, oof(1))
    left = f"{'0' * 64}.parquet"
    (store.archive.folder(OOF) / left).write_bytes(b"half")

    store.write(OOF, oof(2))
    assert left in kept_files(store)
    store.archive._now = lambda: datetime.now(UTC) + timedelta(days=1, minutes=1)
    store.write(OOF, oof(3))

    assert left not in kept_files(store)
    assert values(store) == [3, 2, 1]


def model_files(store: Store) -> set[str]:
    return {path.name for path in store.path(MODELS).iterdir() if path.name != "manifest.json"}


def test_manifests_are_kept_and_their_models_stay(store: Store) -> None:
    made = [fitted(scale=scale, n_models=1) for scale in (1.0, 2.0, 3.0, 4.0, 5.0)]
    for models in made:
        store.write(MODELS, models)

    kept = store.archive.versions(MODELS)

    assert [v.data_version for v in kept] == [m.data_version for m in reversed(made[2:])]
    assert {name for v in kept for name in v.files} <= model_files(store)
    assert len(model_files(store)) == 3
    assert kept[0].rows == 1
    assert set(kept[0].made_from) == {"labels", "settings"}


def test_models_behind_a_kept_version_of_the_predictions_stay_however_old(store: Store) -> None:
    first = fitted(scale=1.0, n_models=1)
    store.write(MODELS, first)
    store.write(OOF, oof(1, models=first.data_version))
    for scale in (2.0, 3.0, 4.0, 5.0, 6.0):  # whose predictions were rejected
        store.write(MODELS, fitted(scale=scale, n_models=1))

    kept = store.archive.versions(MODELS)

    assert len(kept) == 4
    assert kept[-1].data_version == first.data_version
    assert set(kept[-1].files) <= model_files(store)


def test_no_model_is_removed_while_a_record_cannot_be_read(store: Store) -> None:
    store.write(MODELS, fitted(scale=1.0, n_models=1))
    (version,) = store.archive.versions(MODELS)
    (store.archive.folder(MODELS) / version.file_name).write_bytes(b"{")
    for scale in (2.0, 3.0, 4.0, 5.0):
        store.write(MODELS, fitted(scale=scale, n_models=1))

    assert set(version.files) <= model_files(store)


class Killed(BaseException):
    """Stands for a kill: nothing in the program handles it."""


def kill_before(step: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Make the given write, link or removal, counted from 0, the one that never happens."""
    done = 0

    def counted(function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            nonlocal done
            if done == step:
                raise Killed
            done += 1
            return function(*arguments, **options)

        return call

    for module, name in (
        (_archive, "write_atomically"),
        (_archive, "link_atomically"),
        (_archive, "discard"),
        (_models, "write_atomically"),
        (_store, "publish"),
    ):
        monkeypatch.setattr(module, name, counted(getattr(module, name)))
    return lambda: done


def killed_at_every_step(
    write: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> Iterator[bool]:
    """Run a write that is killed before its first, second, … step; last, one that is not."""
    for step in range(100):
        with monkeypatch.context() as patch:
            kill_before(step, patch)
            try:
                write()
            except Killed:
                finished = False
            else:
                finished = True
        yield finished
        if finished:
            return


def test_kill_at_any_step_leaves_current_and_kept_tables_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3):
        store.write(OOF, oof(number))

    outcomes = []
    for finished in killed_at_every_step(lambda: store.write(OOF, oof(4)), monkeypatch):
        current = store.read(OOF)["prediction"].iloc[0]
        assert current in (3, 4)
        assert current in values(store)
        assert values(store)[-2:] in ([2, 1], [3, 2])
        outcomes.append((finished, current))

    assert outcomes[0] == (False, 3)
    assert outcomes[-1] == (True, 4)
    assert len(outcomes) >= 5
    assert values(store) == [4, 3, 2]


def test_kill_at_any_step_leaves_current_and_kept_models_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [fitted(scale=scale) for scale in (1.0, 2.0, 3.0, 4.0)]
    for models in made[:3]:
        store.write(MODELS, models)

    for _ in killed_at_every_step(lambda: store.write(MODELS, made[3]), monkeypatch):
        stored = store.open_models(MODELS)
        assert stored.manifest.data_version in (made[2].data_version, made[3].data_version)
        assert [model.trainer.digest() for model in load_models(stored)]
        for version in store.archive.versions(MODELS):
            store.archive.read(MODELS, version)
            assert set(version.files) <= model_files(store)

    kept = [version.data_version for version in store.archive.versions(MODELS)]
    assert kept == [models.data_version for models in reversed(made[1:])]


def test_kill_at_any_step_of_publishing_the_same_models_leaves_the_current_ones_a_version(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = fitted()
    store.write(MODELS, models)
    times = itertools.count()

    def write_again() -> None:
        slower = replace(models.provenance, seconds=float(next(times)))
        store.write(MODELS, replace(models, provenance=slower))

    for _ in killed_at_every_step(write_again, monkeypatch):
        assert store.current_version(MODELS) is not None

    assert len(store.archive.versions(MODELS)) == 1


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    keep=st.integers(1, 3),
    published=st.lists(st.integers(0, 4), min_size=1, max_size=8),
)
def test_any_sequence_of_publications_keeps_the_last_distinct_ones(
    keep: int, published: list[int]
) -> None:
    store = Store(f"memory://{uuid.uuid4().hex}", keep_versions=keep)
    for number in published:
        store.write(OOF, oof(number))

    distinct = list(dict.fromkeys(reversed(published)))
    assert store.read(OOF)["prediction"].iloc[0] == published[-1]
    assert values(store) == distinct[:keep]


def test_report_states_its_inputs_in_an_element_of_its_own() -> None:
    inputs = {"cv_scores": "00f", 'odd "name" & <more>': "1"}
    page = f"<html><head>{inputs_element(inputs)}</head><body>2026</body></html>"

    assert origin_of_report(page).inputs == inputs
    assert origin_of_report("<html></html>").inputs == {}
    other = page.replace("2026", "2027")
    assert origin_of_report(page).data_version != origin_of_report(other).data_version


UNVERSIONED = Address("us", "labels")


def test_large_table_has_the_record_of_the_current_file_alone(store: Store) -> None:
    for number in (1, 2, 3):
        labels = sample_table("Labels")
        labels.iloc[0, 0] = float(number)
        store.write(UNVERSIONED, labels)
        record = store.current_version(UNVERSIONED)
        assert record is not None
        assert kept_files(store, UNVERSIONED) == [record.file_name]
        assert not record.kept


def test_result_whose_record_is_lost_is_refused_until_it_is_made_again(store: Store) -> None:
    store.write(OOF, oof(1))
    (version,) = store.archive.versions(OOF)
    (store.archive.folder(OOF) / version.file_name).unlink()

    with pytest.raises(StoreError, match=r"is not what was published here: .* materialize oof_"):
        store.read(OOF)

    store.write(OOF, oof(1))
    assert store.read(OOF)["prediction"].iloc[0] == 1


def test_no_flipped_bit_of_a_record_goes_unnoticed(tmp_path: Path) -> None:
    store = Store(str(tmp_path), keep_versions=2)
    store.write(OOF, oof(1))
    (version,) = store.archive.versions(OOF)
    path = Path(str(store.archive.folder(OOF) / version.file_name))
    good = path.read_bytes()
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 1 << position % 8
        path.write_bytes(bad)
        try:
            same = Record.from_json(bytes(bad), origin="there") == version
        except StoreError:
            same = False
        if same:  # a blank for another
            continue
        with pytest.raises(StoreError, match=path.name):
            store.read(OOF)


def test_file_that_is_replaced_while_it_is_read_is_read_anew(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(UNVERSIONED, sample_table("Labels"))
    find, other = store.archive.find, sample_table("Labels")
    other.iloc[0, 0] = 9.0

    def replaced(address: Address, sha256: str) -> Record | None:
        monkeypatch.undo()
        store.write(UNVERSIONED, other)
        return find(address, sha256)

    monkeypatch.setattr(store.archive, "find", replaced)
    assert store.read(UNVERSIONED).iloc[0, 0] == 9.0


def names_in(folder: UPath) -> set[str]:
    return {path.name for path in folder.iterdir()}


def files_of(store: Store) -> set[str]:
    return {fold.file for fold in store.open_models(MODELS).manifest.folds}


def publish_scales(store: Store, *scales: float) -> list[set[str]]:
    """Publish models; return the files of each generation."""
    found = []
    for scale in scales:
        store.write(MODELS, fitted(scale=scale))
        found.append(files_of(store))
    return found


@pytest.fixture(params=["local", "memory"])
def plain(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Return a store that keeps no versions."""
    return Store(str(tmp_path) if request.param == "local" else f"memory://{uuid.uuid4().hex}")


def test_models_of_the_generation_before_stay_and_older_ones_go(plain: Store) -> None:
    (first,) = publish_scales(plain, 1.0)
    folder = plain.path(MODELS)
    (folder / "notes.txt").write_text("mine")
    reader = plain.open_models(MODELS)
    (second,) = publish_scales(plain, 2.0)
    assert names_in(folder) == first | second | {"manifest.json", "notes.txt"}
    assert [model.split_id for model in load_models(reader)] == [0, 1]
    (third,) = publish_scales(plain, 3.0)
    assert names_in(folder) == second | third | {"manifest.json", "notes.txt"}


def test_malformed_manifest_is_replaced_and_no_model_is_removed(
    plain: Store, caplog: pytest.LogCaptureFixture
) -> None:
    (first,) = publish_scales(plain, 1.0)
    (plain.path(MODELS) / "manifest.json").write_text("{")
    (second,) = publish_scales(plain, 2.0)
    assert "manifest.json: has no record; no old model file is removed" in caplog.text
    assert names_in(plain.path(MODELS)) == first | second | {"manifest.json"}


def test_model_that_cannot_be_removed_is_no_failure(
    plain: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    publish_scales(plain, 1.0, 2.0)
    file_system = type(plain.base.fs)
    remove = file_system.rm

    def refuse(files: object, path: str, **options: object) -> None:
        if "fold_" in path:
            raise PermissionError("read-only")
        remove(files, path, **options)

    monkeypatch.setattr(file_system, "rm", refuse)
    (third,) = publish_scales(plain, 3.0)
    assert "cannot be removed (read-only)" in caplog.text
    assert third < names_in(plain.path(MODELS))


def test_publishing_again_heals_a_damaged_model(plain: Store) -> None:
    publish_scales(plain, 1.0)
    name = plain.open_models(MODELS).manifest.folds[1].file
    (plain.path(MODELS) / name).write_bytes(b"damaged")
    with pytest.raises(StoreError, match=f"{name}: has 7 bytes"):
        plain.verify(MODELS)
    publish_scales(plain, 1.0)
    plain.verify(MODELS)
