"""Proof that no split trains on a label that overlaps one that it tests, or within the embargo.

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
    per_split : DataFrame of shape (n_horizons * n_splits, 13)
        ``horizon``: whose label ends make the intervals, such as ``21d``, or ``longest``
        for the longest label that a row has, where one set of splits serves all horizons;
        ``split_id``; rows in each role (``train``, ``test``, ``purged_before``,
        ``purged_after``, ``embargoed``, ``unused``); ``overlaps``: train rows whose closed
        interval [datetime, label end] touches that of any test row; ``in_embargo``: train
        rows dated within `embargo_days` after a test block's latest label end;
        ``distance_before``: the smallest distance from a train row's label end to the test
        rows that follow it, and ``distance_after``: the smallest distance from a test block's
        latest label end to the train rows that follow it, both in dates of the cv_splits table
        (1: on neighbouring dates; 0: they touch; missing: no such rows);
        ``overlaps_longest``: train rows whose interval touches the longest window of any
        test row.
    embargo_days : int
        The embargo that was demanded.
    n_in_embargo : int
        Sum of ``in_embargo``; must be 0.
    first_in_embargo : str or None
        Names a split, its train rows in the embargo, and the first of these; None without any.
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
    embargo_days: int
    n_in_embargo: int
    first_in_embargo: str | None
    n_overlaps: int
    first_overlap: str | None
    n_overlaps_longest: int

    @property
    def distances(self) -> dict[str, int]:
        """The smallest ``distance_before`` and ``distance_after`` of all splits that have one."""
        smallest = self.per_split[["distance_before", "distance_after"]].min().dropna()
        return {f"smallest_{name}": int(value) for name, value in smallest.items()}


def prove_no_overlap(
    splits: pd.DataFrame, labels: pd.DataFrame, *, embargo_days: int = 0
) -> OverlapProof:
    """Count the train rows whose label window touches a test row's, or that the embargo forbids.

    A row's window is that of its longest label, or, where the table has roles per horizon,
    that of the horizon's own label. For a train interval [a, b], the test intervals that
    touch it are those that start at or before b, less those that end before a. Both are
    read from cumulative counts over all sorted endpoints. Label ends come from the labels
    table.

    The embargo counts from the latest label end of a test block, a run of consecutive dates
    with test rows, to the train rows after it. These lie beyond the latest end of all test
    rows that began before them; a train row that does not is one that overlaps. Counted are
    the dates that rows of `splits` have: those of the panel on which some row has features
    and a label, which are all that a splitter can count. A date of the panel without any such
    row can only lengthen the embargo.

    Parameters
    ----------
    splits : DataFrame of shape (n_rows, 1 + n_columns)
        The cv_splits table, from any splitter.
    labels : DataFrame of shape (n_label_rows, n_columns)
        The labels table; has every row of `splits`.
    embargo_days : int, default 0
        Dates after a block's latest label end on which no row may train.

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
    first_overlap = first_in_embargo = None
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
        before, after = sweep.distances(train, test)
        in_embargo = (after > 0) & (after <= embargo_days)
        where = f"horizon {column.horizon}, " if column.horizon else ""
        where += f"split {column.split_id}"
        if first_overlap is None and touching.any():
            pair = sweep.describe(int(np.argmax(touching)), test)
            first_overlap = f"{where}: {pair}"
        if first_in_embargo is None and in_embargo.any():
            first_in_embargo = f"{where}: {sweep.describe_embargoed(in_embargo, after)}"
        records.append(
            {
                "horizon": column.purged_with,
                "split_id": column.split_id,
                **count_roles(roles),
                "overlaps": int(touching.sum()),
                "in_embargo": int(in_embargo.sum()),
                "distance_before": pd.Series(before[before >= 0]).min(),
                "distance_after": pd.Series(after[after >= 0]).min(),
                "overlaps_longest": int(touching_longest.sum()),
            }
        )
    per_split = pd.DataFrame(records)
    per_split = per_split.astype({"distance_before": "Int64", "distance_after": "Int64"})
    return OverlapProof(
        per_split=per_split,
        embargo_days=embargo_days,
        n_in_embargo=int(per_split["in_embargo"].sum()),
        first_in_embargo=first_in_embargo,
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
    bar: NDArray[np.int64]  # dates of the cv_splits table up to each endpoint, itself included

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

    def distances(
        self, train: BoolArray, test: BoolArray
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return of every row its bars to the test rows after it, and from those before it.

        0: it touches them; -1: there are none, or it does not train.
        """
        starts = np.flatnonzero(self._count(self.start[test]))
        latest_end = np.full(len(self.moments), -1, dtype=np.int64)
        np.maximum.at(latest_end, self.start[test], self.end[test])
        latest_end = np.maximum.accumulate(latest_end)
        start, end = self.start[train], self.end[train]
        following = np.searchsorted(starts, start, side="right")
        after_it = self._bars(end, np.append(starts, -1)[following])
        before_it = self._bars(latest_end[start], start)
        before, after = np.full((2, len(train)), -1, dtype=np.int64)
        before[train], after[train] = after_it, before_it
        return before, after

    def _bars(self, ends: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the bars from ends to the starts that follow; 0 from later ends, -1 where none."""
        bars = np.maximum(self.bar[starts] - self.bar[ends], 0)
        return np.where((starts < 0) | (ends < 0), -1, bars)

    def describe(self, train_row: int, test: BoolArray) -> str:
        """Name a train row and the first test row that it overlaps."""
        touched = (self.start <= self.end[train_row]) & (self.end >= self.start[train_row])
        test_row = int(np.argmax(touched & test))
        return f"train row {self._name(train_row)} overlaps test row {self._name(test_row)}"

    def describe_embargoed(self, rows: BoolArray, after: NDArray[np.int64]) -> str:
        """Count train rows in the embargo, and name the first."""
        row = int(np.argmax(rows))
        return (
            f"{int(rows.sum()):,} train rows, first {self._name(row)}, on date {after[row]} "
            f"after a test block's latest label end"
        )

    def _name(self, row: int) -> str:
        where = dict(zip(self.index.names, self.index[row], strict=True))
        end = pd.Timestamp(self.moments[self.end[row]])
        return f"{where['instrument']} {where['datetime']:%Y-%m-%d} (label to {end:%Y-%m-%d})"

    def _count(self, ranks: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount(ranks, minlength=len(self.moments)).astype(np.int64)


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
    dates = pd.DatetimeIndex(date_codes(index).values).as_unit("us").to_numpy()
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
