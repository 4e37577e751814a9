"""What names earned by the quantile of their prediction, and how long they stay in it."""

from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.evaluation.ic import (
    Grid,
    Ints,
    Values,
    chunks_of_dates,
    correlate_dates,
    rows_by_date,
)
from model2_assets.evaluation.inference import mean_ic_inference, require_count
from model2_assets.panel import date_codes

MOST_QUANTILES = 10
"""Quantiles of a date with enough names: deciles."""

NAMES_A_QUANTILE = 5
"""Names that a quantile needs; a date with fewer than twice as many has no spread."""


def decile_spread(prediction: ArrayLike, realized: ArrayLike, index: pd.MultiIndex) -> pd.Series:
    """Return the mean return of each date's top quantile less that of its bottom quantile.

    A date of n names has q = min(10, n // 5) quantiles: deciles from 50 names on, halves of
    10. The top and the bottom quantile both have n // q names, so the spread changes sign
    with the predictions. It is gross of all costs. Give it realized returns: the spread of
    winsorized labels can be larger or smaller than what was earned.

    Parameters
    ----------
    prediction, realized : array-like of shape (n_rows,), float
        In the order of `index`; realized returns (`labels.realized_returns`) in bps. Rows where
        either is not finite are left out.
    index : MultiIndex of shape (n_rows,)
        Levels ``(instrument, datetime)``, in any row order, no row twice. Equal predictions of a
        date rank in the order of their instruments' names.

    Returns
    -------
    Series of shape (n_dates,), float64
        In bps, indexed by ``datetime``, ascending. NaN on dates of fewer than 10 names, and
        where all predictions are equal: there, names alone would rank.

    Examples
    --------
    >>> from model2_assets.panel import panel_index
    >>> index = panel_index(list("ABCDEFGHIJ"), ["2024-01-02"] * 10)
    >>> decile_spread(range(10), [0.0] * 5 + [30.0] * 5, index).tolist()
    [30.0]
    """
    x, y, counts, dates = rows_by_date(prediction, realized, index)
    return pd.Series(spread_dates(x, y, counts), index=dates, name="decile_spread")


def spread_dates(prediction: Values, realized: Values, counts: Ints) -> Values:
    """Return the spread of every date, as `decile_spread`.

    Values are finite, date after date and by instrument within; `counts` are rows of every date.
    """
    spread = np.full(len(counts), np.nan)
    for chunk in chunks_of_dates(counts):
        order, varies = _ranked(chunk.lay_out(prediction))
        size, defined = _outer_sizes(chunk.names, varies)
        returns = np.take_along_axis(chunk.lay_out(realized), order, axis=1)
        returns = np.where(chunk.filled, returns, 0.0)
        place = np.arange(returns.shape[1])
        bottom = (place < size[:, np.newaxis]) * returns
        top = (place >= (chunk.names - size)[:, np.newaxis]) * returns
        difference = top.sum(axis=1) - bottom.sum(axis=1)
        undefined = np.full(len(size), np.nan)
        spread[chunk.dates] = np.divide(difference, size, out=undefined, where=defined)
    return spread


def _ranked(wide: Values) -> tuple[Ints, NDArray[np.bool_]]:
    """Return every date's order of names, lowest first, and whether they differ."""
    varies = np.fmin.reduce(wide, axis=1) < np.fmax.reduce(wide, axis=1)
    return np.argsort(wide, axis=1, kind="stable"), varies


def _outer_sizes(names: Ints, varies: NDArray[np.bool_]) -> tuple[Ints, NDArray[np.bool_]]:
    """Return how many names the outer quantiles of every date hold, and whether it has any."""
    quantiles = np.minimum(MOST_QUANTILES, names // NAMES_A_QUANTILE)
    return names // np.maximum(quantiles, 1), (quantiles >= 2) & varies


def quantile_returns(
    prediction: ArrayLike, realized: ArrayLike, index: pd.MultiIndex
) -> pd.DataFrame:
    """Return the mean realized return of every quantile of the predictions, date by date.

    All dates have the same number of quantiles, q = min(10, n // 5) for the median number n
    of names a date, so that means over dates are of comparable quantiles. On a date of m
    names the lowest and the highest quantile have m // q names, and the others share those
    between as evenly as can be (of two halves, an odd name in the middle is in neither). So
    where a date's own min(10, m // 5) is q, the highest less the lowest is its
    `decile_spread`. Gross of all costs.

    Parameters
    ----------
    prediction, realized, index
        As for `decile_spread`.

    Returns
    -------
    DataFrame of shape (n_dates, q), float64
        In bps, indexed by ``datetime``, ascending; columns ``1`` (lowest predictions) to
        ``q``. NaN on dates of fewer than q names, and where all predictions are equal. No
        columns where q is below 2.

    Examples
    --------
    >>> from model2_assets.panel import panel_index
    >>> index = panel_index(list("ABCDEFGHIJ"), ["2024-01-02"] * 10)
    >>> quantile_returns(range(10), [0.0] * 5 + [30.0] * 5, index).to_numpy().tolist()
    [[0.0, 30.0]]
    """
    x, y, names, dates = rows_by_date(prediction, realized, index)
    median = int(np.median(names[names > 0])) if names.any() else 0
    count = min(MOST_QUANTILES, median // NAMES_A_QUANTILE)
    count = count if count >= 2 else 0
    means = np.full((len(names), count), np.nan)
    for chunk in chunks_of_dates(names) if count else ():
        order, varies = _ranked(chunk.lay_out(x))
        returns = np.take_along_axis(chunk.lay_out(y), order, axis=1)
        quantile = _quantiles(chunk.names, count)
        defined = varies & (chunk.names >= count)
        inside = chunk.filled & (quantile >= 0) & defined[:, np.newaxis]
        cell = (np.arange(len(order))[:, np.newaxis] * count + quantile)[inside]
        sums = np.bincount(cell, weights=returns[inside], minlength=len(order) * count)
        sizes = np.bincount(cell, minlength=len(order) * count)
        mean = np.divide(sums, sizes, out=np.full(len(sums), np.nan), where=sizes > 0)
        means[chunk.dates] = mean.reshape(-1, count)
    columns = pd.RangeIndex(1, count + 1, name="quantile")
    return pd.DataFrame(means, index=dates, columns=columns)


def _quantiles(names: Ints, count: int) -> Ints:
    """Return the quantile of every place of a date, from 0; -1 for a name between two halves."""
    place, of_date = np.arange(names.max()), names[:, np.newaxis]
    size = of_date // count
    between = np.maximum(of_date - 2 * size, 1)
    inner = 1 + (place - size) * (count - 2) // between if count > 2 else -1
    return np.where(place < size, 0, np.where(place >= of_date - size, count - 1, inner))


def mean_quantile_returns(returns: pd.DataFrame, *, lag: int) -> pd.DataFrame:
    """Return the mean over dates of every quantile's return, with its standard error.

    Parameters
    ----------
    returns : DataFrame of shape (n_dates, n_quantiles), float
        As `quantile_returns` returns it, bps.
    lag : int
        That of `mean_ic_inference`.

    Returns
    -------
    DataFrame of shape (n_quantiles, 2), float64
        ``mean`` and its Newey-West ``standard_error``, bps, NaN where undefined.
    """
    found = [mean_ic_inference(returns[name], lag=lag) for name in returns.columns]
    columns = ["mean", "standard_error"]
    return pd.DataFrame(found, index=returns.columns, columns=columns, dtype=np.float64)


def cumulative_quantile_spread(spread: pd.Series, *, horizon_days: int) -> pd.DataFrame:
    """Add up a daily spread whose windows of `horizon_days` dates overlap.

    Adding up every date's spread would count each day's return `horizon_days` times. Instead
    there are `horizon_days` books, as N. Jegadeesh and S. Titman hold them ("Returns to Buying
    Winners and Selling Losers", Journal of Finance 48(1), 1993): each is renewed every
    `horizon_days`-th date, so that its windows follow one another, and they start one date apart.
    Their mean is the sum of the daily spreads over `horizon_days`; their range says how much is
    owed to the date to start from. Sums are not compounded. A spread counts on the date of its
    signal, before it is earned, and no costs are deducted.

    Parameters
    ----------
    spread : Series of shape (n_dates,), float
        Of each date's window, in bps, such as `decile_spread`; NaN adds nothing and keeps its
        place.
    horizon_days : int
        Dates after which a window is over, 1 or more, else Model2Error is raised.

    Returns
    -------
    DataFrame of shape (n_dates, 3), float64
        Indexed as `spread`: ``mean``, ``low`` and ``high`` of the books' sums, bps.

    Examples
    --------
    >>> dates = pd.bdate_range("2024-01-01", periods=4)
    >>> spread = pd.Series([10.0, 2.0, 10.0, 4.0], index=dates)
    >>> cumulative_quantile_spread(spread, horizon_days=2).iloc[-1].tolist()
    [13.0, 6.0, 20.0]
    """
    require_count("horizon_days", horizon_days)
    earned = np.nan_to_num(spread.to_numpy(dtype=np.float64))
    position = np.arange(len(earned))
    books = np.zeros((len(earned), horizon_days))
    books[position, position % horizon_days] = earned
    sums = np.cumsum(books, axis=0)
    mean = np.cumsum(earned) / horizon_days
    columns = {"mean": mean, "low": sums.min(axis=1), "high": sums.max(axis=1)}
    return pd.DataFrame(columns, index=spread.index)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Labels against predictions: how well the fit is scaled.

    `bins` has by ascending prediction: ``rows`` int64, ``prediction`` and ``label`` (means of the
    bin's rows, bps) and ``standard_error`` of that label, NaN where the dates do not suffice. The
    `slope` of the least squares line of labels on predictions is 1 where predictions are right on
    average, below 1 where they are too bold, near 0 where they say nothing, NaN where they do not
    vary.
    """

    bins: pd.DataFrame
    slope: float
    slope_standard_error: float


def calibration(
    prediction: ArrayLike, label: ArrayLike, index: pd.MultiIndex, *, lag: int, n_bins: int = 10
) -> Calibration:
    r"""Compare mean label with mean prediction, over bins of equally many rows.

    Labels of a date move together and those of neighbouring dates overlap, so standard
    errors are those of the time series of each date's sum of deviations (of influences, for
    the slope), after Newey and West: with the sum :math:`s_t` of date t and n rows in all,
    :math:`T \cdot \mathrm{se}(\bar s) / n` (`mean_ic_inference`).

    Parameters
    ----------
    prediction, index
        As for `decile_spread`, bps.
    label : array-like of shape (n_rows,), float
        Labels in bps, winsorized as they may be: this is about what models were fitted to.
    lag : int
        Dates over which neighbouring labels are correlated; see `mean_ic_inference`.
    n_bins : int, default 10
        Bins, cut at quantiles of all predictions; fewer where predictions repeat, since equal
        predictions share a bin.

    Returns
    -------
    Calibration
        The bins, and the line through the rows.

    Examples
    --------
    >>> from model2_assets.panel import panel_index
    >>> index = panel_index(list("ABCD"), ["2024-01-02"] * 4)
    >>> found = calibration([-1, -1, 1, 1], [-4, -2, 2, 4], index, lag=0, n_bins=2)
    >>> found.slope, found.bins["label"].tolist()
    (3.0, [-3.0, 3.0])
    """
    x = np.asarray(prediction, dtype=np.float64)
    y = np.asarray(label, dtype=np.float64)
    usable = np.isfinite(x) & np.isfinite(y)
    x, y, date = x[usable], y[usable], date_codes(index).codes[usable]
    # Dates before the first row and after the last are no observations.
    date = date - date.min(initial=len(index))
    cuts: Values = np.quantile(x, np.arange(1, n_bins) / n_bins, method="lower") if len(x) else x
    place = np.searchsorted(np.unique(cuts), x, side="left")
    rows = []
    for each in np.unique(place):
        inside = place == each
        n, mean = int(inside.sum()), float(y[inside].mean())
        error = _error_of_sums(y[inside] - mean, date[inside], int(date.max()) + 1, lag=lag) / n
        rows.append((n, float(x[inside].mean()), mean, error))
    bins = pd.DataFrame(rows, columns=["rows", "prediction", "label", "standard_error"])
    return Calibration(bins, *_slope(x, y, date, lag=lag))


def _slope(x: Values, y: Values, date: Ints, *, lag: int) -> tuple[float, float]:
    if not len(x) or x.min() == x.max():
        return nan, nan
    centered = x - x.mean()
    spread = float(centered @ centered)
    slope = float(centered @ y) / spread
    influence = centered * (y - y.mean() - slope * centered)
    return slope, _error_of_sums(influence, date, int(date.max()) + 1, lag=lag) / spread


def _error_of_sums(values: Values, date: Ints, n_dates: int, *, lag: int) -> float:
    """Return the standard error of the sum of all values, from the series of each date's sum."""
    sums = np.bincount(date, weights=values, minlength=n_dates)
    return mean_ic_inference(sums, lag=lag).standard_error * n_dates


def top_quantile_turnover(
    prediction: ArrayLike, index: pd.MultiIndex, *, period_dates: int = 1
) -> pd.Series:
    """Return the share of each date's top quantile that was not in the one before it.

    Quantiles are those of `decile_spread`: a date of n names has q = min(10, n // 5), and the
    top one has n // q names. A name that the earlier date did not have counts as new. The
    definition is that of ``alphalens.performance.quantile_turnover`` for the highest quantile.

    Parameters
    ----------
    prediction, index
        As for `decile_spread`, in any unit.
    period_dates : int, default 1
        Dates of the index between the two quantiles compared, 1 or more, else Model2Error is
        raised.

    Returns
    -------
    Series of shape (n_dates,), float64
        Between 0 (all names held) and 1 (all replaced), indexed by ``datetime``, ascending.
        NaN on the first `period_dates` dates, and where either date has fewer than 10 names or
        equal predictions only: there, names alone would rank.

    Examples
    --------
    >>> from model2_assets.panel import panel_index
    >>> index = panel_index([*"ABCDEFGHIJ"] * 2, ["2024-01-02"] * 10 + ["2024-01-03"] * 10)
    >>> first, second = range(10), [9, 1, 2, 3, 4, 5, 6, 7, 8, 0]
    >>> top_quantile_turnover([*first, *second], index).tolist()
    [nan, 0.2]
    """
    require_count("period_dates", period_dates)
    grid = Grid.of(index)
    members = _top_quantiles(grid.wide(prediction, grid.cells(index)))
    turnover = np.full(len(members), np.nan)
    now, before = members[period_dates:], members[:-period_dates]
    size = now.sum(axis=1)
    held = (now & before).sum(axis=1)
    defined = (size > 0) & before.any(axis=1)
    turnover[period_dates:][defined] = (size[defined] - held[defined]) / size[defined]
    return pd.Series(turnover, index=grid.dates, name="top_quantile_turnover")


def _top_quantiles(predictions: Values) -> NDArray[np.bool_]:
    """Return who is in the top quantile of every date; nobody on a date without quantiles."""
    members = np.zeros(predictions.shape, dtype=bool)
    finite = np.isfinite(predictions)
    date, instrument = np.nonzero(finite)
    values = predictions[finite]
    for chunk in chunks_of_dates(finite.sum(axis=1)):
        order, varies = _ranked(chunk.lay_out(values))
        size, defined = _outer_sizes(chunk.names, varies)
        place = np.arange(order.shape[1])
        top = chunk.filled & (place >= (chunk.names - size)[:, np.newaxis])
        of_row = np.zeros_like(top)
        np.put_along_axis(of_row, order, top & defined[:, np.newaxis], axis=1)
        members[date[chunk.rows], instrument[chunk.rows]] = of_row[chunk.filled]
    return members


def rank_autocorrelation(prediction: ArrayLike, index: pd.MultiIndex, *, lag: int) -> pd.Series:
    """Return the Spearman correlation of each date's predictions with those `lag` dates before.

    It is taken over the instruments that have a prediction on both dates, and ranks them among
    themselves. One means that the ranking stood still. Out-of-fold predictions of neighbouring
    folds come from different models, so dates just after a fold's first are low by that too.

    Parameters
    ----------
    prediction, index
        As for `decile_spread`, in any unit.
    lag : int
        Distance in dates of `index`, 1 or more, else Model2Error is raised.

    Returns
    -------
    Series of shape (n_dates,), float64
        Indexed by ``datetime``, ascending. NaN on the first `lag` dates, with fewer than 3
        common instruments, and where one side is constant.

    Examples
    --------
    >>> from model2_assets.panel import panel_index
    >>> index = panel_index([*"ABC"] * 2, ["2024-01-02"] * 3 + ["2024-01-03"] * 3)
    >>> rank_autocorrelation([1.0, 2.0, 3.0, 3.0, 2.0, 1.0], index, lag=1).tolist()
    [nan, -1.0]
    """
    require_count("lag", lag)
    grid = Grid.of(index)
    wide = grid.wide(prediction, grid.cells(index))
    now, before = wide[lag:], wide[:-lag]
    common = np.isfinite(now) & np.isfinite(before)
    counts = common.sum(axis=1).astype(np.int64)
    correlation = np.full(len(wide), np.nan)
    if len(counts):
        correlation[lag:] = correlate_dates(now[common], before[common], counts)[1]
    return pd.Series(correlation, index=grid.dates, name="rank_autocorrelation")
