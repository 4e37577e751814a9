"""Random panels against the rules restated row by row, O(n^2)."""

from itertools import combinations
from math import comb

import numpy as np
from hypothesis import assume, given, settings

from model2_assets.config import CrossValidationConfig
from model2_assets.cross_validation import (
    PurgedEmbargoedTimeSeriesSplit,
    build_cv_splits,
    longest_label_end,
    prove_no_overlap,
    split_roles,
)
from model2_assets_tests.cross_validation._panels import (
    RandomCase,
    brute_force_roles,
    count_leaks,
    dates_of,
    random_cases,
)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(case=random_cases())
def test_roles_agree_with_brute_force_row_for_row(case: RandomCase):
    key = list(case.ends)[-1]
    labelled = ~case.ends[key].isna()
    index, label_end = case.index[labelled], case.ends[key][labelled]
    n_dates = len(np.unique(dates_of(index)))
    assume(n_dates >= case.n_groups)
    splitter = PurgedEmbargoedTimeSeriesSplit(
        case.n_groups, n_test_groups=case.n_test_groups, embargo_days=case.embargo_days
    )
    roles = splitter.roles(index, label_end=label_end)
    groups = np.array_split(np.unique(dates_of(index)), case.n_groups)
    choices = list(combinations(range(case.n_groups), case.n_test_groups))
    assert roles.shape == (len(index), len(choices))
    for split_id, tested in enumerate(choices):
        expected = brute_force_roles(
            index, label_end, groups=groups, tested=tested, embargo_days=case.embargo_days
        )
        np.testing.assert_array_equal(roles[:, split_id], expected)
    times_tested = (roles == 1).sum(axis=1)
    assert (times_tested == comb(case.n_groups - 1, case.n_test_groups - 1)).all()


@settings(deadline=None, derandomize=True, max_examples=80)
@given(case=random_cases())
def test_table_and_proof_of_two_horizons_agree_with_brute_force(case: RandomCase):
    labels = case.labels
    ends = longest_label_end(labels)
    n_dates = len(np.unique(dates_of(ends.dropna().index)))
    assume(n_dates >= case.n_groups)
    config = CrossValidationConfig(
        n_groups=case.n_groups, n_test_groups=case.n_test_groups, embargo_days=case.embargo_days
    )
    splits = build_cv_splits(case.index, labels, config)
    assert splits.index.equals(ends.dropna().index)
    label_end = ends[splits.index].to_numpy()
    proof = prove_no_overlap(splits, labels)
    assert proof.n_overlaps == 0
    assert proof.first_overlap is None
    for split_id in proof.per_split["split_id"]:
        roles = split_roles(splits, split_id)
        train, test = np.flatnonzero(roles == 0), np.flatnonzero(roles == 1)
        assert count_leaks(splits.index, label_end, train, test) == 0


@settings(deadline=None, derandomize=True, max_examples=80)
@given(case=random_cases())
def test_proof_counts_the_overlaps_of_an_unpurged_split_as_brute_force_does(case: RandomCase):
    labels = case.labels
    ends = longest_label_end(labels)
    assume(len(np.unique(dates_of(ends.dropna().index))) >= case.n_groups)
    config = CrossValidationConfig(
        n_groups=case.n_groups, n_test_groups=case.n_test_groups, embargo_days=case.embargo_days
    )
    splits = build_cv_splits(case.index, labels, config)
    columns = [name for name in splits if str(name).startswith("split_")]
    unpurged = splits.copy()
    unpurged[columns] = splits[columns].where(splits[columns] == 1, 0).astype("int8")
    label_end = ends[splits.index].to_numpy()
    proof = prove_no_overlap(unpurged, labels).per_split.set_index("split_id")
    for split_id in proof.index:
        roles = split_roles(unpurged, split_id)
        train, test = np.flatnonzero(roles == 0), np.flatnonzero(roles == 1)
        expected = count_leaks(splits.index, label_end, train, test)
        assert proof.loc[split_id, "overlaps"] == expected
        distance = _smallest_distance(labels, splits, label_end, roles)
        assert proof.loc[split_id, "min_distance_bars"] == distance


def _smallest_distance(labels, splits, label_end, roles):
    calendar = np.unique(dates_of(labels.index))
    first = np.searchsorted(calendar, dates_of(splits.index))
    last = np.searchsorted(calendar, label_end, side="right") - 1
    train, test = np.flatnonzero(roles == 0), np.flatnonzero(roles == 1)
    after = first[test][None, :] - last[train][:, None]
    before = first[train][:, None] - last[test][None, :]
    return max(int(np.maximum(after, before).min()), 0)
