"""Proof that no split trains on a label that overlaps a test label.

It shares neither code nor method with the splitter. The splitter reasons about blocks of
dates; the proof forgets blocks and sweeps over the sorted endpoints of all intervals, as
they stand in the labels table.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.cross_validation._label_ends import horizon_keys, label_positions
from model2_assets.cross_validation._roles import Role, count_roles, split_ids, split_roles
from model2_assets.errors import CrossValidationError
from model2_assets.panel import date_codes


@dataclass(frozen=True)
class OverlapProof:
    """What the interval sweep found.

    Attributes
    ----------
    per_split : DataFrame of shape (n_splits, 8)
        ``split_id``; rows in each role (``train``, ``test``, ``purged_before``,
        ``purged_after``, ``embargoed``); ``overlaps``: train rows whose closed interval
        [datetime, longest label end] touches that of any test row; ``min_distance_bars``:
        the smallest distance between a train interval and a test interval, in dates of the
        labels table (1: on neighbouring dates; 0: they touch; missing: no train or no test
        rows).
    n_overlaps : int
        Sum of ``overlaps``; must be 0.
    first_overlap : str or None
        Names a train row and a test row that overlap; None without overlaps.
    """

    per_split: pd.DataFrame
    n_overlaps: int
    first_overlap: str | None


def prove_no_overlap(splits: pd.DataFrame, labels: pd.DataFrame) -> OverlapProof:
    """Count the train rows whose longest label window touches a test row's.

    For a train interval [a, b], the test intervals that touch it are those that start at or
    before b, less those that end before a. Both are read from cumulative counts over all
    sorted endpoints. Label ends come from the labels table.

    Parameters
    ----------
    splits : DataFrame of shape (n_rows, 1 + n_splits)
        The cv_splits table, from any splitter.
    labels : DataFrame of shape (n_label_rows, n_columns)
        The labels table; has every row of `splits`.

    Returns
    -------
    OverlapProof
        Counts and distances of every split.

    Raises
    ------
    CrossValidationError
        If `labels` lacks a row of `splits`, or a row of `splits` has no label at all.
    """
    sweep = _endpoint_sweep(splits, labels)
    first_overlap = None
    records = []
    for split_id in split_ids(splits):
        roles = split_roles(splits, split_id)
        train, test = roles == Role.TRAIN, roles == Role.TEST
        touching = sweep.touches(train, test)
        if first_overlap is None and touching.any():
            first_overlap = sweep.describe(split_id, int(np.argmax(touching)), test)
        records.append(
            {
                "split_id": split_id,
                **count_roles(roles),
                "overlaps": int(touching.sum()),
                "min_distance_bars": 0 if touching.any() else sweep.distance(train, test),
            }
        )
    per_split = pd.DataFrame(records).astype({"min_distance_bars": "Int64"})
    return OverlapProof(
        per_split=per_split,
        n_overlaps=int(per_split["overlaps"].sum()),
        first_overlap=first_overlap,
    )


@dataclass(frozen=True)
class _EndpointSweep:
    """Intervals of all rows, as ranks among all distinct endpoints.

    Attributes
    ----------
    index : MultiIndex of shape (n_rows,)
        Rows of the cv_splits table.
    start, end : ndarray of shape (n_rows,), int64
        Ranks of the row's date and of its longest label end.
    moments : ndarray of shape (n_ranks,), datetime64[us]
        The endpoints, ascending.
    bar : ndarray of shape (n_ranks,), int64
        Number of dates of the labels table up to each endpoint, itself included.
    """

    index: pd.MultiIndex
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    moments: NDArray[np.datetime64]
    bar: NDArray[np.int64]

    def touches(self, train: NDArray[np.bool_], test: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell for every row whether it trains and touches a test interval."""
        started = np.cumsum(self._count(self.start[test]))
        ended = np.cumsum(self._count(self.end[test]))
        ended_before = ended - self._count(self.end[test])
        return train & (started[self.end] > ended_before[self.start])

    def distance(self, train: NDArray[np.bool_], test: NDArray[np.bool_]) -> int | None:
        """Return the fewest bars between disjoint train and test intervals."""
        gaps = [*self._gaps(self.end[train], self.start[test])]
        gaps += [*self._gaps(self.end[test], self.start[train])]
        return min(gaps, default=None)

    def describe(self, split_id: int, train_row: int, test: NDArray[np.bool_]) -> str:
        """Name a train row and the first test row that it overlaps."""
        touched = (self.start <= self.end[train_row]) & (self.end >= self.start[train_row])
        test_row = int(np.argmax(touched & test))
        return (
            f"split {split_id}: train row {self._name(train_row)} overlaps test row "
            f"{self._name(test_row)}"
        )

    def _name(self, row: int) -> str:
        where = dict(zip(self.index.names, self.index[row], strict=True))
        end = pd.Timestamp(self.moments[self.end[row]])
        return f"{where['instrument']} {where['datetime']:%Y-%m-%d} (label to {end:%Y-%m-%d})"

    def _count(self, ranks: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount(ranks, minlength=len(self.moments)).astype(np.int64)

    def _gaps(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
        ends, starts = np.unique(left), np.unique(right)
        following = np.searchsorted(starts, ends, side="right")
        has_following = following < len(starts)
        return self.bar[starts[following[has_following]]] - self.bar[ends[has_following]]


def _endpoint_sweep(splits: pd.DataFrame, labels: pd.DataFrame) -> _EndpointSweep:
    index, calendar = splits.index, labels.index
    assert isinstance(index, pd.MultiIndex)
    assert isinstance(calendar, pd.MultiIndex)
    starts = pd.DatetimeIndex(index.get_level_values("datetime")).as_unit("us").to_numpy()
    ends = _latest_end(labels)[label_positions(index, labels)]
    if np.isnat(ends).any():
        row = int(np.argmax(np.isnat(ends)))
        where = dict(zip(index.names, index[row], strict=True))
        raise CrossValidationError(
            f"cv_splits has instrument {where['instrument']} on {where['datetime']:%Y-%m-%d}, "
            f"which has no label end; materialize cv_splits again from these labels"
        )
    ranks, moments = pd.factorize(np.concatenate([starts, ends]), sort=True)
    dates = pd.DatetimeIndex(date_codes(calendar).values).as_unit("us").to_numpy()
    return _EndpointSweep(
        index=index,
        start=ranks[: len(index)].astype(np.int64),
        end=ranks[len(index) :].astype(np.int64),
        moments=moments,
        bar=np.searchsorted(dates, moments, side="right").astype(np.int64),
    )


def _latest_end(labels: pd.DataFrame) -> NDArray[np.datetime64]:
    latest = np.full(len(labels), np.datetime64("NaT"), dtype="datetime64[us]")
    for key in horizon_keys(labels):
        end = labels[f"label_end_{key}"].to_numpy(dtype="datetime64[us]")
        is_later = np.isnat(latest) | (end > latest)
        latest[is_later] = end[is_later]
    return latest
