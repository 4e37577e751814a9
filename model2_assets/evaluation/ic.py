"""Per-date information coefficients, for all dates of a panel at once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.errors import ContractError
from model2_assets.evaluation.inference import mean_ic_inference
from model2_assets.panel import date_codes, instrument_codes

_CHUNK_CELLS = 1 << 18
"""Cells of a dates by names array that fit a core's cache (2 MiB of float64)."""

Values = NDArray[np.float64]


def chunks_of_dates(
    counts: NDArray[np.int64],
) -> Iterator[tuple[slice, NDArray[np.int64], slice]]:
    """Yield runs of dates that are small enough to be sorted in cache.

    Parameters
    ----------
    counts : ndarray of shape (n_dates,), int64
        Rows of every date; the rows of a date are contiguous and dates ascend.

    Yields
    ------
    dates : slice
        The dates of the chunk.
    names : ndarray of shape (n_chunk_dates,), int64
        Their numbers of rows.
    rows : slice
        Their rows; chunks without any are left out.
    """
    step = max(1, _CHUNK_CELLS // max(int(counts.max(initial=0)), 1))
    last_row = np.concatenate([[0], np.cumsum(counts)])
    for first in range(0, len(counts), step):
        stop = min(first + step, len(counts))
        if last_row[stop] > last_row[first]:
            yield slice(first, stop), counts[first:stop], slice(last_row[first], last_row[stop])


def filled_cells(names: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which cells of a dates by names array hold a row: the first of each date."""
    filled: NDArray[np.bool_] = np.arange(names.max())[np.newaxis, :] < names[:, np.newaxis]
    return filled


def lay_out(values: Values, filled: NDArray[np.bool_]) -> Values:
    """Return the rows of a chunk as dates by names, NaN where a date has no more names."""
    wide = np.full(filled.shape, np.nan)
    wide[filled] = values
    return wide


def average_ranks(wide: Values) -> Values:
    """Rank each row from 0, ties sharing their average; the NaN that pad a row rank last."""
    order = np.argsort(wide, axis=1)
    values = np.take_along_axis(wide, order, axis=1)
    column = np.arange(wide.shape[1])
    changes = values[:, 1:] != values[:, :-1]
    edge = np.ones((len(wide), 1), dtype=bool)
    first = np.where(np.hstack([edge, changes]), column, 0)
    last = np.where(np.hstack([changes, edge]), column, wide.shape[1])
    np.maximum.accumulate(first, axis=1, out=first)
    np.minimum.accumulate(last[:, ::-1], axis=1, out=last[:, ::-1])
    ranks = np.empty_like(wide)
    np.put_along_axis(ranks, order, (first + last) / 2, axis=1)
    return ranks


MIN_NAMES = 3
"""Fewest names of a date with a correlation: two always correlate by plus or minus one."""


def daily_ic(prediction: ArrayLike, label: ArrayLike, index: pd.MultiIndex) -> pd.DataFrame:
    """Correlate predictions with labels across the instruments of every date.

    Rows are laid out as dates by names a chunk of dates at a time, so sorting stays in cache
    and nothing is called per date.

    Parameters
    ----------
    prediction, label : array-like of shape (n_rows,), float
        In the order of `index`; bps, though the unit does not matter. Rows where either is
        not finite are left out.
    index : MultiIndex of shape (n_rows,)
        Levels ``(instrument, datetime)``, in any row order.

    Returns
    -------
    DataFrame of shape (n_dates, 3)
        Indexed by ``datetime``, ascending. ``ic``: Pearson correlation; ``rank_ic``:
        Spearman correlation, ties sharing their average rank; ``n`` int64: names. Both
        correlations are NaN on dates with fewer than 3 names or with a constant side.

    Examples
    --------
    >>> index = pd.MultiIndex.from_product(
    ...     [["A", "B", "C"], pd.to_datetime(["2024-01-02"])], names=["instrument", "datetime"]
    ... )
    >>> daily_ic([1.0, 2.0, 3.0], [10.0, 20.0, 90.0], index)["rank_ic"].tolist()
    [1.0]
    """
    dates = date_codes(index)
    x = np.asarray(prediction, dtype=np.float64)
    y = np.asarray(label, dtype=np.float64)
    usable = np.isfinite(x) & np.isfinite(y)
    codes, x, y = _by_date(dates.codes, x, y, usable)
    counts = np.bincount(codes, minlength=len(dates.values)).astype(np.int64)
    ic, rank_ic = correlate_dates(x, y, counts)
    return pd.DataFrame(
        {"ic": ic, "rank_ic": rank_ic, "n": counts},
        index=pd.DatetimeIndex(dates.values, name="datetime"),
    )


def correlate_dates(x: Values, y: Values, counts: NDArray[np.int64]) -> tuple[Values, Values]:
    """Correlate two columns over the rows of every date.

    Parameters
    ----------
    x, y : ndarray of shape (n_rows,), float64
        Finite values, date after date.
    counts : ndarray of shape (n_dates,), int64
        Rows of every date.

    Returns
    -------
    ic, rank_ic : ndarray of shape (n_dates,), float64
        Pearson and Spearman correlations, NaN where undefined.
    """
    ic, rank_ic = np.full((2, len(counts)), np.nan)
    for dates, names, rows in chunks_of_dates(counts):
        filled = filled_cells(names)
        a, b = lay_out(x[rows], filled), lay_out(y[rows], filled)
        ic[dates] = _correlate(a, b, filled)
        rank_ic[dates] = _correlate(average_ranks(a), average_ranks(b), filled)
    return ic, rank_ic


def _by_date(
    codes: NDArray[np.int64], x: Values, y: Values, usable: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], Values, Values]:
    if not usable.all():
        codes, x, y = codes[usable], x[usable], y[usable]
    if np.any(codes[1:] < codes[:-1]):
        order = np.argsort(codes, kind="stable")
        codes, x, y = codes[order], x[order], y[order]
    return codes, x, y


def _correlate(a: Values, b: Values, filled: NDArray[np.bool_]) -> Values:
    """Return the Pearson correlation of each row pair over its filled cells."""
    counts = filled.sum(axis=1)
    a, a_varies = _standardize(a, filled, counts)
    b, b_varies = _standardize(b, filled, counts)
    scale = np.sqrt(np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b))
    defined = (counts >= MIN_NAMES) & a_varies & b_varies
    products = np.einsum("ij,ij->i", a, b)
    correlation = np.full(len(a), np.nan)
    np.divide(products, scale, out=correlation, where=defined)
    return np.clip(correlation, -1.0, 1.0, out=correlation)


def _standardize(
    wide: Values, filled: NDArray[np.bool_], counts: NDArray[np.int64]
) -> tuple[Values, NDArray[np.bool_]]:
    """Center each row and scale it to 1 at most, so that no square overflows or vanishes."""
    low = np.where(filled, wide, np.inf).min(axis=1)
    high = np.where(filled, wide, -np.inf).max(axis=1)
    varies = high > low
    scaled = np.where(filled, wide, 0.0) / _largest(np.maximum(abs(low), abs(high)), varies)
    mean = scaled.sum(axis=1) / np.maximum(counts, 1)
    centered = np.where(filled, scaled - mean[:, np.newaxis], 0.0)
    return centered / _largest(np.abs(centered).max(axis=1), varies), varies


def _largest(magnitude: Values, varies: NDArray[np.bool_]) -> Values:
    return np.where(varies & (magnitude > 0), magnitude, 1.0)[:, np.newaxis]


Rows = NDArray[np.int32]

RowName = Callable[[int], tuple[str, pd.Timestamp]]
"""Returns instrument and date of a row, for messages."""

NO_LABEL = -1


@dataclass(frozen=True, eq=False)
class LabelPanel:
    """The labels of a panel, by datetime, then instrument.

    Attributes
    ----------
    label : ndarray of shape (n_labels,), float64
        Finite labels in bps, in canonical order.
    date : ndarray of shape (n_labels,), int64
        Position of each label's date in `calendar`.
    calendar : DatetimeIndex of shape (n_dates,)
        The dates with labels, ascending.
    instruments : Index of shape (n_instruments,)
        The instruments with labels, ascending.
    cells : ndarray of shape (n_dates * n_instruments + 1,), int32
        Position of every date and instrument's label, `NO_LABEL` where there is none; the
        last cell stands for dates and instruments without any.
    """

    label: Values
    date: NDArray[np.int64]
    calendar: pd.DatetimeIndex
    instruments: pd.Index
    cells: Rows

    def positions(self, instrument: pd.Series | pd.Index, datetime: pd.Series | pd.Index) -> Rows:
        """Return the positions of the labels of rows given by two columns, shape (n_rows,)."""
        return self._positions(*pd.factorize(instrument), *pd.factorize(datetime))

    def positions_of_index(self, index: pd.MultiIndex) -> Rows:
        """Return the positions of the labels of ``(instrument, datetime)`` rows."""
        instrument, datetime = (index.names.index(name) for name in ("instrument", "datetime"))
        return self._positions(
            np.asarray(index.codes[instrument]),
            index.levels[instrument],
            np.asarray(index.codes[datetime]),
            index.levels[datetime],
        )

    def _positions(
        self,
        instrument: NDArray[np.integer],
        instruments: pd.Index,
        date: NDArray[np.integer],
        dates: pd.Index,
    ) -> Rows:
        # A missing value's code is -1 and picks the last entry, which stands for none.
        first_cell = self.calendar.get_indexer(pd.DatetimeIndex(dates)) * len(self.instruments)
        column = self.instruments.get_indexer(instruments).astype(np.int32)
        cell = np.append(first_cell, -1)[date]
        column = np.append(column, np.int32(-1))[instrument]
        absent = (cell < 0) | (column < 0)
        cell += column
        cell[absent] = -1
        positions: Rows = self.cells[cell]
        return positions


def label_panel(label: pd.Series) -> LabelPanel:
    """Bring labels into canonical order.

    Parameters
    ----------
    label : Series of shape (n_rows,), float
        Indexed by ``(instrument, datetime)``, in any row order; rows that are not finite
        count as not there.

    Returns
    -------
    LabelPanel
        The finite labels.

    Raises
    ------
    ContractError
        If an instrument has two labels on a date; names the first.
    """
    label = label[np.isfinite(label.to_numpy(dtype=np.float64, na_value=np.nan))]
    index = label.index
    assert isinstance(index, pd.MultiIndex)
    dates, instruments = date_codes(index), instrument_codes(index)
    width = len(instruments.values)
    cells = np.full(len(dates.values) * width + 1, NO_LABEL, dtype=np.int32)
    cell = dates.codes * width + instruments.codes
    cells[cell] = 0
    order = np.flatnonzero(cells[:-1] == 0)
    cells[order] = np.arange(len(order), dtype=np.int32)
    if len(order) < len(cell):
        refuse_rows("label", index.duplicated(), rows_named_by(index), "has two labels", "keep one")
    values = np.empty(len(order))
    values[cells[cell]] = label.to_numpy(dtype=np.float64)
    return LabelPanel(
        label=values,
        date=order // max(width, 1),
        calendar=pd.DatetimeIndex(dates.values),
        instruments=instruments.values,
        cells=cells,
    )


def rows_named_by(index: pd.MultiIndex) -> RowName:
    """Return what names the rows of an ``(instrument, datetime)`` index."""
    instruments, dates = (index.get_level_values(name) for name in ("instrument", "datetime"))
    return lambda row: (str(instruments[row]), pd.Timestamp(dates[row]))


def refuse_rows(
    table: str, faulty: NDArray[np.bool_], name: RowName, fault: str, remedy: str
) -> None:
    """Raise ContractError for the first faulty row, if there is one."""
    if faulty.any():
        instrument, date = name(int(np.argmax(faulty)))
        raise ContractError(
            f"{table} row of instrument {instrument} on {date:%Y-%m-%d} {fault} (as do "
            f"{int(faulty.sum()) - 1} others); {remedy}"
        )


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


@dataclass(frozen=True)
class IcDistribution:
    """Moments of daily values.

    Attributes
    ----------
    n_dates : int
        Values that are not missing.
    standard_deviation : float
        With ddof 1; NaN below two values.
    positive_share : float
        Share of values above zero; NaN without any.
    skewness : float
        Third standardized moment; 0 for a normal distribution, NaN without variation.
    excess_kurtosis : float
        Fourth standardized moment less 3; 0 for a normal distribution, NaN without variation.
    """

    n_dates: int
    standard_deviation: float
    positive_share: float
    skewness: float
    excess_kurtosis: float


def ic_distribution(daily: ArrayLike) -> IcDistribution:
    """Return the moments of daily information coefficients.

    Parameters
    ----------
    daily : array-like of shape (n_dates,), float
        NaN is left out.

    Returns
    -------
    IcDistribution
        Skewness and kurtosis are the plain sample moments, as `scipy.stats.skew` and
        `scipy.stats.kurtosis` give them.

    Examples
    --------
    >>> ic_distribution([0.5, -0.5, 0.25, 0.75]).positive_share
    0.75
    """
    from scipy.stats import kurtosis, skew

    known = np.asarray(daily, dtype=np.float64)
    known = known[np.isfinite(known)]
    varies = len(known) > 1 and known.min() < known.max()
    return IcDistribution(
        n_dates=len(known),
        standard_deviation=float(known.std(ddof=1)) if len(known) > 1 else nan,
        positive_share=float(np.mean(known > 0)) if len(known) else nan,
        skewness=float(skew(known)) if varies else nan,
        excess_kurtosis=float(kurtosis(known)) if varies else nan,
    )


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


def normal_quantiles(values: ArrayLike, *, most_points: int = 200) -> pd.DataFrame:
    """Return ordered values, standardized, beside the normal quantiles of their ranks.

    The quantiles are those of Filliben's [1]_ medians of uniform order statistics, as
    `scipy.stats.probplot` places them. Long series are thinned where points would lie on one
    another: kept are those nearest to an even grid of normal quantiles, so both tails stay
    whole.

    Parameters
    ----------
    values : array-like of shape (n,), float
        In any order; those that are not finite are left out.
    most_points : int, default 200
        Points of the grid.

    Returns
    -------
    DataFrame of shape (n_points, 2), float64
        ``normal``: quantile of the standard normal distribution; ``value``: the ordered value
        less the mean, over the standard deviation (ddof 1). Empty without at least two
        different values.

    References
    ----------
    .. [1] J. J. Filliben, "The Probability Plot Correlation Coefficient Test for Normality",
       Technometrics 17(1), 1975.

    Examples
    --------
    >>> normal_quantiles([3.0, 1.0, 2.0])["value"].tolist()
    [-1.0, 0.0, 1.0]
    """
    from scipy.stats import probplot

    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if len(known) < 2 or known.min() == known.max():
        return pd.DataFrame({"normal": [], "value": []}, dtype="float64")
    normal, ordered = probplot(known, fit=False)
    grid = np.linspace(normal[0], normal[-1], most_points)
    nearest = np.searchsorted((normal[:-1] + normal[1:]) / 2, grid)
    kept = np.unique(nearest) if len(known) > most_points else np.arange(len(known))
    value = (ordered - known.mean()) / known.std(ddof=1)
    return pd.DataFrame({"normal": normal[kept], "value": value[kept]})
