import pandas as pd

from model2_assets.config import CrossValidationConfig
from model2_assets.cross_validation import build_cv_splits
from model2_assets.cross_validation.table import coverage_text, split_summary
from model2_assets_tests.cross_validation.test_build import two_horizons


def test_summary_names_blocks_and_counts_rows_and_dates():
    labels = two_horizons(2, 20)
    config = CrossValidationConfig(n_groups=4, n_test_groups=2, embargo_days=1)
    summary = split_summary(build_cv_splits(labels.index, labels, config))
    assert len(summary) == 6
    expected = {
        "horizon": "longest",
        "split_id": 1,
        "test_groups": "0, 2",
        "test_blocks": "2020-01-01 to 2020-01-07; 2020-01-15 to 2020-01-21",
        "test_dates": 10,
        "train_dates": 0,
        "train": 0,
        "test": 20,
        "purged_before": 4,
        "purged_after": 12,
        "embargoed": 2,
        "unused": 0,
    }
    assert summary.iloc[1].to_dict() == expected
    assert summary.loc[0, "test_blocks"] == "2020-01-01 to 2020-01-14"
    assert (summary.loc[:, "train":].sum(axis=1) == 38).all()
    assert isinstance(summary.index, pd.RangeIndex)


def coverage(**settings):
    labels = two_horizons(2, 20)
    config = CrossValidationConfig(**{"n_groups": 4, "embargo_days": 1} | settings)
    return coverage_text(build_cv_splits(labels.index, labels, config))


def test_coverage_says_how_often_all_rows_are_tested():
    assert coverage() == "all 38 rows are tested, each in 1 split"
    assert coverage(n_test_groups=2) == "all 38 rows are tested, each in 3 splits"


def test_coverage_of_a_walk_forward_says_how_many_rows_are_never_tested():
    assert coverage(scheme="walk_forward", train_groups=2) == (
        "18 of 38 rows (47.4%) are tested, each in 1 split, from 2020-01-15 on; 20 are never "
        "tested, and scores and coverage do not speak of them"
    )


def test_summary_of_a_walk_forward_counts_unused_rows():
    labels = two_horizons(2, 20)
    config = CrossValidationConfig(n_groups=4, scheme="walk_forward")
    summary = split_summary(build_cv_splits(labels.index, labels, config))
    assert summary["test_groups"].tolist() == ["1", "2", "3"]
    assert summary["train"].tolist() == [4, 14, 24]
    assert summary["purged_before"].tolist() == [6, 6, 6]
    assert summary["unused"].tolist() == [18, 8, 0]
    assert (summary["embargoed"] == 0).all()
