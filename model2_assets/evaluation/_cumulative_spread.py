"""Returns of overlapping windows, added up without counting any window twice."""

import numpy as np
import pandas as pd

from model2_assets.errors import Model2Error


def cumulative_quantile_spread(spread: pd.Series, *, horizon_days: int) -> pd.DataFrame:
    """Add up a daily spread whose windows of `horizon_days` dates overlap.

    Adding up every date's spread would count each day's return `horizon_days` times. Instead
    there are `horizon_days` books [1]_: each is renewed every `horizon_days`-th date, so that
    its windows follow one another, and they start one date apart. Their mean is the sum of the
    daily spreads over `horizon_days`; their range says how much is owed to the date to start
    from. Sums are not compounded. A spread counts on the date of its signal, before it is
    earned, and no costs are deducted.

    Parameters
    ----------
    spread : Series of shape (n_dates,), float
        Of each date's window, in bps, such as `decile_spread`; NaN adds nothing and keeps its
        place.
    horizon_days : int
        Dates after which a window is over.

    Returns
    -------
    DataFrame of shape (n_dates, 3), float64
        Indexed as `spread`: ``mean``, ``low`` and ``high`` of the books' sums, bps.

    Raises
    ------
    Model2Error
        If `horizon_days` is below 1.

    References
    ----------
    .. [1] N. Jegadeesh and S. Titman, "Returns to Buying Winners and Selling Losers:
       Implications for Stock Market Efficiency", Journal of Finance 48(1), 1993: portfolios
       of overlapping holding periods.

    Examples
    --------
    >>> dates = pd.bdate_range("2024-01-01", periods=4)
    >>> spread = pd.Series([10.0, 2.0, 10.0, 4.0], index=dates)
    >>> cumulative_quantile_spread(spread, horizon_days=2).iloc[-1].tolist()
    [13.0, 6.0, 20.0]
    """
    if horizon_days < 1:
        raise Model2Error(f"horizon_days must be 1 or more, got {horizon_days}")
    earned = np.nan_to_num(spread.to_numpy(dtype=np.float64))
    position = np.arange(len(earned))
    books = np.zeros((len(earned), horizon_days))
    books[position, position % horizon_days] = earned
    sums = np.cumsum(books, axis=0)
    return pd.DataFrame(
        {
            "mean": np.cumsum(earned) / horizon_days,
            "low": sums.min(axis=1),
            "high": sums.max(axis=1),
        },
        index=spread.index,
    )
