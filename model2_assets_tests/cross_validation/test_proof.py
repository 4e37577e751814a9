import ast
import inspect

import numpy as np
import pandas as pd
import pytest

from model2_assets.config import CrossValidationConfig
from model2_assets.cross_validation import build_cv_splits, prove_no_overlap
from model2_assets.cross_validation import proof as _proof
from model2_assets.errors import CrossValidationError
from model2_assets.panel import panel_index
from model2_assets_tests.cross_validation.panels import (
    full_panel,
    labels_table,
    one_series,
    two_horizons,
)


def made(n_instruments=2, n_dates=20, **settings):
    labels = two_horizons(n_instruments, n_dates)
    config = CrossValidationConfig(**{"n_groups": 4, "embargo_days": 1} | settings)
    return build_cv_splits(labels.index, labels, config), labels


def same(found, expected):
    return found.equals(pd.Series(pd.array(expected, dtype="Int64")))


def test_proof_of_a_valid_table_counts_roles_and_distances():
    splits, labels = made()
    proof = prove_no_overlap(splits, labels, embargo_days=1)
    assert (proof.n_overlaps, proof.first_overlap) == (0, None)
    assert (proof.n_in_embargo, proof.first_in_embargo) == (0, None)
    assert proof.distances == {"smallest_distance_before": 1, "smallest_distance_after": 2}
    expected = pd.DataFrame(
        {
            "horizon": ["longest"] * 4,
            "split_id": [0, 1, 2, 3],
            "train": [20, 14, 14, 24],
            "test": [10, 10, 10, 8],
            "purged_before": [0, 6, 6, 6],
            "purged_after": [6, 6, 6, 0],
            "embargoed": [2, 2, 2, 0],
            "unused": [0, 0, 0, 0],
            "overlaps": [0, 0, 0, 0],
            "in_embargo": [0, 0, 0, 0],
            "distance_before": pd.array([None, 1, 1, 1], dtype="Int64"),
            "distance_after": pd.array([2, 2, None, None], dtype="Int64"),
            "overlaps_longest": [0, 0, 0, 0],
        }
    )
    pd.testing.assert_frame_equal(proof.per_split, expected)


@pytest.mark.parametrize(
    ("role", "before", "after"), [(2, [None, 0, 1, 1], [2, 2]), (3, [None, 1, 1, 1], [2, 0])]
)
def test_one_purged_row_put_back_into_train_is_caught(role, before, after):
    splits, labels = made()
    for row in np.flatnonzero(splits["split_1"] == role):
        faulty = splits.copy()
        faulty.iloc[row, faulty.columns.get_loc("split_1")] = 0
        proof = prove_no_overlap(faulty, labels)
        assert proof.per_split["overlaps"].tolist() == [0, 1, 0, 0]
        assert same(proof.per_split["distance_before"], before)
        assert same(proof.per_split["distance_after"], [*after, None, None])
        assert proof.n_overlaps == 1
        instrument, date = splits.index[row]
        assert f"split 1: train row {instrument} {date:%Y-%m-%d} (label to" in proof.first_overlap


def test_the_first_overlap_names_both_rows_and_their_label_ends():
    splits, labels = made()
    faulty = splits.copy()
    # S1 on the date before the test block of split 1, which begins on 2020-01-08.
    faulty.loc[("S1", pd.Timestamp("2020-01-07")), "split_1"] = 0
    assert prove_no_overlap(faulty, labels).first_overlap == (
        "split 1: train row S1 2020-01-07 (label to 2020-01-10) overlaps test row "
        "S0 2020-01-08 (label to 2020-01-13)"
    )


def test_an_embargoed_row_put_back_is_no_overlap_but_in_the_embargo():
    splits, labels = made()
    row = int(np.flatnonzero(splits["split_0"] == 4)[1])
    closer = splits.copy()
    closer.iloc[row, closer.columns.get_loc("split_0")] = 0
    proof = prove_no_overlap(closer, labels, embargo_days=1)
    assert proof.n_overlaps == 0
    assert same(proof.per_split["distance_after"], [1, 2, None, None])
    assert proof.per_split["in_embargo"].tolist() == [1, 0, 0, 0]
    # Split 0 tests five dates up to 2020-01-07; its labels look three dates further.
    assert proof.first_in_embargo == (
        "split 0: 1 train rows, first S1 2020-01-13 (label to 2020-01-16), on date 1 after a "
        "test block's latest label end"
    )
    assert prove_no_overlap(closer, labels, embargo_days=0).n_in_embargo == 0


@pytest.mark.parametrize("embargo_days", [0, 1, 4])
@pytest.mark.parametrize("purge", ["longest_horizon", "per_horizon"])
def test_the_distance_after_a_block_tells_one_embargo_from_another(embargo_days, purge):
    splits, labels = made(2, 60, embargo_days=embargo_days, n_test_groups=2, purge=purge)
    proof = prove_no_overlap(splits, labels, embargo_days=embargo_days)
    assert proof.distances == {
        "smallest_distance_before": 1,
        "smallest_distance_after": embargo_days + 1,
    }
    assert proof.n_in_embargo == 0
    longer = prove_no_overlap(splits, labels, embargo_days=embargo_days + 1)
    is_followed = longer.per_split["distance_after"].notna()
    # Both instruments train on the first date after every block that has one.
    assert (longer.per_split["in_embargo"][is_followed] >= 2).all()
    assert longer.n_in_embargo > 0


def test_the_embargo_is_proved_between_two_blocks_too():
    # One instrument and labels of one day: tests days 2-3 (to 4) and 9-10 (to 11) of 14.
    index, label_end = one_series(14, window=1)
    labels = labels_table(index, end_1d=label_end)
    roles = np.array([0, 2, 1, 1, 3, 4, 0, 0, 2, 1, 1, 3, 4, 0], dtype=np.int8)
    splits = pd.DataFrame({"group_id": np.int16(0), "split_0": roles}, index=index)
    for embargo_days, rows in [(0, 0), (1, 0), (2, 2), (3, 3), (9, 3)]:
        proof = prove_no_overlap(splits, labels, embargo_days=embargo_days)
        assert (proof.n_overlaps, proof.n_in_embargo) == (0, rows), embargo_days
        assert proof.distances["smallest_distance_after"] == 2


def test_walking_forward_no_row_trains_after_a_block():
    splits, labels = made(2, 40, scheme="walk_forward", embargo_days=5)
    proof = prove_no_overlap(splits, labels, embargo_days=500)
    assert proof.n_in_embargo == 0
    assert proof.distances == {"smallest_distance_before": 1}


def test_the_longest_label_counts_even_where_the_splitter_used_the_shorter():
    labels = two_horizons()
    config = CrossValidationConfig(n_groups=4, embargo_days=0)
    splits = build_cv_splits(labels.index, labels[["label_1d", "label_end_1d"]], config)
    assert prove_no_overlap(splits, labels[["label_1d", "label_end_1d"]]).n_overlaps == 0
    assert prove_no_overlap(splits, labels).per_split["overlaps"].tolist() == [4, 8, 8, 4]


def test_touching_on_a_single_date_is_an_overlap():
    dates = pd.date_range("2024-01-01", periods=4)
    index = panel_index(["A"] * 4, dates)
    labels = labels_table(index, end_1d=dates + pd.Timedelta(days=1))
    roles = np.array([0, 2, 1, 1], dtype=np.int8)
    splits = pd.DataFrame({"group_id": np.int16([0, 0, 1, 1]), "split_0": roles}, index=index)
    assert prove_no_overlap(splits, labels).per_split.loc[0, "distance_before"] == 1
    splits["split_0"] = np.array([0, 0, 1, 1], dtype=np.int8)
    proof = prove_no_overlap(splits, labels)
    assert proof.n_overlaps == 1
    assert proof.per_split.loc[0, "distance_before"] == 0


def test_distances_count_the_dates_that_can_be_split():
    dates = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-05", "2024-01-08", "2024-01-31"])
    labels = labels_table(panel_index(["A"] * 5, dates), end_1d=[*dates[1:], None])
    roles = np.array([1, 2, 2, 0], dtype=np.int8)
    splits = pd.DataFrame({"group_id": np.int16(0), "split_0": roles}, index=labels.index[:4])
    assert prove_no_overlap(splits, labels).per_split.loc[0, "distance_after"] == 2
    # Without features on the third date no row of it can be split, and it does not count.
    fewer = splits.drop(splits.index[2])
    assert prove_no_overlap(fewer, labels).per_split.loc[0, "distance_after"] == 1


def test_a_split_without_train_rows_has_no_distance():
    splits, labels = made()
    splits["split_0"] = splits["split_0"].where(splits["split_0"] == 1, 4).astype("int8")
    proof = prove_no_overlap(splits, labels)
    assert same(proof.per_split["distance_before"], [None, 1, 1, 1])
    assert same(proof.per_split["distance_after"], [None, 2, None, None])


def test_row_order_of_either_table_does_not_matter():
    splits, labels = made(3, 30, n_test_groups=2)
    order = np.random.default_rng(1).permutation(len(splits))
    again = np.random.default_rng(2).permutation(len(labels))
    found = prove_no_overlap(splits.iloc[order], labels.iloc[again])
    pd.testing.assert_frame_equal(found.per_split, prove_no_overlap(splits, labels).per_split)


def test_a_row_without_any_label_is_refused():
    splits, labels = made()
    row = splits.index[3]
    labels.loc[row, ["label_end_1d", "label_end_3d"]] = pd.NaT
    with pytest.raises(CrossValidationError, match="has instrument S1 on 2020-01-02, which has no"):
        prove_no_overlap(splits, labels)


def test_the_proof_imports_nothing_of_the_splitter():
    tree = ast.parse(inspect.getsource(_proof))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {module for module in modules if module.startswith("model2_assets.cross_validation")}
    assert ours == {
        "model2_assets.cross_validation.intervals",
        "model2_assets.cross_validation.roles",
    }


def test_a_wide_panel_with_labels_beyond_the_last_date():
    index, label_end = full_panel(3, 40, window=5)
    labels = labels_table(index, end_5d=label_end)
    config = CrossValidationConfig(n_groups=5, n_test_groups=2, embargo_days=3)
    proof = prove_no_overlap(build_cv_splits(index, labels, config), labels)
    assert proof.n_overlaps == 0
    assert proof.distances == {"smallest_distance_before": 1, "smallest_distance_after": 4}
