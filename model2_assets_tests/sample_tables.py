"""One small table for every contract, and what else the tests of the foundation share."""

import numpy as np
import pandas as pd

from model2_assets.contracts import load_contract
from model2_assets.panel import panel_index
from model2_assets.storage.data_version import table_digest, with_provenance

SHARED = (
    "market_data",
    "labels",
    "features",
    "cv_splits",
    "leaderboard",
    "stacking_frame",
    "region_report",
)
"""Assets of which a region has one."""

OF_PARTITIONS = (
    "fitted_models",
    "oof_predictions",
    "oof_paths",
    "feature_importance",
    "cv_scores",
    "final_models",
    "live_predictions",
)
"""Assets of which every partition has one, but for its tear sheet."""

ROWS = (("B", "2024-01-02"), ("A", "2024-01-03"), ("B", "2024-01-03"))
"""In canonical order: by datetime, then instrument."""


def panel_rows(rows=ROWS) -> pd.MultiIndex:
    return panel_index([name for name, _ in rows], [date for _, date in rows])


def mark(frame: pd.DataFrame, **inputs: str) -> pd.DataFrame:
    """Return a table as the store does: with its data version, and those that it was made from."""
    return with_provenance(frame, data_version=table_digest(frame), inputs=inputs)


def sample_table(contract: str) -> pd.DataFrame:
    return _BUILDERS[contract]()


def market_data() -> pd.DataFrame:
    values = {
        "open": [1.0, np.nan, 3.0],
        "close": [1.5, 2.5, 3.5],
        "volume": [0.0, np.nan, 10.0],
        "in_universe": [True, False, True],
        "history": np.array([1, 1, 2], dtype=np.int16),
    }
    return pd.DataFrame(values, index=panel_rows())


def labels() -> pd.DataFrame:
    ends = pd.to_datetime(["2024-02-02", None, "2024-02-03"]).as_unit("us")
    values = {
        "forward_return_21d": [12.5, np.nan, -3.0],
        "label_21d": [10.0, np.nan, -1.0],
        "label_end_21d": ends,
    }
    return pd.DataFrame(values, index=panel_rows())


def features() -> pd.DataFrame:
    values = np.array([[0.5, np.nan], [0.25, -1.0], [0.0, 1.0]], dtype=np.float32)
    return pd.DataFrame(values, index=panel_rows(), columns=["KMID", "ROC5"])


def cv_splits() -> pd.DataFrame:
    splits = pd.DataFrame({"group_id": np.array([0, 1, 1], dtype=np.int16)}, index=panel_rows())
    splits["split_0"] = np.array([1, 2, 0], dtype=np.int8)
    splits["split_1"] = np.array([0, 1, 1], dtype=np.int8)
    return splits


def oof_predictions(
    rows=(("A", "2024-01-03"), ("B", "2024-01-02"), ("B", "2024-01-03")),
    prediction=(1.5, -2.5, 3.25),
    fold_id=(1, 0, 1),
) -> pd.DataFrame:
    values = {
        "prediction": np.array(prediction, dtype=np.float64),
        "fold_id": np.array(fold_id, dtype=np.int16),
    }
    return pd.DataFrame(values, index=panel_rows(rows))


def live_predictions() -> pd.DataFrame:
    return oof_predictions().drop(columns="fold_id")


def oof_paths() -> pd.DataFrame:
    table = panel_rows((("A", "2024-01-03"), ("A", "2024-01-03"), ("B", "2024-01-02"))).to_frame(
        index=False
    )
    ids = {"split_id": [0, 2, 1], "path_id": [0, 1, 0], "group_id": [1, 1, 0]}
    return table.assign(
        **{name: np.array(values, dtype=np.int16) for name, values in ids.items()},
        prediction=[1.5, -2.5, 3.25],
        prediction_std=[8**0.5, 8**0.5, np.nan],
    )


def nested_oof() -> pd.DataFrame:
    rows = (("A", "2024-01-03"), ("B", "2024-01-03"), ("A", "2024-01-02"))
    table = panel_rows(rows).to_frame(index=False)
    table.insert(0, "outer_fold_id", np.array([0, 0, 1], dtype=np.int16))
    return table.assign(fold_id=np.array([1, 1, 0], dtype=np.int16), prediction=[1.5, -2.5, 3.25])


def feature_importance() -> pd.DataFrame:
    names = ("gain", "gain_std", "weight", "weight_std", "coefficient", "coefficient_std")
    values = {f"importance_{name}": [2.0, np.nan] for name in names}
    fold = {"importance_coefficient_fold_0": [-2.5, 1.0]}
    alone = {"rank_ic": [0.0125, np.nan], "rank_ic_t": [1.75, np.nan]}
    return pd.DataFrame({"feature": ["KMID", "ROC5"], **values, **fold, **alone})


def cv_scores(folds=(0, 1), *, model="ridge", horizon="21d", metrics=("rank_ic", "r2")):
    keys = [("fold", fold, None, None) for fold in folds] + [("all", None, None, None)]
    rows = [
        (model, horizon, *key, metric, position / 8)
        for position, key in enumerate(keys)
        for metric in metrics
    ]
    ids = ["fold_id", "split_id", "path_id"]
    columns = ["model", "horizon", "scope", *ids, "metric", "value"]
    types = dict.fromkeys(ids, "Int16") | {"value": "float64"}
    return pd.DataFrame(rows, columns=columns).astype(types)


def leaderboard() -> pd.DataFrame:
    names = [column.name for column in load_contract("Leaderboard").columns]
    table = pd.DataFrame({name: [0.5, np.nan] for name in names})
    return table.assign(
        horizon=["21d", "63d"],
        model="ridge",
        data_version=["a1", "b2"],
        trained_at=pd.to_datetime(["2024-01-03 02:15:30", None]).as_unit("us"),
    )


def stacking_frame() -> pd.DataFrame:
    rows = (("A", "2024-01-03"), ("B", "2024-01-02"), ("B", "2024-01-03"))
    values = {
        "fold_id": np.array([1, 0, 1], dtype=np.int16),
        "oof_21d_ridge": [1.5, -2.5, 3.25],
        "label_21d": [10.0, -4.0, 2.0],
        "realized_21d": [15.0, -6.0, 2.0],
        "label_end_21d": pd.to_datetime(["2024-02-02", "2024-02-01", "2024-02-02"]).as_unit("us"),
        "label_63d": [np.nan, 7.0, np.nan],
        "realized_63d": [np.nan, 9.0, np.nan],
        "label_end_63d": pd.to_datetime([None, "2024-04-02", None]).as_unit("us"),
    }
    return pd.DataFrame(values, index=panel_rows(rows))


_BUILDERS = {
    "MarketData": market_data,
    "Labels": labels,
    "Features": features,
    "CVSplits": cv_splits,
    "OOFPredictions": oof_predictions,
    "OOFPaths": oof_paths,
    "LivePredictions": live_predictions,
    "NestedOOF": nested_oof,
    "FeatureImportance": feature_importance,
    "CVScores": cv_scores,
    "Leaderboard": leaderboard,
    "StackingFrame": stacking_frame,
}

CONTRACTS = tuple(_BUILDERS)
