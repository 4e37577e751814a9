"""A damaged or foreign checkpoint is named, removed, and fitted again."""

import hashlib
import json
from pathlib import Path

import pytest

from model2_assets.storage.record import checked_json, read_checked_json
from model2_assets_tests.training.interrupted import (
    digests,
    files_of,
    fit,
    interrupt,
    interrupted_after,
    model_of,
)


def document_of(path):
    return path


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def empty(path):
    path.write_bytes(b"")


def claim_other_seconds(path):
    values = json.loads(path.read_bytes())
    values["model"]["seconds"] = 0.0
    path.write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("model", "part", "damage", "reason"),
    [
        ("ridge", model_of, flip_a_bit, "is damaged: sha256 "),
        ("xgboost", model_of, flip_a_bit, "is damaged: sha256 "),
        ("ridge", model_of, truncate, "has "),
        ("ridge", model_of, empty, "has 0 bytes"),
        ("ridge", model_of, Path.unlink, "is missing"),
        ("ridge", document_of, truncate, "not valid JSON"),
        ("ridge", document_of, empty, "not valid JSON"),
        ("ridge", document_of, claim_other_seconds, "does not fit its checksum"),
    ],
)
def test_damaged_checkpoint_is_named_removed_and_fitted_again(
    folder, log, model, part, damage, reason
):
    interrupt(folder, model)
    damaged, intact = files_of(folder)
    path = part(damaged)
    damage(path)
    with interrupted_after(1):
        fit(folder, model)
    (warning,) = [record.getMessage() for record in log.records if record.levelname == "WARNING"]
    assert warning.startswith(f"{damaged}: cannot be reused (")
    assert f"{path.name}: {reason}" in warning.replace("cannot be reused (", "")
    assert "; it is removed, and split " in warning
    resumed = fit(folder, model)
    assert resumed.n_reused == 2, "the intact one and the one fitted again"
    assert intact.exists()
    assert digests(resumed) == digests(fit(None, model))


def test_no_flipped_bit_of_a_document_goes_unnoticed(folder):
    interrupt(folder, after=1)
    (path,) = files_of(folder)
    good = path.read_bytes()
    values = read_checked_json(good)
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 1 << position % 8
        try:
            assert read_checked_json(bytes(bad)) == values, "a blank for another"
        except ValueError:
            continue


def test_checkpoint_under_the_name_of_another_is_refused(folder, log):
    interrupt(folder)
    of_others, own = files_of(folder)
    of_others.replace(own)
    assert fit(folder).n_reused == 0
    assert f"{own}: cannot be reused (holds the model of another key" in log.text


def test_checkpoint_of_another_model_with_a_hash_of_its_own_is_refused(folder, log):
    """Whoever can write the folder can also compute hashes; mix-ups are refused all the same."""
    interrupt(folder)
    path = files_of(folder)[0]
    values = read_checked_json(path.read_bytes())
    foreign = b"nothing that NumPy reads"
    sha256 = hashlib.sha256(foreign).hexdigest()
    stem = values["model"]["file"].partition("-")[0]
    foreign_file = {"file": f"{stem}-{sha256[:12]}.npz", "sha256": sha256, "bytes": len(foreign)}
    path.with_name(foreign_file["file"]).write_bytes(foreign)
    for document, reason in (
        ({"key": values["key"]}, "error for ModelFile"),
        ({**values, "model": {**values["model"], "color": "red"}}, "Unexpected keyword"),
        ({**values, "model": {**values["model"], "digest": "0" * 64}}, "is not the one"),
        ({**values, "model": {**values["model"], **foreign_file}}, "contains pickled"),
    ):
        path.write_text(checked_json(document))
        with interrupted_after(1):
            fit(folder)
        assert reason in log.text
        log.clear()
