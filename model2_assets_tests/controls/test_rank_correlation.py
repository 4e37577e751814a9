import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata, spearmanr

from model2_assets.checks.null_control import rank_correlations
from model2_assets.training import date_runs

FEW_VALUES = st.integers(-3, 3).map(float)


@given(
    arrays(float, st.tuples(st.integers(1, 4), st.integers(3, 9)), elements=FEW_VALUES),
    st.randoms(use_true_random=False),
)
@settings(deadline=None, derandomize=True, max_examples=60)
def test_rank_correlations_are_spearmans_with_ties(predictions, random):
    labels = np.array([[random.randint(-2, 2) for _ in row] for row in predictions], dtype=float)

    found = rank_correlations(predictions, rankdata(labels, axis=1))

    for value, left, right in zip(found, predictions, labels, strict=True):
        if len(set(left)) == 1 or len(set(right)) == 1:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(spearmanr(left, right).statistic, abs=1e-12)


def test_hand_worked_rank_correlations():
    ranks = np.array([[1.0, 2.0, 3.0, 4.0]] * 3)

    found = rank_correlations(
        np.array([[10.0, 20.0, 30.0, 99.0], [4.0, 3.0, 2.0, 1.0], [5.0, 5.0, 7.0, 7.0]]), ranks
    )

    np.testing.assert_allclose(found, [1.0, -1.0, 2 / np.sqrt(5)], rtol=1e-15)


def test_two_names_do_not_correlate():
    assert np.isnan(rank_correlations(np.array([[1.0, 2.0]]), np.array([[1.0, 2.0]]))).all()


@pytest.mark.parametrize(
    ("max_rows", "expected"),
    [(1, [(0, 1), (1, 2), (2, 3), (3, 4)]), (5, [(0, 2), (2, 3), (3, 4)]), (99, [(0, 4)])],
)
def test_dates_are_cut_into_runs_of_few_rows_and_never_within_a_date(max_rows, expected):
    starts = np.array([0, 3, 5, 12, 14])

    runs = list(date_runs(starts, max_rows=max_rows))

    assert [(run.start, run.stop) for run in runs] == expected
