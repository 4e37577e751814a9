"""Triple-barrier labels by a builder of one's own; copy it into a package of yours.

    regions:
      us:
        labels:
          builder: "my_package.triple_barrier:build_labels"
          params: {barrier: 0.05}
          excess: false        # the label is what was earned, not in excess of a date's mean
          winsorize: 0

A position is entered `execution_lag_days` own bars after its row. It ends at the first close that
is `barrier` (a fraction) above or below the entry, at the latest after the horizon's own bars,
or, where its name is delisted before, at the last close. No window crosses from one history of an
instrument to the next (`market_data.max_gap_days`). So label ends differ from row to row, and a
row may have a label before its horizon is over: it is purged by its own end then, and gets no
live prediction. Among the newest rows only those that touched a barrier have a label.

M. López de Prado, "Advances in Financial Machine Learning", Wiley 2018, section 3.4.
"""

import numpy as np
import pandas as pd

from model2_assets.config import LabelsConfig
from model2_assets.panel import histories


def build_labels(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    """Return forward return, label (both bps) and label end of every horizon, of members alone."""
    columns: dict[str, pd.Series] = {}
    for horizon in config.horizons:
        earned, end = _windows(panel, config, horizon)
        columns[f"forward_return_{horizon}d"] = 1e4 * earned
        columns[f"label_{horizon}d"] = 1e4 * earned
        columns[f"label_end_{horizon}d"] = end
    return pd.DataFrame(columns)[panel["in_universe"]]


def _windows(
    panel: pd.DataFrame, config: LabelsConfig, horizon: int
) -> tuple[pd.Series, pd.Series]:
    """Return what every row earned, a fraction, and the date at which that is known."""
    lag, barrier = config.execution_lag_days, config.params.get("barrier", 0.05)
    close = panel["adjusted_close" if "adjusted_close" in panel else "close"]
    dates = panel.index.get_level_values("datetime").to_series(index=panel.index)
    history = histories(panel).number
    own_close, own_dates = close.groupby(history), dates.groupby(history)
    entry = own_close.shift(-lag)
    earned = pd.Series(np.nan, index=panel.index)
    end = pd.Series(pd.NaT, index=panel.index, dtype="datetime64[us]")
    for bars in range(1, horizon + 1):
        now = own_close.shift(-lag - bars) / entry - 1
        ends = earned.isna() & now.notna() & ((now.abs() >= barrier) | (bars == horizon))
        earned, end = earned.mask(ends, now), end.mask(ends, own_dates.shift(-lag - bars))

    # A name is known to be gone some dates after its last bar, or at once where that bar says so.
    paid = panel.get("delisting_return", pd.Series(np.nan, index=panel.index))
    paid = paid.groupby(history).transform("last")
    calendar = dates.drop_duplicates().sort_values().array
    known = calendar.searchsorted(own_dates.transform("last"))
    known += np.where(paid.notna(), 0, config.delisted_after + 1)
    gone = earned.isna() & entry.notna() & (known < len(calendar))
    final = own_close.transform("last") * (1 + paid.fillna(0))
    seen = calendar[np.minimum(known, len(calendar) - 1)]
    return earned.mask(gone, final / entry - 1), end.mask(gone, seen)
