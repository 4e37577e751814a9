from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from model2_assets.errors import TrainingError
from model2_assets.storage.models import Calibration
from model2_assets.training import (
    FoldModel,
    ParameterError,
    RidgeTrainer,
    XGBoostTrainer,
    aggregate_importances,
    cross_validate,
)
from model2_assets.training.base_models import (
    importance_frame,
    predict_rows,
    require_choice,
    require_number,
    top_importances,
)
from model2_assets_tests.training.panels import make_data
from model2_assets_tests.training.trainers import ConstantTrainer, ElasticNetTrainer, constant


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


def fold(split_id, names, **kinds):
    class Fixed(ConstantTrainer):
        def importances(self):
            arrays = {kind: np.array(values, dtype=float) for kind, values in kinds.items()}
            return importance_frame(names, arrays)

    trainer = Fixed(params={}, seed=0)
    return FoldModel(split_id=split_id, trainer=trainer, n_train=1, n_test=1, seconds=0.0)


def test_mean_spread_and_folds_are_ranked_by_absolute_coefficient_then_name():
    names = ("d", "c", "b", "a")
    table = aggregate_importances(
        [
            fold(1, names, coefficient=[3.0, 1.0, -7.0, -1.0]),
            fold(0, names, coefficient=[1.0, 1.0, -5.0, -1.0]),
        ]
    )
    assert table["feature"].tolist() == ["b", "d", "a", "c"]
    assert table["importance_coefficient"].tolist() == [-6.0, 2.0, -1.0, 1.0]
    np.testing.assert_allclose(table["importance_coefficient_std"], [2**0.5, 2**0.5, 0.0, 0.0])
    assert table["importance_coefficient_fold_0"].tolist() == [-5.0, 1.0, -1.0, 1.0]
    assert table["importance_coefficient_fold_1"].tolist() == [-7.0, 3.0, -1.0, 1.0]
    assert table.columns.tolist() == [
        "feature",
        "importance_gain",
        "importance_gain_std",
        "importance_weight",
        "importance_weight_std",
        "importance_coefficient",
        "importance_coefficient_std",
        "importance_coefficient_fold_0",
        "importance_coefficient_fold_1",
    ]
    assert table[["importance_gain", "importance_gain_std"]].isna().all(axis=None)
    assert table[["importance_weight", "importance_weight_std"]].isna().all(axis=None)
    assert table.index.equals(pd.RangeIndex(4))


def test_gain_ranks_before_weight():
    table = aggregate_importances([fold(0, ("a", "b"), gain=[1.0, 2.0], weight=[9.0, 0.0])])
    assert table["feature"].tolist() == ["b", "a"]
    assert table["importance_weight"].tolist() == [0.0, 9.0]


def test_a_single_fold_has_no_spread():
    table = aggregate_importances([fold(0, ("a", "b"), gain=[1.0, 2.0], weight=[9.0, 0.0])])
    assert table["importance_gain_std"].tolist() == [0.0, 0.0]
    assert table["importance_coefficient_std"].isna().all()


@pytest.mark.parametrize(
    ("trainer_class", "kinds"),
    [(RidgeTrainer, {"coefficient"}), (XGBoostTrainer, {"gain", "weight"})],
)
def test_every_feature_of_a_real_model_has_a_row(trainer_class, kinds):
    data = make_data(n_features=9)
    params = {} if trainer_class is RidgeTrainer else {"n_estimators": 5}
    models = cross_validate(lambda: trainer_class(params=params, seed=0), data)
    table = aggregate_importances(models)
    assert sorted(table["feature"]) == sorted(data.feature_names)
    for kind in ("gain", "weight", "coefficient"):
        present = kind in kinds
        assert table[f"importance_{kind}"].notna().all() == present
        assert table[f"importance_{kind}_std"].notna().all() == present
        assert (f"importance_{kind}_fold_4" in table) == present
    assert table["feature"].iloc[0] == "F0"


PREDICTED = {
    "list": [1, 2.5],
    "float32": np.array([1, 2.5], dtype=np.float32),
    "objects": np.array([1, 2.5], dtype=object),
    "nullable": pd.array([1, 2.5], dtype="Float64"),
    "pyarrow": pa.array([1, 2.5]),
    "index of rows": pd.Series([1, 2.5], index=[7, 3]),
    "missing": pd.Series([1, None], dtype="double[pyarrow]"),
    "masked": np.ma.masked_array([1, 2.5], [False, True]),
}


class ReturningTrainer(ConstantTrainer):
    """Predicts what a test has laid down, whatever its type."""

    returned: Any = None

    def predict(self, X):
        return self.returned


@pytest.mark.parametrize("kind", PREDICTED)
def test_a_number_a_row_is_taken_in_any_type(kind):
    trainer = ReturningTrainer(params={}, seed=0)
    trainer.returned = PREDICTED[kind]
    expected = [1.0, np.nan if kind in ("missing", "masked") else 2.5]
    for calibration in (None, Calibration(slope=0.5, base_bps=1.0, rows=9)):
        slope = 1 if calibration is None else 0.5
        fold = FoldModel(0, trainer, n_train=1, n_test=1, seconds=0.0, calibration=calibration)
        predicted = predict_rows(fold, np.zeros((9, 1), dtype=np.float32), np.array([3, 4]))
        np.testing.assert_array_equal(predicted, 1 + slope * (np.array(expected) - 1))
        assert predicted.dtype == np.float64


@pytest.mark.parametrize(
    ("returned", "what"),
    [
        (["1.0", "2.0"], "list of shape (2,)"),
        (pd.Series([1, 2], dtype="category"), "category of shape (2,)"),
        (np.array([1j, 2]), "complex128 of shape (2,)"),
        (np.array(["2024-01-01"] * 2, dtype="M8[s]"), "datetime64[s] of shape (2,)"),
        (np.zeros((2, 1)), "float64 of shape (2, 1)"),
        (pd.DataFrame({"a": [1.0, 2.0]}), "DataFrame of shape (2, 1)"),
        (1.0, "float of shape ()"),
        (None, "NoneType of shape ()"),
    ],
)
def test_what_is_no_number_a_row_is_refused_by_type(returned, what):
    trainer = ReturningTrainer(params={}, seed=0)
    trainer.returned = returned
    with pytest.raises(TrainingError) as caught:
        predict_rows(trainer, np.zeros((2, 1), dtype=np.float32), np.arange(2))
    assert str(caught.value) == (
        f"ReturningTrainer.predict returned {what} for 2 rows; return one number a row"
    )


def test_importances_may_be_of_nullable_type():
    frame = importance_frame(("a", "b"), {"gain": np.array([1.0, 3.0])})
    frames = [frame, frame.convert_dtypes(), frame.convert_dtypes(dtype_backend="pyarrow")]
    folds = [constant(split_id, 0.0) for split_id in range(3)]
    for fold, kind in zip(folds, frames, strict=True):
        fold.trainer.importances = lambda kind=kind: kind
    table = aggregate_importances(folds)
    assert table["importance_gain"].tolist() == [3.0, 1.0]
    assert table["importance_coefficient"].isna().all()


def test_the_top_leaves_out_folds_and_what_the_model_does_not_have():
    table = aggregate_importances([fold(0, ("a", "b", "c"), coefficient=[1.0, 2.0, 3.0])])
    top = top_importances(table, 2)
    assert top["feature"].tolist() == ["c", "b"]
    assert top.columns.tolist() == [
        "feature",
        "importance_coefficient",
        "importance_coefficient_std",
    ]


def test_folds_of_different_features_are_refused():
    with pytest.raises(TrainingError, match="splits 0 and 2 were fitted on different features"):
        aggregate_importances([fold(2, ("a", "c"), gain=[1, 2]), fold(0, ("a", "b"), gain=[1, 2])])
    with pytest.raises(TrainingError, match="no model to take"):
        aggregate_importances([])


def test_given_parameters_go_over_the_defaults():
    assert ElasticNetTrainer(params={"l1_ratio": 1}, seed=0).params == {"alpha": 1.0, "l1_ratio": 1}


def test_an_unknown_parameter_is_refused_with_the_known_ones():
    message = r"^params\.alhpa: unknown parameter; known: alpha, l1_ratio$"
    with pytest.raises(ParameterError, match=message):
        ElasticNetTrainer(params={"alhpa": 2.0}, seed=0)
