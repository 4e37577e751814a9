import numpy as np
import pandas as pd
import pytest

from model2_assets.cross_validation import PurgedEmbargoedTimeSeriesSplit, propose_cpcv
from model2_assets.errors import CrossValidationError
from model2_assets_tests.cross_validation.panels import one_series

FIVE_YEARS = 5 * 252 - 64


def candidate(proposal, n_groups, k):
    chosen = proposal.candidates.query("n_groups == @n_groups and n_test_groups == @k")
    return chosen.iloc[0]


def test_cost_of_a_history_worked_out_by_hand():
    # 12 dates in 3 groups, labels of 2 days, embargo of 1: trains on 5, 3 and 6 dates of 8.
    found = candidate(propose_cpcv(12, label_window=2, embargo_days=1), 3, 1)
    expected = {
        "n_splits": 3,
        "n_paths": 1,
        "test_dates": 4,
        "ideal_train_dates": 8,
        "train_dates": 14 / 3,
        "purged_dates": 8 / 3,
        "embargoed_dates": 2 / 3,
        "least_train_dates": 3,
        "train_share": 14 / 36,
        "kept_share": 14 / 24,
    }
    assert found[list(expected)].to_dict() == pytest.approx(expected)


def test_five_years_at_63_days_cost_a_fifth_of_the_train_dates():
    proposal = propose_cpcv(FIVE_YEARS, label_window=64)
    six = candidate(proposal, 6, 2)
    assert six["ideal_train_dates"] == pytest.approx(797.3, abs=0.05)
    assert six["train_dates"] == pytest.approx(620.0, abs=0.05)
    assert six["least_train_dates"] == 531
    assert six["kept_share"] == pytest.approx(0.778, abs=5e-4)
    shorter = candidate(propose_cpcv(FIVE_YEARS, label_window=22), 6, 2)
    assert shorter["kept_share"] == pytest.approx(0.918, abs=5e-4)
    longer = candidate(propose_cpcv(8000, label_window=64), 6, 2)
    assert longer["kept_share"] == pytest.approx(0.967, abs=5e-4)


@pytest.mark.parametrize(("n_groups", "k"), [(4, 1), (6, 2), (5, 3)])
def test_dates_are_those_of_the_splitter(n_groups, k):
    found = candidate(propose_cpcv(200, label_window=7, embargo_days=2), n_groups, k)
    index, label_end = one_series(200, window=7)
    cv = PurgedEmbargoedTimeSeriesSplit(n_groups, n_test_groups=k, embargo_days=2)
    sizes = [(len(train), len(test)) for train, test in cv.split(index, label_end=label_end)]
    train, test = np.mean(sizes, axis=0)
    assert (found["train_dates"], found["test_dates"]) == pytest.approx((train, test))
    assert found["least_train_dates"] == min(size for size, _ in sizes)
    assert (found["n_splits"], found["n_paths"]) == (cv.n_splits, cv.n_paths)


def test_the_wishes_are_met_with_fewest_fits_where_they_can_be():
    proposal = propose_cpcv(FIVE_YEARS, label_window=64, train_share=0.6, n_paths=5)
    meets = proposal.candidates.query("train_share >= 0.6 and n_paths >= 5")
    assert len(meets) == 6
    assert (meets["shortfall"] == 0).all()
    assert meets.index.tolist() == list(range(6))
    assert proposal.candidates["n_splits"].iloc[0] == meets["n_splits"].min() == 36
    assert (proposal.n_groups, proposal.n_test_groups) == (9, 2)
    assert "the wishes cannot all be met" not in proposal.text


def test_one_path_and_much_to_train_on_is_k_fold():
    proposal = propose_cpcv(8000, n_paths=1, train_share=0.75)
    assert (proposal.n_groups, proposal.n_test_groups) == (5, 1)


def test_wishes_that_cannot_be_met_say_so_and_are_missed_least():
    proposal = propose_cpcv(FIVE_YEARS, train_share=0.95, n_paths=3)
    best = proposal.candidates.iloc[0]
    assert proposal.text.endswith("; the wishes cannot all be met")
    assert best["shortfall"] == proposal.candidates["shortfall"].min() > 0
    assert best["shortfall"] == pytest.approx(1 - best["train_share"] / 0.95)


def test_candidates_keep_to_the_limits_and_the_history():
    table = propose_cpcv(8000, max_groups=9, max_splits=40).candidates
    assert table["n_groups"].max() == 9
    assert table["n_splits"].max() <= 40
    assert not table.duplicated(["n_groups", "n_test_groups"]).any()
    assert propose_cpcv(3).candidates["n_groups"].max() == 3
    assert isinstance(table.index, pd.RangeIndex)


def test_the_same_question_gets_the_same_answer():
    pd.testing.assert_frame_equal(propose_cpcv(900).candidates, propose_cpcv(900).candidates)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_dates": 1}, "n_dates must be an integer of at least 2"),
        ({"n_dates": 100, "label_window": -1}, "label_window must be an integer of at least 0"),
        ({"n_dates": 100, "n_paths": 0}, "n_paths must be an integer of at least 1"),
        ({"n_dates": 100, "train_share": 60}, "train_share must be above 0 and below 1, got 60"),
        ({"n_dates": 100, "max_splits": 1}, "max_splits must be an integer of at least 2"),
    ],
)
def test_impossible_wishes_are_refused(settings, message):
    with pytest.raises(CrossValidationError, match=message):
        propose_cpcv(**settings)
