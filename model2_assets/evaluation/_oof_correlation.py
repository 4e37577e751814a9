"""How alike the out-of-fold columns of several models rank the names of a date."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.evaluation._date_blocks import (
    Values,
    average_ranks,
    chunks_of_dates,
    filled_cells,
    lay_out,
)
from model2_assets.evaluation._metrics import MIN_NAMES

Names = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class OOFCorrelation:
    """Correlations between the out-of-fold columns of partitions.

    Attributes
    ----------
    matrix : DataFrame of shape (n_partitions, n_partitions), float64
        Rows and columns are partition keys in the order given. NaN where no date has a
        correlation.
    n_rows : int
        Rows that all partitions have.
    n_dates : int
        Their dates.
    """

    matrix: pd.DataFrame
    n_rows: int
    n_dates: int

    @property
    def mean_between(self) -> float:
        """Mean correlation of different partitions; NaN with fewer than two."""
        values = self.matrix.to_numpy()
        between = values[np.triu_indices(len(values), k=1)]
        between = between[np.isfinite(between)]
        return float(between.mean()) if len(between) else nan


def oof_rank_correlation(oof: Mapping[str, pd.DataFrame]) -> OOFCorrelation:
    """Correlate the out-of-fold columns of partitions with each other.

    The figure is the mean over dates of the Spearman correlation across the names of a date,
    on the rows that all partitions have. A stack of them is judged by how it ranks the names of
    a date, so what its columns add to each other is seen within dates; pooled over dates, a
    common drift of the predictions would pass for agreement.

    Parameters
    ----------
    oof : mapping of str to DataFrame
        Out-of-fold predictions by partition key, indexed by ``(instrument, datetime)``, each in
        any row order and without repeated rows; column ``prediction``, finite.

    Returns
    -------
    OOFCorrelation
        A date counts for a pair where it has at least 3 common names and neither column is
        constant.

    Examples
    --------
    >>> index = pd.MultiIndex.from_product(
    ...     [list("ABC"), pd.to_datetime(["2024-01-02"])], names=["instrument", "datetime"]
    ... )
    >>> columns = {"21d|ridge": [1.0, 2.0, 3.0], "21d|xgboost": [1.0, 3.0, 2.0]}
    >>> oof = {key: pd.DataFrame({"prediction": x}, index=index) for key, x in columns.items()}
    >>> round(oof_rank_correlation(oof).mean_between, 6)
    0.5
    """
    if not oof:
        return OOFCorrelation(pd.DataFrame(dtype=np.float64), n_rows=0, n_dates=0)
    columns, counts = _common_rows(list(oof.values()))
    matrix = pd.DataFrame(_mean_over_dates(columns, counts), index=list(oof), columns=list(oof))
    return OOFCorrelation(matrix, n_rows=len(columns[0]), n_dates=int(np.count_nonzero(counts)))


def _common_rows(frames: Sequence[pd.DataFrame]) -> tuple[list[Values], Names]:
    """Return each frame's predictions on the rows of all, date after date, and rows a date."""
    dates, instruments = (_union(frames, name) for name in ("datetime", "instrument"))
    cells = [_cells(frame, dates, instruments) for frame in frames]
    holders = np.zeros(len(dates) * len(instruments), dtype=np.int16)
    for cell in cells:
        holders[cell] += 1
    common = np.flatnonzero(holders == len(frames))
    columns = []
    wide = np.empty(len(holders))
    for frame, cell in zip(frames, cells, strict=True):
        wide[cell] = frame["prediction"].to_numpy(np.float64)
        columns.append(wide[common])
    counts = np.bincount(common // max(len(instruments), 1), minlength=len(dates))
    return columns, counts.astype(np.int64)


def _union(frames: Sequence[pd.DataFrame], level: str) -> pd.Index:
    """Return every value of an index level, ascending; unused values of a level do no harm."""
    values = []
    for frame in frames:
        assert isinstance(frame.index, pd.MultiIndex)
        values.append(np.asarray(frame.index.levels[frame.index.names.index(level)]))
    distinct: pd.Index = pd.Index(np.unique(np.concatenate(values)))
    return distinct


def _cells(frame: pd.DataFrame, dates: pd.Index, instruments: pd.Index) -> Names:
    """Return each row's place in a table of dates by instruments."""
    index = frame.index
    assert isinstance(index, pd.MultiIndex)
    date, instrument = (index.names.index(name) for name in ("datetime", "instrument"))
    first = dates.get_indexer(pd.Index(np.asarray(index.levels[date]))) * len(instruments)
    column = instruments.get_indexer(pd.Index(np.asarray(index.levels[instrument])))
    places: Names = first[index.codes[date]] + column[index.codes[instrument]]
    return places


def _mean_over_dates(columns: Sequence[Values], counts: Names) -> Values:
    total = np.zeros((len(columns), len(columns)))
    dates = np.zeros_like(total)
    for _, names, rows in chunks_of_dates(counts):
        filled = filled_cells(names)
        ranks = [_unit_ranks(lay_out(column[rows], filled), filled) for column in columns]
        units = np.stack(ranks, axis=1)
        varies = (np.einsum("dkn,dkn->dk", units, units) > 0) & (names >= MIN_NAMES)[:, np.newaxis]
        units *= varies[:, :, np.newaxis]
        total += np.matmul(units, units.transpose(0, 2, 1)).sum(axis=0)
        dates += varies.astype(np.float64).T @ varies.astype(np.float64)
    mean = np.full_like(total, np.nan)
    np.divide(total, dates, out=mean, where=dates > 0)
    return np.clip(mean, -1.0, 1.0, out=mean)


def _unit_ranks(wide: Values, filled: NDArray[np.bool_]) -> Values:
    """Return the centered ranks of each date, scaled to length one; zeros where they are equal."""
    names = filled.sum(axis=1)[:, np.newaxis]
    centered = np.where(filled, average_ranks(wide) - (names - 1) / 2, 0.0)
    length = np.sqrt(np.einsum("ij,ij->i", centered, centered))[:, np.newaxis]
    return centered / np.where(length > 0, length, 1.0)
