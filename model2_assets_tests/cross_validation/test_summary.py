import pandas as pd

from model2_assets.config import CrossValidationConfig
from model2_assets.cross_validation import build_cv_splits, split_summary
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
