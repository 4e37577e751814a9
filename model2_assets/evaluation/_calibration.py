"""Whether predictions mean what they say: realized labels against predicted ones."""

from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.evaluation._date_blocks import Values
from model2_assets.evaluation._newey_west import mean_ic_inference
from model2_assets.panel import date_codes

N_BINS = 10

_Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Realized labels against predictions.

    Attributes
    ----------
    bins : DataFrame of shape (n_bins, 4)
        By ascending prediction: ``rows`` int64; ``prediction`` and ``label``, the means of
        the bin's rows in bps; ``standard_error`` of that mean label, bps, NaN where the
        dates do not suffice.
    slope : float
        Of the least squares line of labels on predictions: 1 where predictions are right on
        average, below 1 where they are too bold, near 0 where they say nothing. NaN where
        predictions do not vary.
    slope_standard_error : float
        Of `slope`.
    """

    bins: pd.DataFrame
    slope: float
    slope_standard_error: float


def calibration(
    prediction: ArrayLike,
    label: ArrayLike,
    index: pd.MultiIndex,
    *,
    lag: int,
    n_bins: int = N_BINS,
) -> Calibration:
    r"""Compare mean label with mean prediction, over bins of equally many rows.

    Labels of a date move together and those of neighbouring dates overlap, so standard
    errors are those of the time series of each date's sum of deviations (of influences, for
    the slope), after Newey and West: with the sum :math:`s_t` of date t and n rows in all,
    :math:`T \cdot \mathrm{se}(\bar s) / n` (`mean_ic_inference`).

    Parameters
    ----------
    prediction, label : array-like of shape (n_rows,), float
        In the order of `index`, bps. Rows where either is not finite are left out.
    index : MultiIndex of shape (n_rows,)
        Levels ``(instrument, datetime)``, in any row order.
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
    >>> index = pd.MultiIndex.from_product(
    ...     [list("ABCD"), pd.to_datetime(["2024-01-02"])], names=["instrument", "datetime"]
    ... )
    >>> found = calibration([-1, -1, 1, 1], [-4, -2, 2, 4], index, lag=0, n_bins=2)
    >>> found.slope, found.bins["label"].tolist()
    (3.0, [-3.0, 3.0])
    """
    dates = date_codes(index)
    x = np.asarray(prediction, dtype=np.float64)
    y = np.asarray(label, dtype=np.float64)
    usable = np.isfinite(x) & np.isfinite(y)
    x, y, date = x[usable], y[usable], dates.codes[usable]
    if not len(x):
        return Calibration(_empty_bins(), nan, nan)
    # Dates before the first row and after the last are no observations.
    date = date - date.min()
    n_dates = int(date.max()) + 1
    bins = _bins(x, y, date, n_dates, lag=lag, n_bins=n_bins)
    return Calibration(bins, *_slope(x, y, date, n_dates, lag=lag))


def _bins(
    x: Values, y: Values, date: _Codes, n_dates: int, *, lag: int, n_bins: int
) -> pd.DataFrame:
    cuts = np.unique(np.quantile(x, np.arange(1, n_bins) / n_bins, method="lower"))
    place = np.searchsorted(cuts, x, side="left")
    rows = []
    for each in np.unique(place):
        inside = place == each
        mean = float(y[inside].mean())
        sums = np.bincount(date[inside], weights=y[inside] - mean, minlength=n_dates)
        error = mean_ic_inference(sums, lag=lag).standard_error * n_dates / inside.sum()
        rows.append((int(inside.sum()), float(x[inside].mean()), mean, error))
    return pd.DataFrame(rows, columns=list(_TYPES)).astype(_TYPES)


def _slope(x: Values, y: Values, date: _Codes, n_dates: int, *, lag: int) -> tuple[float, float]:
    if x.min() == x.max():
        return nan, nan
    centered = x - x.mean()
    spread = float(centered @ centered)
    slope = float(centered @ y) / spread
    residual = y - y.mean() - slope * centered
    influence = np.bincount(date, weights=centered * residual, minlength=n_dates)
    error = mean_ic_inference(influence, lag=lag).standard_error * n_dates / spread
    return slope, error


_TYPES = {
    "rows": "int64",
    "prediction": "float64",
    "label": "float64",
    "standard_error": "float64",
}


def _empty_bins() -> pd.DataFrame:
    return pd.DataFrame(columns=list(_TYPES)).astype(_TYPES)
