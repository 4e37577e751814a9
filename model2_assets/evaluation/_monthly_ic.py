"""Daily information coefficients, month by month."""

import pandas as pd


def monthly_mean_ic(daily: pd.Series) -> pd.DataFrame:
    """Return the mean of daily values in every month, years by months.

    Parameters
    ----------
    daily : Series of shape (n_dates,), float
        Such as the daily rank IC, indexed by ``datetime``; NaN is left out.

    Returns
    -------
    DataFrame of shape (n_years, 12), float64
        Indexed by ``year``, from the first with a value to the last; columns ``month``, 1 to
        12. NaN in months without a value.

    Examples
    --------
    >>> dates = pd.to_datetime(["2024-01-30", "2024-01-31", "2024-02-01"])
    >>> monthly_mean_ic(pd.Series([0.5, 0.25, -1.0], index=dates)).loc[2024, [1, 2]].tolist()
    [0.375, -1.0]
    """
    known = daily.dropna()
    dates = pd.DatetimeIndex(known.index)
    calendar = {"year": dates.year, "month": dates.month}
    wide = pd.DataFrame({**calendar, "mean": known.to_numpy(dtype="float64")}).pivot_table(
        index="year", columns="month", values="mean", aggfunc="mean"
    )
    first, last = (dates.year.min(), dates.year.max()) if len(known) else (0, -1)
    return wide.reindex(
        index=pd.RangeIndex(first, last + 1, name="year"),
        columns=pd.RangeIndex(1, 13, name="month"),
    ).astype("float64")
