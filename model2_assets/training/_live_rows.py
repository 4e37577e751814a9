"""Which rows are live: too recent to have a label, of instruments that still trade."""

import numpy as np
import pandas as pd

from model2_assets.panel import to_canonical


def find_live_rows(
    market_data: pd.DataFrame, features: pd.DataFrame, *, bars: int
) -> pd.MultiIndex:
    """Find the rows whose horizon has not ended, of instruments still trading.

    A row is live if

    - it has features,
    - its instrument has fewer than `bars` own bars after it, so that the bar at which its
      position ends is still to come, and
    - its instrument has a bar on the last date of the panel, and is in the universe there.

    The last date itself is included. A row whose exit bar is there but which has no label,
    as after a long gap, is not live: its horizon is over. Nor are the last rows of an
    instrument that was delisted, is halted on the last date, or has left the universe:
    it cannot be traded.

    Parameters
    ----------
    market_data : DataFrame of shape (n_bars, n_columns)
        With ``in_universe``; all True where absent. Bars outside the universe count as own
        bars, as they do for labels.
    features : DataFrame of shape (n_feature_rows, n_features)
        Panel frame.
    bars : int
        Own bars from a row to its exit: execution lag and horizon together.

    Returns
    -------
    MultiIndex of shape (n_live_rows,)
        Levels ``(instrument, datetime)``, sorted by instrument, then datetime.
    """
    panel = to_canonical(market_data)
    index = panel.index
    assert isinstance(index, pd.MultiIndex)
    dates = index.get_level_values("datetime")
    on_last_date = np.asarray(dates == dates.max())
    if "in_universe" in panel:
        on_last_date &= panel["in_universe"].to_numpy(dtype=bool)
    tradable = index.get_level_values("instrument")[on_last_date]
    own_bars_after = panel.groupby(level="instrument").cumcount(ascending=False).to_numpy()
    too_recent = index[own_bars_after < bars]
    live = too_recent[too_recent.get_level_values("instrument").isin(tradable)]
    rows = live[live.isin(features.index)].sort_values()
    assert isinstance(rows, pd.MultiIndex)
    return rows
