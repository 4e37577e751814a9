"""What every feature alone says of realized returns, and which say too much."""

from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from model2_assets.evaluation.ic import MIN_NAMES, Grid, Ints, Values
from model2_assets.evaluation.inference import critical_t, mean_ic_inference
from model2_assets.features import normalize_cross_sections
from model2_assets.features.kernels import compiled, for_each_chunk
from model2_assets.panel import date_codes, to_canonical

_DATES_PER_CHUNK = 16

CHANCE = float(ndtr(-5))
"""How rare a t-statistic without a cause has to be before it counts: as five standard errors of a
normal value. With 576 dates and labels of 63 days that is 17: there some worthless feature of 158
exceeds 5 in one market of nine."""

ALIKE = 0.9
"""Rank correlation, in absolute value, from which on two features are one."""

TIMES_THE_OTHERS = 2
"""How far a feature may stand out of those that are not like it."""

_SAMPLED_DATES = 20


def feature_rank_ic(features: pd.DataFrame, realized: pd.Series, *, lag: int) -> pd.DataFrame:
    """Return the mean daily rank IC of every feature alone, and its t-statistic.

    Parameters
    ----------
    features, realized
        As `daily_feature_rank_ic` takes them; realized returns of one horizon.
    lag : int
        Dates over which standard errors look for correlation, as `mean_ic_inference` takes it.

    Returns
    -------
    DataFrame of shape (n_features, 2)
        Indexed by ``feature``, in the order of the columns: ``rank_ic``, the mean over dates of
        the Spearman correlation across names, and ``rank_ic_t``, its Newey-West t-statistic.
        NaN where there is none.
    """
    daily = daily_feature_rank_ic(features, realized)
    found = [mean_ic_inference(daily[name], lag=lag) for name in daily.columns]
    return pd.DataFrame(
        {
            "rank_ic": np.array([each.mean for each in found], dtype=np.float64),
            "rank_ic_t": np.array([each.t_statistic for each in found], dtype=np.float64),
        },
        index=pd.Index(daily.columns, name="feature"),
    )


def daily_feature_rank_ic(
    features: pd.DataFrame,
    realized: pd.Series,
    *,
    names: pd.Index | None = None,
    n_threads: int | None = None,
) -> pd.DataFrame:
    r"""Correlate every feature with a series across the instruments of every date.

    Spearman's correlation of a feature and a date is that of the names that have both, ranked
    among themselves with ties sharing their average rank. With :math:`a_i = 2 r_i - n - 1`, of the
    ranks :math:`r_i` of n names, and :math:`b_i` likewise of the other side, it is

    .. math:: \sum_i a_i b_i \Big/ \sqrt{\sum_i a_i^2 \sum_i b_i^2}

    (C. Spearman, American Journal of Psychology 15(1), 1904). These are whole numbers, whose sums
    are exact, so the result depends on no order of rows and on no number of threads.

    Parameters
    ----------
    features : DataFrame of shape (n_rows, n_features)
        Panel frame. Compared in float32, the precision in which features are stored.
    realized : Series of shape (n_realized,), float
        By a panel index of any rows in any order. On both sides, values that are not finite are
        missing.
    names : Index, optional
        Features to look at; by default all.
    n_threads : int, optional
        Threads; by default one per usable core.

    Returns
    -------
    DataFrame of shape (n_dates, n_names), float64
        By the dates of `features`, ascending. NaN where fewer than 3 names have both, or one side
        is constant.

    Examples
    --------
    >>> from model2_assets.panel import panel_index
    >>> index = panel_index(list("ABCD"), ["2024-01-02"] * 4)
    >>> features = pd.DataFrame({"X": [1.0, 2.0, 3.0, np.nan], "Y": [2.0, 1.0, 1.0, 0.0]}, index)
    >>> realized = pd.Series([10.0, 20.0, 90.0, 50.0], index)
    >>> daily_feature_rank_ic(features, realized).round(3).iloc[0].tolist()
    [1.0, -0.632]
    """
    features = to_canonical(features)
    index = features.index
    assert isinstance(index, pd.MultiIndex)
    assert isinstance(realized.index, pd.MultiIndex)
    dates, grid = date_codes(index), Grid.of(index)
    y = grid.laid_out(realized, grid.cells(realized.index))[grid.cells(index)]
    # Columns are chosen of a few rows at a time: the matrix may be larger than memory.
    values, starts = features.to_numpy(dtype=np.float32), dates.starts
    chosen = slice(None) if names is None else features.columns.get_indexer(names)
    columns = features.columns[chosen]
    found = np.empty((len(dates.values), len(columns)))

    def correlate(first: int, stop: int) -> None:
        rows = slice(starts[first], starts[stop])
        known = np.isfinite(y[rows])
        ends = np.concatenate([[0], np.cumsum(known)])[starts[first : stop + 1] - starts[first]]
        x = np.array(values[rows][known][:, chosen], order="C")
        found[first:stop] = _correlate_dates(x, y[rows][known], ends)

    for_each_chunk(correlate, len(dates.values), chunk_size=_DATES_PER_CHUNK, n_threads=n_threads)
    return pd.DataFrame(found, pd.DatetimeIndex(dates.values, name="datetime"), columns)


def _correlate_dates(x: NDArray[np.float32], y: Values, starts: Ints) -> Values:
    """Return the rank correlation of every date and column; `x` is overwritten by its ranks."""
    x[~np.isfinite(x)] = np.nan
    normalize_cross_sections(x, starts, method="rank", n_threads=1)
    found = np.full((len(starts) - 1, x.shape[1]), np.nan)
    for date, (first, stop) in enumerate(pairwise(starts)):
        order = np.argsort(y[first:stop]) + first
        products, squares, counts = _sums_of_ranks(x, order, y)
        defined = (counts >= MIN_NAMES) & (squares > 0)
        np.divide(products, np.sqrt(squares), out=found[date], where=defined)
    return found


@compiled
def _sums_of_ranks(
    scaled: NDArray[np.float32], order: Ints, y: Values
) -> tuple[Values, Values, Ints]:
    """Return by column the sums of products and of squares of the ranks of a date, and its names.

    `scaled` are ranks as features are scaled, `order` the rows of the date by ascending y.
    """
    n_columns = scaled.shape[1]
    counts, before, here = np.zeros((3, n_columns), dtype=np.int64)
    products, a_squares, b_squares, a_here = np.zeros((4, n_columns))
    for row in order:
        for column in range(n_columns):
            counts[column] += not np.isnan(scaled[row, column])
    for place in range(len(order)):
        for column in range(n_columns):
            value = scaled[order[place], column]
            if not np.isnan(value):
                a = np.rint(2.0 * counts[column] * value)
                a_here[column] += a
                a_squares[column] += a * a
                here[column] += 1
        if place + 1 < len(order) and y[order[place + 1]] == y[order[place]]:
            continue
        # Of a run of equal y, as many names are before it and up to its end in every column.
        for column in range(n_columns):
            b = float(2 * before[column] + here[column] - counts[column])
            products[column] += a_here[column] * b
            b_squares[column] += here[column] * b * b
            before[column] += here[column]
            a_here[column], here[column] = 0.0, 0
    return products, a_squares * b_squares, counts


def conspicuous_features(
    alone: pd.DataFrame, features: pd.DataFrame, realized: pd.Series, *, limit: float, lag: int
) -> dict[str, str]:
    """Say which features alone rank returns better than one can believe, and why.

    Of the features whose t-statistic is beyond what luck reaches on as many dates as they have a
    rank IC on (`critical_t`; a vendor's column has fewer), they are those whose rank IC is beyond
    `limit`, or more than twice that of the best feature unlike it; all in absolute value. Two
    features are alike from a rank correlation of 0.9 on: the mean over 20 dates, evenly spread
    over history, of Spearman's across names, in absolute value. Without a feature unlike it, one
    is held to `limit` alone.

    Parameters
    ----------
    alone : DataFrame of shape (n_features, 2)
        As `feature_rank_ic` returns it.
    features : DataFrame of shape (n_rows, n_features)
        The features, in canonical order.
    realized : Series
        By a panel index; finite on the rows that `alone` is of.
    limit : float
        See above.
    lag : int
        That of `alone`.

    Returns
    -------
    dict of str to str
        The figures behind it, by feature; the largest rank IC first.
    """
    alone = alone.reindex(features.columns).dropna(subset="rank_ic")
    size = alone["rank_ic"].abs().sort_values(ascending=False, kind="stable")
    t = alone.loc[size.index, "rank_ic_t"].abs()
    all_dates = len(date_codes(features.index).values)
    suspects = t.index[t > critical_t(all_dates, lag=lag, chance=CHANCE)]
    if len(suspects):
        n_dates = daily_feature_rank_ic(features, realized, names=suspects).count()
        least_t = n_dates.map(lambda n: critical_t(n, lag=lag, chance=CHANCE))
        suspects = suspects[(t[suspects] > least_t).to_numpy()]
    reasons = {name: f"above {limit:g}" for name in suspects if size[name] > limit}
    if len(suspects):
        features = _on_sampled_dates(features)[size.index]  # a copy of a few dates alone
        # Whatever is unlike the strongest one has that one for a better feature unlike it.
        near = _likeness(features, size.index[0]) >= ALIKE
        for name in suspects[near[suspects].to_numpy()].difference(list(reasons), sort=False):
            others = size[(_likeness(features, name) < ALIKE).to_numpy()]
            if len(others) and size[name] > TIMES_THE_OTHERS * others.iloc[0]:
                best = f"{alone.loc[others.index[0], 'rank_ic']:+.4f} of {others.index[0]}"
                reasons[name] = f"more than twice the {best}, the best feature unlike it"
    return {
        name: f"{alone.loc[name, 'rank_ic']:+.4f}, t {alone.loc[name, 'rank_ic_t']:+.1f}, {reason}"
        for name, reason in sorted(reasons.items(), key=lambda item: -size[item[0]])
    }


def _on_sampled_dates(features: pd.DataFrame) -> pd.DataFrame:
    starts = date_codes(features.index).starts
    chosen = np.unique(np.linspace(0, len(starts) - 2, _SAMPLED_DATES).round().astype(np.int64))
    rows = [np.arange(starts[date], starts[date + 1]) for date in chosen]
    return features.iloc[np.concatenate(rows)]


def _likeness(features: pd.DataFrame, name: str) -> pd.Series:
    """Return the mean rank correlation of every feature with one, without sign; 0 if unknown."""
    likeness = daily_feature_rank_ic(features, features[name]).mean().abs().fillna(0.0)
    likeness[name] = 1.0  # also of one that is nowhere on these dates
    return likeness
