"""Uniqueness: how little a label shares its bars with the other labels of a train set."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config.partition import horizon_days
from model2_assets.errors import TrainingError
from model2_assets.panel import date_codes, instrument_codes, positions_in, row_name


@dataclass(frozen=True, eq=False)
class LabelSpans:
    """The bars that each label spans, on one axis of all instruments' bars end to end.

    `first` is the first bar of each label, `stop` one past its last, and the same where no bar
    of it is known.
    """

    first: NDArray[np.int64]
    stop: NDArray[np.int64]
    n_bars: int

    def average_uniqueness(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        r"""Return the average uniqueness of labels among a choice of rows.

        With :math:`c_s` the labels of `rows` that span bar s of the same instrument,

        .. math:: \bar u_i = \frac{1}{|T_i|} \sum_{s \in T_i} \frac{1}{c_s}

        over the bars :math:`T_i` of label i [1]_: 1 where a label is alone, about 1/h where h
        labels overlap everywhere. A label without a known bar (an instrument that has left the
        universe, or is entered at its last close) has the mean of the others.

        References
        ----------
        .. [1] M. López de Prado, "Advances in Financial Machine Learning", Wiley 2018,
           sections 4.3 and 4.4.
        """
        first, stop = self.first[rows], self.stop[rows]
        begins = np.bincount(first, minlength=self.n_bars + 1)
        concurrency = np.cumsum(begins - np.bincount(stop, minlength=self.n_bars + 1))[:-1]
        shares = np.zeros(self.n_bars + 1)
        np.cumsum(1.0 / np.maximum(concurrency, 1), out=shares[1:])
        length = stop - first
        known = length > 0
        uniqueness = np.ones(len(rows))
        np.divide(shares[stop] - shares[first], length, out=uniqueness, where=known)
        if known.any():
            uniqueness[~known] = uniqueness[known].mean()
        return uniqueness

    def weights(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the average uniqueness of the chosen rows, scaled to a mean of 1.

        So a penalty or a smallest leaf that counts rows keeps its meaning, as in section
        4.10 of López de Prado (2018).
        """
        uniqueness = self.average_uniqueness(rows)
        uniqueness /= uniqueness.mean()
        return uniqueness


def label_spans(
    index: pd.MultiIndex, labels: pd.DataFrame, *, horizon: str, execution_lag_days: int
) -> LabelSpans:
    """Find the own bars over which each row's label accrues: those of the horizon after entry.

    The rows of `labels` are the own bars of their instrument. The entry is `execution_lag_days`
    own bars after the row; the return of the bar after it is the first that counts. A label of a
    delisted name has as many bars as are left. ``label_end_{horizon}`` is the last date that a
    label looks at, for the sake of others of its date often a later one; no bar after it counts,
    and a row of `index` without one is refused.
    """
    bars = labels.index
    assert isinstance(bars, pd.MultiIndex)
    ends = labels[f"label_end_{horizon}"].to_numpy(dtype="datetime64[us]")
    dates, instruments = date_codes(bars), instrument_codes(bars)
    # A bar's key orders the axis: instrument after instrument, each by date.
    n_dates = len(dates.values)
    keys = instruments.codes * n_dates + dates.codes
    axis = np.sort(keys)
    rows = positions_in(bars, index)
    bad = np.flatnonzero((rows < 0) | np.isnat(ends[rows]))
    if bad.size:
        raise TrainingError(
            f"labels have no label_end_{horizon} for {row_name(index, bad[0])}; materialize labels "
            f"and cv_splits again"
        )
    moments = pd.DatetimeIndex(dates.values).as_unit("us").to_numpy()
    last_date = np.searchsorted(moments, ends[rows], side="right") - 1
    of_instrument = instruments.codes[rows] * n_dates
    first = np.searchsorted(axis, keys[rows]) + execution_lag_days + 1
    stop = np.searchsorted(axis, of_instrument + last_date, side="right")
    stop = np.minimum(stop, first + horizon_days(horizon))
    return LabelSpans(
        first=np.minimum(first, stop).astype(np.int64),
        stop=stop.astype(np.int64),
        n_bars=len(axis),
    )
