"""Which formats hold code: pickles alone, and those of trainers that say so."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model2_assets.training import (
    BaseModelTrainer,
    LinearTrainer,
    RidgeTrainer,
    XGBoostTrainer,
)
from model2_assets_tests.corruption.bombs import Bomb
from model2_assets_tests.corruption.stored import NET, addresses, digest, fill


@pytest.fixture
def no_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("unpickled")

    for module, names in (
        (pickle, ("load", "loads", "Unpickler", "_load", "_loads", "_Unpickler")),
        (np.lib._format_impl.pickle, ("load", "loads")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, refuse)
    monkeypatch.setattr("joblib.numpy_pickle.NumpyUnpickler", refuse)


@pytest.mark.usefixtures("no_pickle")
def test_nothing_but_the_files_of_linear_trainers_goes_through_pickle(tmp_path: Path) -> None:
    store = fill(tmp_path)
    for address in addresses():
        if address.model == "net":
            with pytest.raises(Exception, match=rf"cannot be read as {NET} \(unpickled\)"):
                digest(store.load(address))
        else:
            digest(store.load(address))


def test_trainers_say_whether_they_unpickle_and_are_taken_to_if_they_do_not() -> None:
    assert not RidgeTrainer.reads_pickles
    assert not XGBoostTrainer.reads_pickles
    assert LinearTrainer.reads_pickles
    assert BaseModelTrainer.reads_pickles


@pytest.mark.parametrize("trainer", [RidgeTrainer, XGBoostTrainer])
@pytest.mark.parametrize("wrapped", ["bare", "in an array"])
def test_a_pickle_under_the_name_of_another_format_is_not_run(
    trainer: type[BaseModelTrainer], wrapped: str, tmp_path: Path
) -> None:
    bomb = Bomb(tmp_path / "crater")
    data = pickle.dumps(bomb)
    if wrapped == "in an array":
        buffer = io.BytesIO()
        np.savez(buffer, state=np.array([bomb], dtype=object), allow_pickle=True)
        data = buffer.getvalue()
    with pytest.raises(Exception, match=r"pickle|not an XGBoost model"):
        trainer.from_bytes(data)
    assert not (tmp_path / "crater").exists()
