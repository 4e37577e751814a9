"""Small panels, and the rules of the splits restated row by row as an oracle."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from model2_assets.config import CrossValidationConfig
from model2_assets.panel import panel_index, to_canonical


def one_series(n_dates: int, *, window: int) -> tuple[pd.MultiIndex, pd.DatetimeIndex]:
    """Return a single instrument and label ends `window` business days ahead."""
    calendar = pd.bdate_range("2020-01-01", periods=n_dates + window).as_unit("us")
    index = panel_index(["A"] * n_dates, calendar[:n_dates])
    return index, calendar[window:]


def full_panel(
    n_instruments: int, n_dates: int, *, window: int
) -> tuple[pd.MultiIndex, pd.DatetimeIndex]:
    """Return a balanced panel in canonical order and label ends `window` days ahead."""
    calendar = pd.bdate_range("2020-01-01", periods=n_dates + window).as_unit("us")
    names = [f"S{i}" for i in range(n_instruments)]
    index = panel_index(names * n_dates, np.repeat(calendar[:n_dates], n_instruments))
    return index, pd.DatetimeIndex(np.repeat(calendar[window:], n_instruments))


def labels_table(index: pd.MultiIndex, **label_ends: object) -> pd.DataFrame:
    """Return a canonical labels table; ``end_5d=...`` gives the label ends of horizon 5d."""
    columns: dict[str, object] = {}
    for name, ends in label_ends.items():
        horizon = name.removeprefix("end_")
        values = pd.DatetimeIndex(ends).as_unit("us")
        columns[f"label_{horizon}"] = np.where(values.isna(), np.nan, 1.0)
        columns[f"label_end_{horizon}"] = values
    return to_canonical(pd.DataFrame(columns, index=index))


def dates_of(index: pd.MultiIndex) -> np.ndarray:
    return index.get_level_values("datetime").to_numpy().astype("datetime64[us]")


def touching(index: pd.MultiIndex, label_end: object) -> np.ndarray:
    """Return whether the closed intervals of every two rows touch, shape (n, n)."""
    start, end = dates_of(index), np.asarray(label_end, dtype="datetime64[us]")
    return (start[:, None] <= end[None, :]) & (start[None, :] <= end[:, None])


def count_leaks(
    index: pd.MultiIndex, label_end: object, train: np.ndarray, test: np.ndarray
) -> int:
    """Count train rows whose interval touches that of any test row, by all pairs."""
    return int(touching(index, label_end)[np.ix_(train, test)].any(axis=1).sum())


def brute_force_roles(
    index: pd.MultiIndex,
    label_end: object,
    *,
    groups: list[np.ndarray],
    tested: tuple[int, ...],
    embargo_days: int,
) -> np.ndarray:
    """Return the roles of one split by comparing every row with every test row."""
    start, end = dates_of(index), np.asarray(label_end, dtype="datetime64[us]")
    is_test = np.isin(start, np.concatenate([groups[g] for g in tested]))
    touches_test = touching(index, label_end) & is_test[None, :]
    tests_earlier = start[None, :] < start[:, None]
    embargoed = np.isin(start, _embargoed_dates(start, end, groups, tested, embargo_days))
    roles = np.zeros(len(start), dtype=np.int8)
    for row in range(len(start)):
        if is_test[row]:
            roles[row] = 1
        elif (touches_test[row] & tests_earlier[row]).any():
            roles[row] = 3
        elif touches_test[row].any():
            roles[row] = 2
        elif embargoed[row]:
            roles[row] = 4
    return roles


def _embargoed_dates(
    start: np.ndarray,
    end: np.ndarray,
    groups: list[np.ndarray],
    tested: tuple[int, ...],
    embargo_days: int,
) -> np.ndarray:
    calendar = np.concatenate(groups)
    found = [calendar[:0]]
    for group in tested:
        if group - 1 in tested:
            continue
        block = [group]
        while block[-1] + 1 in tested:
            block.append(block[-1] + 1)
        in_block = np.isin(start, np.concatenate([groups[g] for g in block]))
        if in_block.any():
            found.append(calendar[calendar > end[in_block].max()][:embargo_days])
    return np.concatenate(found)


def brute_force_forward_roles(
    index: pd.MultiIndex,
    label_end: object,
    *,
    groups: list[np.ndarray],
    tested: int,
    train_groups: int | None,
) -> np.ndarray:
    """Return the roles of one walk-forward split; `train_groups` None: all earlier ones."""
    start = dates_of(index)
    group_of = {date: group for group, dates in enumerate(groups) for date in dates}
    group = [group_of[date] for date in start]
    oldest = 0 if train_groups is None else tested - train_groups
    touches_test = touching(index, label_end)[:, np.equal(group, tested)]
    roles = np.full(len(start), 5, dtype=np.int8)
    for row in range(len(start)):
        if group[row] == tested:
            roles[row] = 1
        elif oldest <= group[row] < tested:
            roles[row] = 2 if touches_test[row].any() else 0
    return roles


@dataclass(frozen=True)
class RandomCase:
    """A ragged panel, its labels for two horizons, and settings of its splits."""

    index: pd.MultiIndex
    ends: dict[str, pd.DatetimeIndex]
    config: CrossValidationConfig

    @cached_property
    def labels(self) -> pd.DataFrame:
        return labels_table(self.index, **{f"end_{key}": ends for key, ends in self.ends.items()})

    @cached_property
    def longest_end(self) -> pd.Series:
        """Longest label ends of the rows that have one, in canonical order."""
        return self.labels.filter(like="label_end_").max(axis=1).dropna()


@st.composite
def random_cases(
    draw: st.DrawFn,
    *,
    schemes: tuple[str, ...] = ("cpcv",),
    purges: tuple[str, ...] = ("longest_horizon",),
) -> RandomCase:
    """Draw panels with gaps, late listings, delistings and an uneven calendar."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_dates, n_instruments = draw(st.integers(6, 26)), draw(st.integers(1, 4))
    lag, short = draw(st.integers(0, 2)), draw(st.integers(0, 4))
    horizons = (short, short + draw(st.integers(1, 4)))
    steps = rng.integers(1, draw(st.sampled_from([2, 6])), size=n_dates)
    calendar = np.datetime64("2020-01-01", "us") + np.cumsum(steps).astype("timedelta64[D]")
    present = rng.random((n_instruments, n_dates)) > draw(st.sampled_from([0.0, 0.1, 0.5]))
    for row in present[1:]:
        row[: rng.integers(0, n_dates // 2)] = False
        row[n_dates - rng.integers(0, n_dates // 3) :] = False
    present[0, rng.integers(0, 2) :: 2] = True
    rows = [(f"S{i}", day) for i in range(n_instruments) for day in np.flatnonzero(present[i])]
    index = panel_index([name for name, _ in rows], calendar[[day for _, day in rows]])
    # Named from 1d on, since 0d is no horizon: a window of no bars is worth trying.
    ends = {
        f"{h + 1}d": _ends(present, calendar, h, lag, rng, kind=draw(st.sampled_from(_ENDS)))
        for h in horizons
    }
    order = rng.permutation(len(index))
    return RandomCase(
        index=index[order],
        ends={key: pd.DatetimeIndex(values[order]) for key, values in ends.items()},
        config=draw(_configs(schemes, purges)),
    )


@st.composite
def _configs(
    draw: st.DrawFn, schemes: tuple[str, ...], purges: tuple[str, ...]
) -> CrossValidationConfig:
    n_groups = draw(st.integers(2, 6))
    settings = {
        "n_groups": n_groups,
        "embargo_days": draw(st.sampled_from([0, 1, 2, 5, 40])),
        "scheme": draw(st.sampled_from(schemes)),
        "purge": draw(st.sampled_from(purges)),
        "balance": draw(st.sampled_from(["dates", "rows"])),
    }
    if settings["scheme"] == "cpcv":
        settings["n_test_groups"] = draw(st.integers(1, n_groups - 1))
    else:
        settings["window"] = draw(st.sampled_from(["expanding", "rolling"]))
        settings["train_groups"] = draw(st.integers(1, n_groups - 1))
    return CrossValidationConfig(**settings)


_ENDS = ("exit", "latest of date", "barrier")


def _ends(
    present: np.ndarray,
    calendar: np.ndarray,
    horizon: int,
    lag: int,
    rng: np.random.Generator,
    *,
    kind: str,
) -> np.ndarray:
    """Return each row's exit date by its own bars, the latest of its date, or a bar up to it."""
    ends = np.full(present.shape, np.datetime64("NaT"), dtype="datetime64[us]")
    for row, here in zip(ends, present, strict=True):
        bars = np.flatnonzero(here)
        reach = horizon + lag
        if len(bars) > reach:
            exits = np.arange(reach, len(bars))
            if kind == "barrier":
                exits -= rng.integers(0, horizon + 1, size=len(exits))
            row[bars[: len(bars) - reach]] = calendar[bars[exits]]
    if kind == "latest of date":
        latest = np.fmax.reduce(ends, axis=0)
        ends = np.where(np.isnat(ends), ends, latest[None, :])
    return ends[present]


def two_horizons(n_instruments: int = 2, n_dates: int = 20) -> pd.DataFrame:
    """Return labels of horizons 1d and 3d; the last rows lack the longer, then both."""
    index, _ = full_panel(n_instruments, n_dates, window=0)
    calendar = index.get_level_values("datetime").unique()
    missing = [np.datetime64("NaT")]
    ends = {h: np.concatenate([calendar[h:].to_numpy(), missing * h]) for h in (1, 3)}
    return labels_table(
        index,
        end_1d=np.repeat(ends[1], n_instruments),
        end_3d=np.repeat(ends[3], n_instruments),
    )
