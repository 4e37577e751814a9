"""Proof that no split trains on a label that overlaps a label that it tests.

It shares neither code nor method with the splitter, on purpose: a mistake of the one cannot
hide in the other. The splitter reasons about blocks of dates; the proof forgets blocks and
sweeps over the sorted endpoints of all intervals, as they stand in the labels table.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.cross_validation.intervals import horizon_keys, label_ends, label_positions
from model2_assets.cross_validation.roles import Role, count_roles, role_columns
from model2_assets.errors import CrossValidationError
from model2_assets.panel import date_codes, row_name

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class OverlapProof:
    """What the interval sweep found.

    Attributes
    ----------
    per_split : DataFrame of shape (n_horizons * n_splits, 11)
        ``horizon``: whose label ends make the intervals, such as ``21d``, or ``longest``
        for the longest label that a row has, where one set of splits serves all horizons;
        ``split_id``; rows in each role (``train``, ``test``, ``purged_before``,
        ``purged_after``, ``embargoed``, ``unused``); ``overlaps``: train rows whose closed
        interval [datetime, label end] touches that of any test row; ``min_distance_bars``:
        the smallest distance between a train interval and a test interval, in dates of the
        labels table (1: on neighbouring dates; 0: they touch; missing: no train or no test
        rows); ``overlaps_longest``: train rows whose interval touches the longest window
        of any test row.
    n_overlaps : int
        Sum of ``overlaps``; must be 0.
    first_overlap : str or None
        Names a train row and a test row that overlap; None without overlaps.
    n_overlaps_longest : int
        Sum of ``overlaps_longest``: 0 where splits are purged with the longest label.
        Purged per horizon it usually is not, and then predictions of different horizons
        must not be put side by side: a model saw labels overlapping the longer window of a
        row that it predicts.
    """

    per_split: pd.DataFrame
    n_overlaps: int
    first_overlap: str | None
    n_overlaps_longest: int


def prove_no_overlap(splits: pd.DataFrame, labels: pd.DataFrame) -> OverlapProof:
    """Count the train rows whose label window touches a test row's.

    A row's window is that of its longest label, or, where the table has roles per horizon,
    that of the horizon's own label. For a train interval [a, b], the test intervals that
    touch it are those that start at or before b, less those that end before a. Both are
    read from cumulative counts over all sorted endpoints. Label ends come from the labels
    table.

    Parameters
    ----------
    splits : DataFrame of shape (n_rows, 1 + n_columns)
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
        If `labels` lacks a row or a horizon of `splits`, or a row that plays a role in a
        split has no label.
    """
    first_overlap = None
    records = []
    sweeps: dict[str | None, _EndpointSweep] = {}
    for column in role_columns(splits):
        if column.horizon not in sweeps:
            sweeps[column.horizon] = _endpoint_sweep(splits, labels, column.horizon)
        sweep, roles = sweeps[column.horizon], column.roles(splits)
        train, test = roles == Role.TRAIN, roles == Role.TEST
        sweep.require_labels(roles != Role.UNUSED)
        touching = sweep.touches(train, test, sweep.end)
        touching_longest = sweep.touches(train, test, sweep.longest_end)
        if first_overlap is None and touching.any():
            where = f"horizon {column.horizon}, " if column.horizon else ""
            pair = sweep.describe(int(np.argmax(touching)), test)
            first_overlap = f"{where}split {column.split_id}: {pair}"
        records.append(
            {
                "horizon": column.purged_with,
                "split_id": column.split_id,
                **count_roles(roles),
                "overlaps": int(touching.sum()),
                "min_distance_bars": 0 if touching.any() else sweep.distance(train, test),
                "overlaps_longest": int(touching_longest.sum()),
            }
        )
    per_split = pd.DataFrame(records).astype({"min_distance_bars": "Int64"})
    return OverlapProof(
        per_split=per_split,
        n_overlaps=int(per_split["overlaps"].sum()),
        first_overlap=first_overlap,
        n_overlaps_longest=int(per_split["overlaps_longest"].sum()),
    )


@dataclass(frozen=True)
class _EndpointSweep:
    """Intervals of all rows, as ranks among all distinct endpoints; -1 where there is none."""

    index: pd.Index  # rows of the cv_splits table
    start: NDArray[np.int64]  # rank of each row's date
    end: NDArray[np.int64]  # of the end of the label that is proved
    longest_end: NDArray[np.int64]  # of its longest label end
    moments: NDArray[np.datetime64]  # the endpoints, ascending, shape (n_ranks,)
    bar: NDArray[np.int64]  # dates of the labels table up to each endpoint, itself included

    def require_labels(self, rows: BoolArray) -> None:
        """Refuse rows that take part in a split but have no label to prove anything by."""
        bare = rows & (self.end < 0)
        if bare.any():
            raise CrossValidationError(
                f"cv_splits has {row_name(self.index, int(np.argmax(bare)))}, which has no label "
                f"end; materialize cv_splits again from these labels"
            )

    def touches(self, train: BoolArray, test: BoolArray, ends: NDArray[np.int64]) -> BoolArray:
        """Tell for every row whether it trains and touches a test row's [start, one of ends]."""
        started = np.cumsum(self._count(self.start[test]))
        ended = self._count(ends[test])
        ended_before = np.cumsum(ended) - ended
        found = np.zeros(len(train), dtype=bool)
        found[train] = started[self.end[train]] > ended_before[self.start[train]]
        return found

    def distance(self, train: BoolArray, test: BoolArray) -> int | None:
        """Return the fewest bars between disjoint train and test intervals."""
        gaps = [*self._gaps(self.end[train], self.start[test])]
        gaps += [*self._gaps(self.end[test], self.start[train])]
        return min(gaps, default=None)

    def describe(self, train_row: int, test: BoolArray) -> str:
        """Name a train row and the first test row that it overlaps."""
        touched = (self.start <= self.end[train_row]) & (self.end >= self.start[train_row])
        test_row = int(np.argmax(touched & test))
        return f"train row {self._name(train_row)} overlaps test row {self._name(test_row)}"

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


def _endpoint_sweep(
    splits: pd.DataFrame, labels: pd.DataFrame, horizon: str | None
) -> _EndpointSweep:
    index = splits.index
    starts = pd.DatetimeIndex(index.get_level_values("datetime")).as_unit("us").to_numpy()
    positions = label_positions(index, labels)
    longest = _latest_end(labels)[positions]
    ends = label_ends(labels, horizon, positions) if horizon else longest
    ranks, moments = pd.factorize(np.concatenate([starts, ends, longest]), sort=True)
    start, end, longest_end = ranks.astype(np.int64).reshape(3, len(index))
    dates = pd.DatetimeIndex(date_codes(labels.index).values).as_unit("us").to_numpy()
    return _EndpointSweep(
        index=index,
        start=start,
        end=end,
        longest_end=longest_end,
        moments=moments,
        bar=np.searchsorted(dates, moments, side="right").astype(np.int64),
    )


def _latest_end(labels: pd.DataFrame) -> NDArray[np.datetime64]:
    """Return what `longest_label_end` does, which the splits are built from, by other means."""
    latest = np.full(len(labels), np.datetime64("NaT"), dtype="datetime64[us]")
    for key in horizon_keys(labels):
        end = labels[f"label_end_{key}"].to_numpy(dtype="datetime64[us]")
        is_later = np.isnat(latest) | (end > latest)
        latest[is_later] = end[is_later]
    return latest
