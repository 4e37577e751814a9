"""What became of every partition's rank IC since the leaderboard before."""

from math import nan

import pandas as pd

CHANGE_COLUMNS = (
    "horizon",
    "model",
    "rank_ic_before",
    "rank_ic",
    "rank_ic_change",
    "rank_ic_se",
    "predictions_changed",
)


def rank_ic_changes(board: pd.DataFrame, previous: pd.DataFrame | None) -> pd.DataFrame:
    """Compare a leaderboard with the one before.

    Parameters
    ----------
    board : DataFrame of shape (n_partitions, n_columns)
        The new leaderboard: ``horizon``, ``model``, ``rank_ic``, ``rank_ic_se``,
        ``data_version``.
    previous : DataFrame of shape (n_previous, n_columns) or None
        The one before, in any row order; None where there is none.

    Returns
    -------
    DataFrame of shape (n_partitions, 7)
        In the order of `board`: ``horizon``, ``model``, ``rank_ic_before``, ``rank_ic``,
        ``rank_ic_change``, ``rank_ic_se`` (float64, NaN where not known) and
        ``predictions_changed``: whether the data version of the predictions differs, missing
        (boolean) for a partition that the previous leaderboard does not have.
    """
    key = ["horizon", "model"]
    changes = board[[*key, "rank_ic", "rank_ic_se", "data_version"]].reset_index(drop=True)
    if previous is None:
        before = pd.Series(nan, index=changes.index)
        version = pd.Series(pd.NA, index=changes.index, dtype="str")
    else:
        earlier = previous.set_index(key).reindex(pd.MultiIndex.from_frame(changes[key]))
        before = earlier["rank_ic"].reset_index(drop=True)
        version = earlier["data_version"].reset_index(drop=True)
    differs = (changes["data_version"] != version).astype("boolean")
    changes["rank_ic_before"] = before.astype("float64")
    changes["rank_ic_change"] = changes["rank_ic"] - changes["rank_ic_before"]
    changes["predictions_changed"] = differs.mask(version.isna())
    return changes[list(CHANGE_COLUMNS)]
