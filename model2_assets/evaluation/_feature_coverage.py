"""How much of the universe has features, and how much of the features has values."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.panel import date_codes
from model2_assets.row_chunks import row_chunks


def feature_coverage(features: pd.DataFrame, universe: pd.MultiIndex) -> pd.DataFrame:
    """Return how complete the features of every date are.

    Parameters
    ----------
    features : DataFrame of shape (n_rows, n_features), float
        Indexed by ``(instrument, datetime)``; rows of the universe only.
    universe : MultiIndex of shape (n_members,)
        Every instrument on every date that it belongs to the universe.

    Returns
    -------
    DataFrame of shape (n_dates, 3)
        Indexed by ``datetime``, every date of the universe, ascending: ``names`` int64, its
        members; ``with_features``, the share of them that have a row of features; ``values``,
        the share of these rows' values that are not missing, NaN on dates without rows.
    """
    calendar = date_codes(universe)
    names = np.bincount(calendar.codes, minlength=len(calendar.values))
    index = features.index
    assert isinstance(index, pd.MultiIndex)
    dates = date_codes(index)
    rows = np.bincount(dates.codes, minlength=len(dates.values))
    counts = [chunk.notna().to_numpy().sum(axis=1) for chunk in row_chunks(features)]
    present = np.concatenate(counts) if counts else np.zeros(0)
    values = np.bincount(dates.codes, weights=present, minlength=len(dates.values))
    cells = rows * features.shape[1]
    found = pd.DataFrame(
        {
            "rows": rows,
            "values": np.divide(values, cells, out=np.full(len(rows), np.nan), where=cells > 0),
        },
        index=dates.values,
    ).reindex(calendar.values)
    return pd.DataFrame(
        {
            "names": names.astype(np.int64),
            "with_features": found["rows"].fillna(0).to_numpy() / names,
            "values": found["values"].to_numpy(),
        },
        index=pd.DatetimeIndex(calendar.values, name="datetime"),
    )


def missing_by_column(features: pd.DataFrame) -> NDArray[np.int64]:
    """Return how many values of each column are missing: shape (n_features,), int64."""
    missing = np.zeros(features.shape[1], dtype=np.int64)
    for chunk in row_chunks(features):
        missing += np.count_nonzero(chunk.isna().to_numpy(dtype=bool), axis=0)
    return missing


def incomplete_features(features: pd.DataFrame) -> pd.DataFrame:
    """Return which features have missing values, and how many.

    Parameters
    ----------
    features : DataFrame of shape (n_rows, n_features), float
        The features.

    Returns
    -------
    DataFrame of shape (n_incomplete, 3)
        ``feature``, ``missing`` int64 and its ``share`` of the rows; most first, then by name.
    """
    missing = pd.Series(missing_by_column(features), index=features.columns)
    found = missing[missing > 0].rename_axis("feature").reset_index(name="missing")
    found["share"] = found["missing"] / max(len(features), 1)
    return found.sort_values(["missing", "feature"], ascending=[False, True], ignore_index=True)
