"""A damaged or foreign checkpoint is named, removed, and fitted again."""

import hashlib
import json

import pytest

from model2_assets_tests.training.interrupted import (
    digests,
    files_of,
    fit,
    interrupt,
    interrupted_after,
)


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def empty(path):
    path.write_bytes(b"")


def flip_a_digit_of_the_hash(path):
    data = path.read_bytes()
    path.write_bytes((b"0" if data[:1] != b"0" else b"1") + data[1:])


def claim_other_seconds(path):
    head, line, saved = path.read_bytes().split(b"\n", 2)
    header = json.loads(line) | {"seconds": 0.0}
    path.write_bytes(b"\n".join([head, json.dumps(header).encode(), saved]))


@pytest.mark.parametrize(
    ("model", "damage"),
    [
        ("ridge", flip_a_bit),
        ("xgboost", flip_a_bit),
        ("ridge", truncate),
        ("ridge", empty),
        ("ridge", flip_a_digit_of_the_hash),
        ("ridge", claim_other_seconds),
    ],
)
def test_damaged_checkpoint_is_named_removed_and_fitted_again(folder, log, model, damage):
    interrupt(folder, model)
    damaged, intact = files_of(folder)
    damage(damaged)
    with interrupted_after(1):
        fit(folder, model)
    (warning,) = [record.getMessage() for record in log.records if record.levelname == "WARNING"]
    assert warning.startswith(f"{damaged}: is damaged: sha256 ")
    assert "it is removed, and fold " in warning
    resumed = fit(folder, model)
    assert resumed.n_reused == 2, "the intact one and the one fitted again"
    assert intact.exists()
    assert digests(resumed) == digests(fit(None, model))


def test_checkpoint_under_the_name_of_another_is_refused(folder, log):
    interrupt(folder)
    of_others, own = files_of(folder)
    of_others.replace(own)
    assert fit(folder).n_reused == 0
    assert f"{own}: holds the model of another key" in log.text


def test_checkpoint_of_another_model_with_a_hash_of_its_own_is_refused(folder, log):
    """Whoever can write the folder can also compute hashes; mix-ups are refused all the same."""
    interrupt(folder)
    path = files_of(folder)[0]
    _, line, saved = path.read_bytes().split(b"\n", 2)
    header = json.loads(line)
    for content, reason in (
        (b"[]\n", "is not a fold model of this version"),
        (json.dumps({**header, "color": "red"}).encode() + b"\n" + saved, "of this version"),
        (json.dumps({**header, "digest": "0" * 64}).encode() + b"\n" + saved, "is not the one"),
        (line + b"\nnothing that NumPy reads", "cannot be read as RidgeTrainer"),
    ):
        path.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        with interrupted_after(1):
            fit(folder)
        assert reason in log.text
        log.clear()
