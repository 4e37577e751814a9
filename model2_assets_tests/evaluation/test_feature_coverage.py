import numpy as np
import pandas as pd

from model2_assets.evaluation.stability import feature_coverage, incomplete_features

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
