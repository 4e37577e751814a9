from math import log

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import rel_entr

from model2_assets.evaluation import population_stability
from model2_assets.evaluation.stability import (
    feature_coverage,
    fold_agreement,
    importances_by_fold,
    incomplete_features,
    main_importance_kind,
    stretch_stability,
)
from model2_assets.panel import panel_index


def divergence(q, p):
    """Return the symmetric divergence of shares, by scipy."""
    q, p = (np.maximum(shares, 1e-4) for shares in (q, p))
    return float((rel_entr(p, q) + rel_entr(q, p)).sum())


def test_hand_worked_value():
    # Halves of 0..9 are cut at 4.5; 80% of the others lie below.
    found = population_stability(range(10), [0, 1, 2, 3, 9], n_bins=2)
    assert found == pytest.approx(0.3 * log(1.6) - 0.3 * log(0.4))
    assert found == pytest.approx(0.4158883083)


def test_an_empty_bin_counts_as_one_in_ten_thousand():
    found = population_stability(range(10), [0, 1], n_bins=2)
    expected = 0.5 * log(2) + (0.0001 - 0.5) * log(0.0001 / 0.5)
    assert found == pytest.approx(expected)


def test_deciles_hold_a_tenth_each_and_values_beyond_the_reference_fall_into_the_outer_bins():
    found = population_stability(np.arange(1000.0), [-1e9, 1e9, 1e9, 500.0])
    assert found == pytest.approx(divergence([0.1] * 10, [0.25, 0, 0, 0, 0, 0.25, 0, 0, 0, 0.5]))


def test_quantiles_that_coincide_merge_their_bins():
    found = population_stability([1.0] * 95 + [2.0] * 5, [1.0, 2.0])
    assert found == pytest.approx(divergence([0.95, 0.05], [0.5, 0.5]))
    assert population_stability([3.0] * 10, [3.0] * 4) == 0.0


def test_values_that_are_no_numbers_are_left_out_and_nothing_gives_no_index():
    values = np.arange(100.0)
    dirty = np.append(values, [np.nan, np.inf, -np.inf])
    assert population_stability(dirty, dirty) == 0.0
    assert np.isnan(population_stability([], values))
    assert np.isnan(population_stability(values, [np.nan]))


samples = st.lists(st.integers(-50, 50), min_size=30, max_size=200)


@settings(deadline=None)
@given(reference=samples, current=samples)
def test_it_is_the_symmetric_divergence_of_the_binned_shares(reference, current):
    found = population_stability(reference, current)
    bins = pd.Index(np.unique(np.quantile(reference, np.arange(1, 10) / 10)))
    q, p = (
        [np.mean(bins.searchsorted(side) == each) for each in range(len(bins) + 1)]
        for side in (reference, current)
    )
    assert found == pytest.approx(divergence(q, p), abs=1e-12)
    assert found >= 0


@settings(deadline=None)
@given(values=samples)
def test_it_is_zero_against_itself_whatever_the_order_and_the_number_of_copies(values):
    assert population_stability(values, values[::-1] * 3) == pytest.approx(0, abs=1e-12)


def test_it_is_symmetric_in_the_shares():
    # Both samples have the same edge: the median of each is 0.
    one, other = [-2, -1, 0, 0, 1], [-1, 0, 0, 1, 2]
    there, back = (population_stability(*pair, n_bins=2) for pair in ((one, other), (other, one)))
    assert there == pytest.approx(back)
    assert there > 0


def test_it_grows_with_the_shift():
    rng = np.random.default_rng(4)
    values = rng.normal(size=5000)
    indices = [population_stability(values, values + shift) for shift in (0, 0.2, 0.5, 1, 2)]
    assert indices == sorted(indices)
    assert indices[0] == 0
    # A shift of a normal distribution by d standard deviations has divergence d².
    assert indices[1] == pytest.approx(0.04, rel=0.2)


def test_stretches_are_compared_with_all_other_dates():
    dates = pd.bdate_range("2024-01-01", periods=5).repeat(2)
    index = panel_index(["A", "B"] * 5, dates)
    prediction = np.array([0, 1, 2, 3, 0, 1, 2, 3, 9, 9])
    # Stretches of two dates: 0..3 and 0..3; the fifth date, alone, counts among the others.
    found = stretch_stability(prediction, index, n_dates=2, n_bins=2)
    assert np.median(prediction) == 2.0
    q = np.array([3, 3]) / 6
    p = np.array([3, 1]) / 4
    assert found == pytest.approx([((p - q) * np.log(p / q)).sum()] * 2)


def test_stretches_do_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(2)
    dates = pd.bdate_range("2024-01-01", periods=40).repeat(3)
    index = panel_index(["A", "B", "C"] * 40, dates)
    prediction = pd.Series(rng.normal(size=120), index=index)
    shuffled = prediction.sample(frac=1, random_state=1)
    found = stretch_stability(prediction, index, n_dates=10)
    assert len(found) == 4
    assert np.array_equal(found, stretch_stability(shuffled, shuffled.index, n_dates=10))


def test_a_history_of_less_than_two_stretches_has_nothing_to_compare():
    index = panel_index(["A"] * 5, pd.bdate_range("2024-01-01", periods=5))
    assert stretch_stability(range(5), index, n_dates=3).size == 0
    assert stretch_stability(range(5), index, n_dates=2).size == 2


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
    pairs = [
        stats.spearmanr(by_fold[first], by_fold[second]).statistic
        for first, second in [(0, 2), (0, 10), (2, 10)]
    ]
    assert fold_agreement(importance()) == pytest.approx(np.mean(pairs))


def test_an_effect_that_turns_round_lowers_the_agreement():
    turned = importance("coefficient", folds=((3.0, 2, -1, -4), (-3.0, -2, 1, 4)))
    assert fold_agreement(turned) == pytest.approx(-1)


def test_one_fold_has_no_agreement_and_equal_importances_no_correlation():
    assert np.isnan(fold_agreement(importance(folds=((4.0, 3, 2, 1),))))
    assert np.isnan(fold_agreement(importance(folds=((4.0, 3, 2, 1), (0.0, 0, 0, 0)))))


DATES = pd.bdate_range("2024-01-01", periods=3)


def index_of(*rows):
    return pd.MultiIndex.from_tuples(
        [(name, DATES[day]) for name, day in rows], names=["instrument", "datetime"]
    )


def test_hand_worked_coverage():
    universe = index_of(("A", 0), ("B", 0), ("A", 1), ("B", 1), ("A", 2), ("B", 2), ("C", 2))
    features = pd.DataFrame(
        {"f": [1.0, np.nan, 3.0, np.nan], "g": [1.0, np.nan, 3.0, 4.0]},
        index=index_of(("B", 1), ("A", 2), ("B", 2), ("C", 2)),
    )
    found = feature_coverage(features, universe)
    assert found.index.tolist() == DATES.tolist()
    assert found["names"].tolist() == [2, 2, 3]
    assert found["with_features"].tolist() == [0, 0.5, 1]
    np.testing.assert_array_equal(found["values"], [np.nan, 1.0, 3 / 6])


def test_incomplete_features_most_missing_first():
    features = pd.DataFrame(
        {"b": [np.nan, 1.0], "full": [1.0, 2.0], "all": [np.nan] * 2, "a": [1.0, np.nan]},
        index=index_of(("A", 0), ("A", 1)),
    )
    found = incomplete_features(features)
    assert found["feature"].tolist() == ["all", "a", "b"]
    assert found["missing"].tolist() == [2, 1, 1]
    assert found["share"].tolist() == [1, 0.5, 0.5]
    assert incomplete_features(features[["full"]]).empty
