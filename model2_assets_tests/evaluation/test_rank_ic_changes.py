import numpy as np
import pandas as pd

from model2_assets.evaluation.leaderboard import rank_ic_changes


def board(rows):
    columns = ["horizon", "model", "rank_ic", "rank_ic_se", "data_version"]
    return pd.DataFrame(rows, columns=columns).astype({"rank_ic": float, "rank_ic_se": float})


NOW = board(
    [
        ("21d", "xgboost", 0.030, 0.010, "x2"),
        ("21d", "ridge", 0.010, 0.008, "r1"),
        ("63d", "ridge", 0.020, 0.012, "n1"),
    ]
)


def test_each_partition_is_compared_with_itself_whatever_the_order():
    before = board(
        [
            ("5d", "ridge", 0.5, 0.1, "gone"),
            ("21d", "ridge", 0.010, 0.008, "r1"),
            ("21d", "xgboost", 0.045, 0.011, "x1"),
        ]
    )
    changes = rank_ic_changes(NOW, before)
    assert list(zip(changes["horizon"], changes["model"], strict=True)) == [
        ("21d", "xgboost"),
        ("21d", "ridge"),
        ("63d", "ridge"),
    ]
    np.testing.assert_allclose(changes["rank_ic_before"], [0.045, 0.010, np.nan])
    np.testing.assert_allclose(changes["rank_ic"], [0.030, 0.010, 0.020])
    np.testing.assert_allclose(changes["rank_ic_change"], [-0.015, 0.0, np.nan])
    np.testing.assert_allclose(changes["rank_ic_se"], [0.010, 0.008, 0.012])
    assert changes["predictions_changed"].tolist() == [True, False, pd.NA]


def test_without_a_leaderboard_before_nothing_is_known():
    changes = rank_ic_changes(NOW, None)
    assert changes[["rank_ic_before", "rank_ic_change"]].isna().all(axis=None)
    assert changes["predictions_changed"].isna().all()
    assert len(rank_ic_changes(NOW.iloc[:0], None)) == 0
    assert len(rank_ic_changes(NOW.iloc[:0], NOW)) == 0
