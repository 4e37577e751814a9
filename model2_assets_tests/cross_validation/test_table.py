import numpy as np
import pandas as pd
import pytest

from model2_assets.config import CrossValidationConfig
from model2_assets.cross_validation import (
    build_cv_splits,
)
from model2_assets.cross_validation.intervals import longest_label_end
from model2_assets.cross_validation.table import (
    check_min_samples,
    count_samples,
    coverage_text,
    make_splitter,
    split_summary,
)
from model2_assets.errors import CrossValidationError
from model2_assets.panel import is_canonical, panel_index
from model2_assets_tests.cross_validation.panels import full_panel, labels_table, two_horizons


def test_longest_label_end_is_that_of_the_longest_label_a_row_has():
    dates = pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"])
    labels = labels_table(
        panel_index(["A"] * 4, dates),
        end_5d=pd.to_datetime(["2024-01-09", "2024-01-10", None, None]),
        end_21d=pd.to_datetime(["2024-02-01", None, "2024-02-05", None]),
    )
    ends = longest_label_end(labels)
    assert ends.dtype == "datetime64[us]"
    assert ends.index.equals(labels.index)
    expected = ["2024-02-01", "2024-01-10", "2024-02-05", None]
    pd.testing.assert_series_equal(
        ends.reset_index(drop=True),
        pd.Series(pd.to_datetime(expected).as_unit("us"), name="label_end"),
    )


def test_labels_without_ends_or_without_horizons_are_refused():
    labels = two_horizons()
    with pytest.raises(CrossValidationError, match="has label_3d but no label_end_3d"):
        longest_label_end(labels.drop(columns="label_end_3d"))
    with pytest.raises(CrossValidationError, match="no column label_<horizon>d, only label_end_1d"):
        longest_label_end(labels[["label_end_1d"]])


def test_table_holds_rows_with_features_and_a_label_in_canonical_order():
    labels = two_horizons()
    features = labels.index[6:][::-1]
    splits = build_cv_splits(features, labels, CrossValidationConfig(n_groups=3, embargo_days=1))
    assert list(splits.columns) == ["group_id", "split_0", "split_1", "split_2"]
    assert splits.dtypes.astype(str).tolist() == ["int16", "int8", "int8", "int8"]
    assert is_canonical(splits.index)
    assert splits.index.equals(labels.index[6:38])
    assert splits["group_id"].to_numpy()[::2].tolist() == [0] * 6 + [1] * 5 + [2] * 5


def test_rows_are_purged_with_their_longest_label():
    labels = two_horizons(n_instruments=1)
    splits = build_cv_splits(
        labels.index, labels, CrossValidationConfig(n_groups=2, embargo_days=0)
    )
    assert splits["split_0"].tolist() == [1] * 10 + [3] * 3 + [0] * 6
    assert splits["split_1"].tolist() == [0] * 7 + [2] * 3 + [1] * 9
    short = build_cv_splits(
        labels.index,
        labels[["label_1d", "label_end_1d"]],
        CrossValidationConfig(n_groups=2, embargo_days=0),
    )
    assert short["split_0"].tolist() == [1] * 10 + [3] * 1 + [0] * 8


def test_a_row_without_its_longer_label_is_purged_with_the_shorter():
    index, _ = full_panel(1, 8, window=0)
    days = index.get_level_values("datetime").to_numpy()
    longer = np.append(days[3:], days[7:].repeat(3))
    longer[3] = np.datetime64("NaT")
    labels = labels_table(index, end_1d=np.append(days[1:], days[7]), end_3d=longer)
    splits = build_cv_splits(index, labels, CrossValidationConfig(n_groups=2, embargo_days=0))
    assert splits["split_1"].tolist() == [0, 2, 2, 2, 1, 1, 1, 1]
    labels = labels.assign(label_1d=np.nan, label_end_1d=pd.NaT)
    splits = build_cv_splits(index, labels, CrossValidationConfig(n_groups=2, embargo_days=0))
    assert len(splits) == 7


def test_shuffled_labels_give_the_same_table():
    labels = two_horizons(3, 30)
    config = CrossValidationConfig(n_groups=4, n_test_groups=2, embargo_days=2)
    order = np.random.default_rng(0).permutation(len(labels))
    expected = build_cv_splits(labels.index, labels, config)
    found = build_cv_splits(labels.index[order[::-1]], labels.iloc[order], config)
    pd.testing.assert_frame_equal(found, expected)


def test_no_row_with_features_and_a_label_is_refused():
    labels = two_horizons()
    with pytest.raises(CrossValidationError, match="no row has both features and a label: 2 rows"):
        build_cv_splits(labels.index[-2:], labels, CrossValidationConfig())


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"n_groups": 4}, "PurgedEmbargoedTimeSeriesSplit(n_groups=4, n_test_groups=1, "),
        (
            {"scheme": "walk_forward", "window": "rolling", "train_groups": 2},
            "WalkForwardSplit(n_groups=5, window='rolling', train_groups=2, ",
        ),
    ],
)
def test_the_configured_splitter_is_made_and_knows_its_splits(settings, text):
    config = CrossValidationConfig(**settings, embargo_days=3)
    cv = make_splitter(config)
    assert repr(cv) == text + "embargo_days=3, balance='dates')"
    assert cv.n_splits == config.n_splits
    labels = two_horizons(1, 30)
    table = build_cv_splits(labels.index, labels, config)
    assert tuple(table.columns[1:]) == config.role_column_names(("1d", "3d"))


def test_per_horizon_columns_follow_from_the_configuration():
    config = CrossValidationConfig(n_groups=4, n_test_groups=2, purge="per_horizon")
    labels = two_horizons(1, 30)
    table = build_cv_splits(labels.index, labels, config)
    assert tuple(table.columns[1:]) == config.role_column_names(("1d", "3d"))
    assert len(table.columns) == 13


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
