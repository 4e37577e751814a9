"""Random panels against the rules restated row by row, O(n^2)."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from model2_assets.cross_validation import build_cv_splits, prove_no_overlap
from model2_assets.cross_validation.intervals import longest_label_end
from model2_assets.cross_validation.roles import RoleColumn, role_columns
from model2_assets_tests.cross_validation.agreement import (
    PURGES,
    SCHEMES,
    can_be_split,
    expected_table,
    require_agreement,
)
from model2_assets_tests.cross_validation.panels import (
    RandomCase,
    count_leaks,
    dates_of,
    random_cases,
)

EMBARGO = 4


@pytest.mark.parametrize("purge", PURGES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_role_of_every_row_agrees_with_brute_force(scheme: str, purge: str):
    @settings(deadline=None, derandomize=True, max_examples=100)
    @given(case=random_cases(schemes=(scheme,), purges=(purge,)))
    def agrees(case: RandomCase):
        assume(can_be_split(case))
        require_agreement(case)

    agrees()


@settings(deadline=None, derandomize=True, max_examples=60)
@given(case=random_cases(schemes=SCHEMES, purges=PURGES), choice=st.integers(0, 10**6))
def test_the_comparison_sees_a_single_wrong_role(case: RandomCase, choice: int):
    assume(can_be_split(case))
    table = build_cv_splits(case.index, case.labels, case.config)
    row, column = choice % len(table), 1 + choice % (table.shape[1] - 1)
    table.iloc[row, column] = (table.iloc[row, column] + 1) % 6
    with pytest.raises(AssertionError):
        pd.testing.assert_frame_equal(table, expected_table(case))


@settings(deadline=None, derandomize=True, max_examples=120)
@given(case=random_cases(schemes=SCHEMES, purges=PURGES))
def test_proof_counts_the_overlaps_of_an_unpurged_split_as_brute_force_does(case: RandomCase):
    labels = case.labels
    assume(can_be_split(case))
    splits = build_cv_splits(case.index, labels, case.config)
    columns = [column.name for column in role_columns(splits)]
    unpurged = splits.copy()
    purged = splits[columns].isin([2, 3, 4])
    unpurged[columns] = splits[columns].mask(purged, 0).astype("int8")
    longest = longest_label_end(labels)[splits.index].to_numpy()
    proof = prove_no_overlap(unpurged, labels, embargo_days=EMBARGO).per_split
    for column, found in zip(role_columns(splits), proof.to_dict("records"), strict=True):
        assert (found["horizon"], found["split_id"]) == (column.purged_with, column.split_id)
        ends = _own_ends(labels, column, splits.index, longest)
        roles = column.roles(unpurged)
        train, test = np.flatnonzero(roles == 0), np.flatnonzero(roles == 1)
        assert found["overlaps"] == count_leaks(splits.index, ends, train, test)
        start = dates_of(splits.index)
        seen = (start[train][:, None] <= longest[test]) & (start[test] <= ends[train][:, None])
        assert found["overlaps_longest"] == seen.any(axis=1).sum()
        distances = _brute_force_distances(splits.index, ends, train, test)
        for name, side in zip(("distance_before", "distance_after"), distances, strict=True):
            assert (None if pd.isna(found[name]) else found[name]) == min(side, default=None)
        in_embargo = [bars for bars in distances[1] if 0 < bars <= EMBARGO]
        assert found["in_embargo"] == len(in_embargo)


def _own_ends(
    labels: pd.DataFrame, column: RoleColumn, index: pd.MultiIndex, longest: np.ndarray
) -> np.ndarray:
    if column.horizon is None:
        return longest
    return labels.loc[index, f"label_end_{column.horizon}"].to_numpy().astype("datetime64[us]")


def _brute_force_distances(index, ends, train, test):
    """Return bars from every train row to the next test block, and from the last block's end."""
    start = dates_of(index)
    calendar = np.unique(start)
    date = np.searchsorted(calendar, start)
    end = np.searchsorted(calendar, ends, side="right") - 1
    tested = sorted(set(date[test]))
    runs = [run for run in tested if run - 1 not in tested]
    before, after = [], []
    for row in train:
        following = [first for first in runs if first > date[row]]
        before += [max(min(following) - end[row], 0)] if following else []
        earlier = [t for t in test if date[t] <= date[row]]
        after += [max(date[row] - max(end[t] for t in earlier), 0)] if earlier else []
    return before, after
