import numpy as np
import pandas as pd
import pytest

from model2_assets.config import CrossValidationConfig
from model2_assets.cross_validation import build_cv_splits
from model2_assets.cross_validation.table import check_min_samples, count_samples
from model2_assets.errors import CrossValidationError
from model2_assets_tests.cross_validation.test_build import two_horizons

CONFIG = CrossValidationConfig(n_groups=2, embargo_days=0)


def test_counts_are_labelled_rows_of_every_horizon_and_split():
    labels = two_horizons(2, 20)
    splits = build_cv_splits(labels.index, labels, CONFIG)
    expected = pd.DataFrame(
        [("1d", 0, 12, 20), ("1d", 1, 14, 18), ("3d", 0, 8, 20), ("3d", 1, 14, 14)],
        columns=["horizon", "split_id", "train", "test"],
    )
    pd.testing.assert_frame_equal(count_samples(splits, labels), expected)
    shuffled = labels.iloc[np.random.default_rng(0).permutation(len(labels))]
    pd.testing.assert_frame_equal(count_samples(splits, shuffled), expected)


def test_enough_samples_pass_and_one_too_few_names_horizon_split_and_counts():
    labels = two_horizons(2, 20)
    splits = build_cv_splits(labels.index, labels, CONFIG)
    assert len(check_min_samples(splits, labels, min_samples=8)) == 4
    message = (
        r"horizon 3d, split 0 testing fold 0: 8 labelled train rows and 20 labelled test rows, "
        r"but cross_validation\.min_samples is 9;"
    )
    with pytest.raises(CrossValidationError, match=message):
        check_min_samples(splits, labels, min_samples=9)
    with pytest.raises(CrossValidationError, match=r"horizon 1d, split 0 .*\(and 1 more\)"):
        check_min_samples(splits, labels, min_samples=13)
    with pytest.raises(CrossValidationError, match=r"horizon 3d, split 0 .*\(and 1 more\)"):
        check_min_samples(splits, labels.drop(columns="label_1d"), min_samples=15)


def test_all_tested_groups_of_a_split_are_named():
    labels = two_horizons(1, 20)
    config = CrossValidationConfig(n_groups=4, n_test_groups=3, embargo_days=0)
    splits = build_cv_splits(labels.index, labels, config)
    with pytest.raises(CrossValidationError, match="split 0 testing fold 0, 1, 2: 1 labelled"):
        check_min_samples(splits, labels, min_samples=2)


def test_labels_that_lack_or_repeat_a_row_are_refused():
    labels = two_horizons(2, 20)
    splits = build_cv_splits(labels.index, labels, CONFIG)
    with pytest.raises(CrossValidationError, match="lacks instrument S0 on 2020-01-01"):
        count_samples(splits, labels.iloc[1:])
    with pytest.raises(CrossValidationError, match="repeats instrument S1 on 2020-01-01"):
        count_samples(splits, labels.iloc[[0, 1, *range(1, len(labels))]])


def test_a_table_without_splits_is_refused():
    labels = two_horizons(2, 20)
    splits = build_cv_splits(labels.index, labels, CONFIG)
    with pytest.raises(CrossValidationError, match="no column split_0, only group_id"):
        count_samples(splits[["group_id"]], labels)
