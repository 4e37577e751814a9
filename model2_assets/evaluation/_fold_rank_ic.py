"""The mean rank IC of every fold, with its error and its dates."""

import numpy as np
import pandas as pd

from model2_assets.evaluation._metrics import daily_ic
from model2_assets.evaluation._newey_west import mean_ic_inference


def fold_rank_ic(oof: pd.DataFrame, label: pd.Series, *, lag: int) -> pd.DataFrame:
    """Return the mean daily rank IC of every fold.

    Parameters
    ----------
    oof : DataFrame of shape (n_rows, 2)
        ``prediction`` (bps) and ``fold_id``, indexed by ``(instrument, datetime)``.
    label : Series of shape (n_rows,), float
        Labels in bps, in the order of `oof`.
    lag : int
        Dates over which neighbouring rank ICs are correlated; see `mean_ic_inference`.

    Returns
    -------
    DataFrame of shape (n_folds, 5)
        Indexed by ``fold_id``, ascending: ``first_date``, ``last_date``, ``dates`` with a
        rank IC, ``mean`` and its Newey-West ``standard_error``, NaN where undefined.
    """
    values = label.to_numpy(dtype=np.float64)
    rows = []
    for fold, positions in sorted(oof.groupby("fold_id").indices.items()):
        part = oof.iloc[positions]
        index = part.index
        assert isinstance(index, pd.MultiIndex)
        daily = daily_ic(part["prediction"], values[positions], index)["rank_ic"]
        found = mean_ic_inference(daily, lag=lag)
        rows.append(
            {
                "fold_id": fold,
                "first_date": daily.index[0],
                "last_date": daily.index[-1],
                "dates": found.n_dates,
                "mean": found.mean,
                "standard_error": found.standard_error,
            }
        )
    return pd.DataFrame(rows).set_index("fold_id")
