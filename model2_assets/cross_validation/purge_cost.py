"""What windows longer than horizon + lag add to the purge, and whose they are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config import CrossValidationConfig, LabelsConfig
from model2_assets.config.partition import horizon_days
from model2_assets.cross_validation.intervals import (
    GroupedCalendar,
    RowIntervals,
    horizon_keys,
    label_ends,
    label_positions,
)
from model2_assets.cross_validation.roles import Role, split_horizons
from model2_assets.cross_validation.splitter import DateGroupsSplit
from model2_assets.cross_validation.table import make_splitter
from model2_assets.panel import LevelCodes, date_codes, histories

NAMED = 5
"""Instruments that are named."""


@dataclass(frozen=True, eq=False)
class PurgeCost:
    """Rows that are purged, over all splits, and those that long windows add.

    Attributes
    ----------
    purged : int
        Rows purged.
    owed : int
        Of these the rows that would not be, if no label ended more than horizon + lag panel
        dates after its row.
    of_name, of_delisted : Series, float64
        What the gaps of each instrument add, most first; and what waiting for the date adds at
        which it is known to be delisted. Several that cause the same label end share it.
    """

    purged: int
    owed: int
    of_name: pd.Series
    of_delisted: pd.Series

    def __str__(self) -> str:
        of_all = f"of {self.purged:,} purged rows, over all splits,"
        owed_to = "owed to windows longer than horizon + lag"
        if not self.owed:
            return f"none {of_all} are {owed_to}"
        parts = {str(name): rows for name, rows in self.of_name[:NAMED].items()}
        others, delisted = self.of_name[NAMED:], self.of_delisted
        parts |= {
            f"{len(others)} more": others.sum(),
            f"waiting for delistings to be known ({len(delisted)})": delisted.sum(),
            "not attributable": self.owed - self.of_name.sum() - delisted.sum(),
        }
        told = ", ".join(f"{of} {rows / self.owed:.1%}" for of, rows in parts.items() if rows > 0.5)
        return f"{self.owed / self.purged:.1%} {of_all} are {owed_to}; of these {told}"


def cost_of_long_windows(
    splits: pd.DataFrame,
    labels: pd.DataFrame,
    config: CrossValidationConfig,
    settings: LabelsConfig,
) -> PurgeCost:
    """Count the rows that our splitter purges only since windows are longer than horizon + lag.

    A horizon counts a name's own bars, so a gap in these lengthens its window; where labels look
    at a cross-section, those of the whole date. A row is told of the names whose own exit, or
    comeback, is the label end that purges it: its own, or the latest of the test rows before.

    Parameters
    ----------
    splits, labels : DataFrame
        The tables cv_splits, of our own splitter, and labels.
    config, settings
        Those that they were made with.
    """
    reaches = {key: horizon_days(key) + settings.execution_lag_days for key in horizon_keys(labels)}
    tables = _Tables(splits, labels, date_codes(splits.index), date_codes(labels.index))
    purged, cost = _rows_by_cause(tables, make_splitter(config), reaches)
    dates, panel = pd.DatetimeIndex(tables.dates.values), tables.panel
    known, of_date = _codes(dates, panel.values), np.zeros(len(panel.values), dtype=bool)
    of_date[_codes(panel.values, dates[cost.index % len(dates)])] = True
    found = []
    for row, end, is_delisted in _long_windows(tables, of_date, reaches, settings.delisted_after):
        cause = known[end] * len(dates) + known[panel.codes[row]]
        kept = np.isin(cause, cost.index)
        found.append(pd.DataFrame({"row": row, "cause": cause, "delisted": is_delisted})[kept])
    windows = pd.concat(found).drop_duplicates(["row", "cause"])
    windows["name"] = labels.index[windows["row"]].get_level_values("instrument")
    windows["rows"] = windows["cause"].map(cost / windows["cause"].value_counts())
    of_name, of_delisted = (
        part.groupby("name")["rows"].sum().sort_values(ascending=False, kind="stable")
        for part in (windows[~windows["delisted"]], windows[windows["delisted"]])
    )
    return PurgeCost(purged, int(cost.sum()), of_name, of_delisted)


class _Tables(NamedTuple):
    """Two tables, and the dates of their rows."""

    splits: pd.DataFrame
    labels: pd.DataFrame
    dates: LevelCodes
    panel: LevelCodes


def _rows_by_cause(
    tables: _Tables, cv: DateGroupsSplit, reaches: Mapping[str, int]
) -> tuple[int, pd.Series]:
    """Count rows purged, and those that long windows add, by the label end that purges them.

    It is end * n_dates + date of a row that has it, both as codes of the dates of the splits.
    """
    n_dates = len(tables.dates.values)
    group = np.empty(n_dates, dtype=np.int16)
    group[tables.dates.codes] = tables.splits["group_id"]
    purged, added = 0, [pd.Series(dtype=np.int64)]
    for horizon in split_horizons(tables.splits) or (None,):
        of = {horizon: reaches[horizon]} if horizon else reaches
        start, end, capped, rows = _runs(tables, of)
        now, short = (
            GroupedCalendar(RowIntervals(start, until, n_dates), group) for until in (end, capped)
        )
        for tested in cv.test_groups:
            roles = cv.roles_of_split(now, tested)
            is_purged = _is_purged(roles) & (end >= 0)
            purged += int(rows[is_purged].sum())
            owed = np.flatnonzero(is_purged & ~_is_purged(cv.roles_of_split(short, tested)))
            latest = np.where(np.isin(group, tested), now.latest_end * n_dates, -n_dates)
            latest = np.maximum.accumulate(latest + np.arange(n_dates))[start]
            cause = np.where(roles == Role.PURGED_AFTER, latest, end * n_dates + start)
            added.append(pd.Series(rows[owed]).groupby(cause[owed]).sum())
    return purged, pd.concat(added).groupby(level=0).sum()


def _is_purged(roles: NDArray[np.int8]) -> NDArray[np.bool_]:
    return np.isin(roles, (Role.PURGED_BEFORE, Role.PURGED_AFTER))


def _codes(dates: pd.Index, moments: Any) -> NDArray[np.int64]:
    """Return the last of some dates that is not after each moment; -1 of none."""
    known = dates.searchsorted(moments, side="right") - 1
    return np.where(pd.isna(moments), -1, known)


def _runs(tables: _Tables, reaches: Mapping[str, int]) -> Iterator[NDArray[np.int64]]:
    """Return starts, label ends, ends within reach (codes of dates), and how many rows have them.

    Of the horizons, the longest label that a row has counts.
    """
    dates, panel = tables.dates, pd.DatetimeIndex(tables.panel.values)
    positions = label_positions(tables.splits.index, tables.labels)
    ends = [label_ends(tables.labels, horizon, positions) for horizon in reaches]
    begins = np.diff(dates.codes, prepend=-1) != 0
    for end in ends:
        begins[1:] |= np.diff(end.view(np.int64)) != 0
    first = np.flatnonzero(begins)
    start, place = dates.codes[first], _codes(panel, dates.values)
    until, capped = [], []
    for end, reach in zip(ends, reaches.values(), strict=True):
        until.append(_codes(dates.values, end[first]))
        cap = panel[np.minimum(place + reach, len(panel) - 1)]
        capped.append(np.minimum(until[-1], _codes(dates.values, cap)[start]))
    runs = {"start": start, "end": np.max(until, axis=0), "capped": np.max(capped, axis=0)}
    table = pd.DataFrame(runs | {"rows": np.diff(first, append=len(begins))})
    table = table.groupby([*runs], as_index=False).sum()
    return (table[column].to_numpy() for column in table)


def _long_windows(
    tables: _Tables, of_date: NDArray[np.bool_], reaches: Mapping[str, int], delisted_after: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.int64], bool]]:
    """Yield rows of some dates, ends beyond reach that gaps may cause, and if by a delisting.

    An end is the row's own exit; that of a gap as long as a delisted name's, for which labels
    wait; or the date at which a delisting is known.
    """
    own = histories(tables.labels)
    codes, date = own.codes, tables.panel.codes[own.order]
    chosen, is_gap = of_date[date], np.diff(date, append=0) > delisted_after + 1
    left = np.union1d(np.flatnonzero(is_gap), own.last)
    for reach in reaches.values():
        exits = np.flatnonzero(chosen[:-reach] & (codes[reach:] == codes[:-reach]))
        row, leaves = (left[:, None] - np.arange(reach)).ravel(), np.repeat(left, reach)
        same = (row >= 0) & (codes[row] == codes[leaves]) & chosen[row]
        row, leaves = row[same], leaves[same]
        back = ~np.isin(leaves, own.last)
        for start, end, is_delisted in (
            (exits, date[exits + reach], False),
            (row[back], date[leaves[back] + 1], False),
            (row, date[leaves] + delisted_after + 1, True),
        ):
            is_long = (end > date[start] + reach) & (end < len(of_date))
            yield own.order[start[is_long]], end[is_long], is_delisted
