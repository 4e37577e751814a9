import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model2_assets.errors import StoreError
from model2_assets.storage import Store
from model2_assets.storage.data_version import table_digest, with_provenance
from model2_assets.storage.rollback import (
    members_of,
    plan_rollback,
    restore,
    scores_of,
    verify_rollback,
)
from model2_assets.training.models import load_models
from model2_assets_tests.sample_tables import sample_table
from model2_assets_tests.storage.nights import (
    OOF,
    PRODUCTS_OF_A_NIGHT,
    TABLES,
    at,
    digest,
    nights_on_disk,
    publish_night,
    table,
)


def roll_back(store: Store, version: str) -> list[str]:
    rollback = plan_rollback(store, OOF, version)
    verify_rollback(store, rollback)
    return list(restore(store, rollback))


def all_of(night: int) -> dict[str, int]:
    return dict.fromkeys(PRODUCTS_OF_A_NIGHT, night)


def test_everything_returns_to_the_night_of_the_predictions(store: Store) -> None:
    versions = [publish_night(store, night) for night in range(3)]

    restored = roll_back(store, versions[0][:8])

    assert nights_on_disk(store) == all_of(0)
    assert restored[0] == "oof_predictions"
    assert restored[-1] == "fitted_models"
    assert set(restored) == set(PRODUCTS_OF_A_NIGHT)
    current = store.current_version(OOF)
    assert current is not None
    assert current.data_version == versions[0]
    roll_back(store, versions[2])
    assert nights_on_disk(store) == all_of(2)


def test_models_of_a_restored_night_can_be_loaded(store: Store) -> None:
    first = publish_night(store, 0)
    for night in (1, 2):
        publish_night(store, night)

    roll_back(store, first)

    (model,) = load_models(store.open_models(at("fitted_models")))
    assert model.trainer.digest()


def test_restored_version_is_the_newest_and_survives_the_next_nights(store: Store) -> None:
    versions = [publish_night(store, night) for night in range(3)]
    roll_back(store, versions[0])

    for night in (3, 4):
        publish_night(store, night)

    kept = [version.data_version for version in store.archive.versions(OOF)]
    assert kept[-1] == versions[0]
    assert len(kept) == 3
    roll_back(store, versions[0])
    assert nights_on_disk(store) == all_of(0)


@pytest.mark.parametrize("asset", sorted(set(PRODUCTS_OF_A_NIGHT) - {"oof_predictions"}))
def test_missing_member_is_named_and_nothing_is_replaced(store: Store, asset: str) -> None:
    first = publish_night(store, 0)
    publish_night(store, 1)
    for version in store.archive.versions(at(asset))[1:]:
        (store.archive.folder(at(asset)) / version.file_name).unlink()

    with pytest.raises(StoreError, match=f"cannot be restored, no kept version of .*{asset}"):
        plan_rollback(store, OOF, first)
    assert nights_on_disk(store) == all_of(1)


@pytest.mark.parametrize("asset", PRODUCTS_OF_A_NIGHT)
def test_damaged_member_is_found_before_anything_is_replaced(store: Store, asset: str) -> None:
    first = publish_night(store, 0)
    publish_night(store, 1)
    old = store.archive.versions(at(asset))[-1]
    store.archive.path(at(asset), old).write_bytes(b"damaged")

    with pytest.raises(StoreError, match=f"{asset}.* is damaged"):
        roll_back(store, first)
    assert nights_on_disk(store) == all_of(1)


def test_damaged_model_is_found_before_anything_is_replaced(store: Store) -> None:
    first = publish_night(store, 0)
    publish_night(store, 1)
    old = store.archive.versions(at("fitted_models"))[-1]
    path = store.path(at("fitted_models")) / min(old.files)
    intact = path.read_bytes()
    path.write_bytes(intact[:-1] + bytes([intact[-1] ^ 1]))

    with pytest.raises(StoreError, match=f"{min(old.files)}: is damaged"):
        roll_back(store, first)
    assert nights_on_disk(store) == all_of(1)


def test_damage_of_the_current_results_does_not_stand_in_the_way(store: Store) -> None:
    first = publish_night(store, 0)
    publish_night(store, 1)
    for asset in PRODUCTS_OF_A_NIGHT:
        path = store.entry_file(at(asset))
        path.unlink()
        path.write_bytes(b"damaged")

    roll_back(store, first)

    assert nights_on_disk(store) == all_of(0)


def test_kill_between_any_two_steps_leaves_whole_files_and_shows_as_a_mix(store: Store) -> None:
    first = publish_night(store, 0)
    publish_night(store, 1)
    rollback = plan_rollback(store, OOF, first)

    for n_steps in range(1, len(rollback.versions)):
        steps = restore(store, rollback)
        for _ in range(n_steps):
            next(steps)
        steps.close()

        found = nights_on_disk(store)
        assert found["oof_predictions"] == 0
        assert found["fitted_models"] == 1
        assert list(load_models(store.open_models(at("fitted_models"))))
        kept = {version.data_version for version in store.archive.versions(OOF)}
        assert len(kept) == 2

    roll_back(store, first)
    assert nights_on_disk(store) == all_of(0)


def test_optional_results_come_back_where_they_belong_and_are_named_where_not(
    store: Store,
) -> None:
    first = publish_night(store, 0)
    nested = sample_table("NestedOOF")

    def write_nested(seed: int, value: float) -> None:
        made = nested.assign(prediction=value)
        settings = {"trainer": "model2_assets.training:RidgeTrainer", "params": {}}
        marked = with_provenance(
            made,
            data_version=table_digest(made),
            inputs={"labels": "1"},
            sample_weights="none",
            seed=seed,
            **settings,
        )
        store.write(at("nested_oof"), marked)

    write_nested(seed=7, value=1.0)
    publish_night(store, 1)
    write_nested(seed=8, value=2.0)

    assert "nested_oof" in plan_rollback(store, OOF, first).versions
    roll_back(store, first)
    assert (store.read(at("nested_oof"))["prediction"] == 1.0).all()

    settings_of_first = store.archive.versions(at("fitted_models"))[0].settings
    for version in store.archive.versions(at("nested_oof")):
        if version.settings == settings_of_first:
            (store.archive.folder(at("nested_oof")) / version.file_name).unlink()
    assert plan_rollback(store, OOF, first).left_as_is == ("nested_oof",)


def test_scores_are_found_of_every_version_that_has_them(store: Store) -> None:
    for night in range(3):
        publish_night(store, night)
    kept = store.archive.versions(OOF)
    lost = store.archive.versions(at("cv_scores"))[1]
    (store.archive.folder(at("cv_scores")) / lost.file_name).unlink()

    found = scores_of(store, OOF, kept)

    assert set(found) == {kept[0].sha256, kept[2].sha256}
    for version, night in ((kept[0], 2), (kept[2], 0)):
        scores = store.read_version(at("cv_scores"), found[version.sha256])
        assert scores["value"].iloc[0] == night


def test_result_without_stated_inputs_belongs_to_nothing(store: Store) -> None:
    publish_night(store, 0)
    scores = table("cv_scores", 0)
    for version in store.archive.versions(at("cv_scores")):
        (store.archive.folder(at("cv_scores")) / version.file_name).unlink()
    store.write(at("cv_scores"), scores)

    (predictions,) = store.archive.versions(OOF)
    assert "cv_scores" not in members_of(store, OOF, predictions)


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    keep=st.integers(2, 3),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=1, max_size=5),
)
def test_any_sequence_of_nights_and_rollbacks_leaves_what_was_last_asked_for(
    keep: int, steps: list[tuple[bool, int]]
) -> None:
    store = Store(f"memory://{uuid.uuid4().hex}", keep_versions=keep)
    newest_first: list[int] = []
    for is_rollback, night in steps:
        if not is_rollback:
            publish_night(store, night)
        elif night in newest_first:
            roll_back(store, digest("oof_predictions", night))
        else:
            with pytest.raises(StoreError):
                plan_rollback(store, OOF, digest("oof_predictions", night))
            continue
        newest_first = [night, *(other for other in newest_first if other != night)][:keep]

        assert nights_on_disk(store) == all_of(night)
        digests = [digest("oof_predictions", kept) for kept in newest_first]
        assert [version.data_version for version in store.archive.versions(OOF)] == digests
        for asset in TABLES:
            assert len(store.archive.versions(at(asset))) <= keep
