import numpy as np
import pandas as pd
import pytest
from scipy import stats

from model2_assets.evaluation.stability import (
    fold_agreement,
    importance_stability,
    importances_by_fold,
    main_importance_kind,
)

NAN = [np.nan] * 4


def importance(kind="gain", folds=((4.0, 3, 2, 0), (9.0, 1, 5, 0), (0.0, 2, 3, 4))):
    values = np.array(folds).T
    table = pd.DataFrame({"feature": list("abcd")})
    for name in ("gain", "weight", "coefficient"):
        table[f"importance_{name}"] = values.mean(axis=1) if name == kind else NAN
    # Ten and more splits sort as numbers, not as text.
    ids = [10, 2, 0][: len(folds)]
    for column, split_id in enumerate(ids):
        table[f"importance_{kind}_fold_{split_id}"] = values[:, column]
    return table


@pytest.mark.parametrize("kind", ["gain", "weight", "coefficient"])
def test_the_main_kind_is_the_first_that_is_there(kind):
    assert main_importance_kind(importance(kind)) == kind
    both = importance("weight").assign(importance_gain=0.0)
    assert main_importance_kind(both) == "gain"


def test_folds_are_columns_in_the_order_of_their_numbers():
    found = importances_by_fold(importance(), "gain")
    assert found.columns.tolist() == [0, 2, 10]
    assert found.index.tolist() == list("abcd")
    assert found[10].tolist() == [4, 3, 2, 0]
    assert importances_by_fold(importance(), "weight").shape == (4, 0)


def test_stability_is_spearmans_correlation_of_every_pair():
    by_fold = importances_by_fold(importance(), "gain")
    found = importance_stability(by_fold)
    for first in by_fold:
        for second in by_fold:
            expected = stats.spearmanr(by_fold[first], by_fold[second]).statistic
            assert found.loc[first, second] == pytest.approx(expected)
    pairs = [found.loc[0, 2], found.loc[0, 10], found.loc[2, 10]]
    assert fold_agreement(importance()) == pytest.approx(np.mean(pairs))


def test_an_effect_that_turns_round_lowers_the_agreement():
    turned = importance("coefficient", folds=((3.0, 2, -1, -4), (-3.0, -2, 1, 4)))
    assert fold_agreement(turned) == pytest.approx(-1)


def test_one_fold_has_no_agreement_and_equal_importances_no_correlation():
    assert np.isnan(fold_agreement(importance(folds=((4.0, 3, 2, 1),))))
    assert np.isnan(fold_agreement(importance(folds=((4.0, 3, 2, 1), (0.0, 0, 0, 0)))))
