import pickle

import numpy as np
import pytest

from model2_assets.errors import TrainingError
from model2_assets.training import BaseModelTrainer, ParameterError, cross_validate
from model2_assets.training.base_models import (
    hash_values,
    importance_frame,
    merge_params,
    require_choice,
    require_number,
)
from model2_assets_tests.training.panels import make_data


def test_given_parameters_go_over_the_defaults():
    assert merge_params({"a": 1, "b": 2}, {"b": 3}) == {"a": 1, "b": 3}


def test_an_unknown_parameter_is_refused_with_the_known_ones():
    with pytest.raises(TrainingError, match=r"^params\.alhpa: unknown parameter; known: alpha, c$"):
        merge_params({"c": 1, "alpha": 1.0}, {"alhpa": 2.0})


@pytest.mark.parametrize("value", ["1e3", None, True, float("nan"), float("inf"), -1.0, 2.1])
def test_what_is_not_a_number_within_limits_is_refused(value):
    with pytest.raises(ParameterError, match=r"params\.x: must be a number at least 0 and at most"):
        require_number({"x": value}, "x", at_least=0, at_most=2)


@pytest.mark.parametrize("value", [0, 0.0, 2, 1.5])
def test_limits_themselves_are_allowed(value):
    require_number({"x": value}, "x", at_least=0, at_most=2)


def test_above_excludes_the_limit():
    require_number({"x": 1e-12}, "x", above=0)
    with pytest.raises(ParameterError, match="above 0, got 0"):
        require_number({"x": 0}, "x", above=0)


def test_a_fraction_is_no_whole_number():
    with pytest.raises(ParameterError, match=r"a whole number at least 1, got 3\.0"):
        require_number({"x": 3.0}, "x", at_least=1, integer=True)


@pytest.mark.parametrize("value", [1, "yes", None])
def test_a_choice_is_matched_by_type_as_well(value):
    with pytest.raises(ParameterError, match="must be one of True, False"):
        require_choice({"x": value}, "x", (True, False))


def test_the_error_survives_pickling():
    error = pickle.loads(pickle.dumps(ParameterError("alpha", "too small")))
    assert (error.key, error.reason, str(error)) == (
        "alpha",
        "too small",
        "params.alpha: too small",
    )


class Mean(BaseModelTrainer):
    """A trainer of a user's own: the least that one has to have but for its storage."""

    file_extension = ".txt"

    def fit(self, X, y, *, feature_names):
        self.feature_names, self.mean = feature_names, float(y.mean())
        return self

    def predict(self, X):
        return np.full(len(X), self.mean)

    def importances(self):
        return importance_frame(self.feature_names, {})

    def digest(self):
        return hash_values(self.feature_names, [self.mean])


class InBytes(Mean):
    def to_bytes(self):
        return repr(self.mean).encode()

    @classmethod
    def from_bytes(cls, data):
        trainer = cls(params={}, seed=0)
        trainer.mean = float(data)
        return trainer


class InFiles(Mean):
    def save(self, path):
        path.write_text(repr(self.mean))

    @classmethod
    def load(cls, path):
        assert path.suffix == cls.file_extension
        return InBytes.from_bytes.__func__(cls, path.read_bytes())


@pytest.mark.parametrize("trainer_class", [InBytes, InFiles])
def test_a_trainer_that_is_stored_in_bytes_or_in_files_is_stored_in_both(trainer_class, tmp_path):
    data = make_data()
    for model in cross_validate(lambda: trainer_class(params={}, seed=0), data, n_jobs=2):
        trainer = model.trainer
        assert trainer.mean == data.y[data.train_rows(model.split_id)].mean()
        restored = trainer_class.from_bytes(trainer.to_bytes())
        path = tmp_path / "model.txt"
        trainer.save(path)
        assert path.read_bytes() == trainer.to_bytes()
        assert restored.mean == trainer_class.load(path).mean == trainer.mean


def test_a_trainer_that_cannot_be_stored_is_told_what_it_lacks():
    trainer = Mean(params={}, seed=0)
    with pytest.raises(NotImplementedError, match="give Mean to_bytes and from_bytes"):
        trainer.to_bytes()
    with pytest.raises(NotImplementedError, match="give Mean to_bytes and from_bytes"):
        Mean.from_bytes(b"")
