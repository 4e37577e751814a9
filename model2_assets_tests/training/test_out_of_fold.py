import numpy as np
import pytest

from model2_assets.errors import TrainingError
from model2_assets.training import (
    FoldModel,
    RidgeTrainer,
    TrainingData,
    cross_validate,
    predict_out_of_fold,
)
from model2_assets_tests.training.panels import make_data, make_index
from model2_assets_tests.training.trainers import ConstantTrainer


def constant(split_id, value):
    trainer = ConstantTrainer(params={}, seed=0)
    trainer.value = value
    return FoldModel(split_id=split_id, trainer=trainer, n_train=1, n_test=1, seconds=0.0)


def hand_made(roles, group_id):
    roles = np.array(roles, dtype=np.int8)
    index = make_index(len(roles) // 2, 2)
    return TrainingData(
        index=index,
        X=np.zeros((len(index), 1), dtype=np.float32),
        y=np.zeros(len(index)),
        feature_names=("f",),
        roles=roles,
        group_id=np.array(group_id, dtype=np.int16),
    )


def test_each_row_is_predicted_by_the_model_that_tests_it_sorted_by_instrument():
    data = hand_made([[1, 0], [1, 0], [0, 1], [0, 1]], [0, 0, 1, 1])
    oof = predict_out_of_fold([constant(1, 20.0), constant(0, 10.0)], data)
    assert list(oof.index.names) == ["instrument", "datetime"]
    rows = [(name, f"{date:%d}", *values) for (name, date), *values in oof.itertuples()]
    assert rows == [
        ("S00", "01", 10.0, 0),
        ("S00", "02", 20.0, 1),
        ("S01", "01", 10.0, 0),
        ("S01", "02", 20.0, 1),
    ]
    assert oof.dtypes.astype(str).to_dict() == {"prediction": "float64", "fold_id": "int16"}
    assert oof.index.levels[1].unit == "us"


def test_with_two_test_groups_the_mean_over_the_splits_that_test_a_row_is_taken():
    # Groups 0, 1, 2; splits test (0, 1), (0, 2), (1, 2); roles 2 and 3 take no part.
    roles = [[1, 1, 3]] * 2 + [[1, 2, 1]] * 2 + [[4, 1, 1]] * 2
    data = hand_made(roles, [0, 0, 1, 1, 2, 2])
    oof = predict_out_of_fold([constant(0, 1.0), constant(1, 10.0), constant(2, 100.0)], data)
    assert oof["prediction"].tolist() == [5.5, 50.5, 55.0] * 2
    assert oof["fold_id"].tolist() == [0, 1, 2] * 2


def test_two_test_groups_of_five_give_four_predictions_a_row():
    data = make_data(n_test_groups=2)
    models = cross_validate(lambda: RidgeTrainer(params={}, seed=0), data)
    assert len(models) == 10
    oof = predict_out_of_fold(models, data)["prediction"].reindex(data.index)
    for row in (0, 100, data.n_rows - 1):
        testing = [model for model in models if data.roles[row, model.split_id] == 1]
        assert len(testing) == 4
        single = [model.trainer.predict(data.X[row : row + 1])[0] for model in testing]
        assert oof.iloc[row] == pytest.approx(np.mean(single), rel=1e-12)


def test_small_chunks_predict_the_same(monkeypatch):
    data = make_data()
    models = cross_validate(lambda: RidgeTrainer(params={}, seed=0), data)
    whole = predict_out_of_fold(models, data)
    monkeypatch.setattr("model2_assets.training.predict._CHUNK_ROWS", 7)
    chunked = predict_out_of_fold(models, data)
    np.testing.assert_allclose(chunked["prediction"], whole["prediction"], rtol=1e-12)


def test_predictions_are_handed_on_as_they_are():
    data = hand_made([[1], [1]], [0, 0])
    assert predict_out_of_fold([constant(0, np.nan)], data)["prediction"].isna().all()
    assert predict_out_of_fold([constant(0, 1e6)], data)["prediction"].tolist() == [1e6, 1e6]


def test_models_that_do_not_match_the_splits_are_refused():
    data = hand_made([[1, 0], [1, 0], [0, 1], [0, 1]], [0, 0, 1, 1])
    with pytest.raises(TrainingError, match="split 1 has no model"):
        predict_out_of_fold([constant(0, 1.0)], data)
    with pytest.raises(TrainingError, match="split 0: given twice"):
        predict_out_of_fold([constant(0, 1.0), constant(0, 2.0)], data)
    with pytest.raises(TrainingError, match="split 2: given twice, or not among the 2 splits"):
        predict_out_of_fold([constant(0, 1.0), constant(2, 2.0)], data)


def test_a_row_that_no_split_tests_is_named():
    data = hand_made([[1, 0], [1, 0], [0, 0], [0, 1]], [0, 0, 1, 1])
    with pytest.raises(TrainingError, match="no split predicts 1 rows, first S00 2020-01-02"):
        predict_out_of_fold([constant(0, 1.0), constant(1, 2.0)], data)
