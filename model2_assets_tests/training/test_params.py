import pickle

import pytest

from model2_assets.errors import TrainingError
from model2_assets.training import ParameterError
from model2_assets.training.base_models import merge_params, require_choice, require_number


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
