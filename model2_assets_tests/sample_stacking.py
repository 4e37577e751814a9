"""Tiny out-of-fold predictions, labels and splits that belong to one another."""

import numpy as np
import pandas as pd

from model2_assets.panel import panel_index
from model2_assets.storage.data_version import table_digest, with_provenance

DATES = ("2024-01-02", "2024-01-03", "2024-01-04")
PARTITIONS = ("21d|ridge", "21d|xgboost", "63d|ridge", "63d|xgboost")
VERSIONS = {"labels": "l" * 32, "features": "f" * 32, "cv_splits": "c" * 32}


def index_of(*rows: str) -> pd.MultiIndex:
    """Return rows given as instrument and position of the date, such as ``A0``."""
    return panel_index([row[0] for row in rows], [DATES[int(row[1])] for row in rows])


def labels() -> pd.DataFrame:
    """Return labels of A and B on three dates; nobody has the longer one on the last."""
    rows = index_of("A0", "B0", "A1", "B1", "A2", "B2")
    end = pd.DatetimeIndex(rows.get_level_values("datetime")).as_unit("us")
    long_end = (end + pd.Timedelta(days=2)).where(end < pd.Timestamp(DATES[2]))
    table = pd.DataFrame(
        {
            "forward_return_21d": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            "label_21d": [10.0, -10.0, 20.0, -20.0, 30.0, -30.0],
            "label_end_21d": end + pd.Timedelta(days=1),
            "forward_return_63d": [1.5, 2.5, 3.5, 4.5, np.nan, np.nan],
            "label_63d": [100.0, -100.0, 200.0, -200.0, np.nan, np.nan],
            "label_end_63d": long_end,
        },
        index=rows,
    )
    return with_provenance(table, data_version=VERSIONS["labels"], inputs={})


def cv_splits(*, suffixes: tuple[str, ...] = ("",)) -> pd.DataFrame:
    """Return two folds: the first two dates, and the last, of which each trains on the other."""
    table = pd.DataFrame(
        {"group_id": np.array([0, 0, 0, 0, 1, 1], dtype=np.int16)}, index=labels().index
    )
    for suffix in suffixes:
        table[f"split_0{suffix}"] = np.array([1, 1, 1, 1, 0, 0], dtype=np.int8)
        table[f"split_1{suffix}"] = np.array([0, 0, 0, 0, 1, 1], dtype=np.int8)
    inputs = {name: VERSIONS[name] for name in ("labels", "features")}
    return with_provenance(table, data_version=VERSIONS["cv_splits"], inputs=inputs)


def predictions(key: str, **versions: str) -> pd.DataFrame:
    """Return the predictions of a partition, in the order of the contract."""
    horizon, model = key.split("|")
    rows = ("A0", "A1", "A2", "B0", "B1", "B2") if horizon == "21d" else ("A0", "A1", "B0", "B1")
    first = {"ridge": 1.0, "xgboost": 2.0}[model] * (1 if horizon == "21d" else 10)
    table = pd.DataFrame(
        {
            "prediction": first + np.arange(len(rows), dtype=np.float64) / 8,
            "fold_id": np.array([int(row[1] == "2") for row in rows], dtype=np.int16),
        },
        index=index_of(*rows),
    )
    return with_provenance(
        table, data_version=table_digest(table), inputs={**VERSIONS, **versions}, horizon=horizon
    )


def all_predictions() -> dict[str, pd.DataFrame]:
    return {key: predictions(key) for key in PARTITIONS}
