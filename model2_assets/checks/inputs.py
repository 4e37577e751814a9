"""Checks of what models are trained on: market data, labels and features."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_datetime64_dtype, is_numeric_dtype

from model2_assets.checks.outcome import CheckOutcome
from model2_assets.config.partition import horizon_days
from model2_assets.evaluation.stability import missing_by_column
from model2_assets.market_data.history import HistoryChanges, compare_history
from model2_assets.panel import row_chunks


def check_labels_consistent(
    labels: pd.DataFrame,
    panel: pd.DataFrame,
    *,
    horizons: Sequence[str],
    execution_lag_days: int,
) -> CheckOutcome:
    """Check that labels cover every horizon and say how far each looks ahead.

    Parameters
    ----------
    labels : DataFrame of shape (n_labels, 3 * n_horizons)
        The candidate.
    panel : DataFrame of shape (n_rows, n_columns)
        The market data that it was made from.
    horizons : sequence of str
        Such as ``("21d", "63d")``.
    execution_lag_days : int
        Own bars from signal to entry.

    Returns
    -------
    CheckOutcome
        Named ``consistent``: all columns of all horizons, rows of the universe only, a
        label end exactly where there is a label, and no earlier than the instrument's
        own bar at which the position is left. An end that is too early would let train
        rows through the purge.
    """
    problems = _foreign_rows(labels, panel)
    for horizon in horizons:
        names = [f"forward_return_{horizon}", f"label_{horizon}", f"label_end_{horizon}"]
        absent = [name for name in names if name not in labels.columns]
        if absent:
            problems.append(f"column {absent[0]!r} is missing")
            continue
        label, end = labels[names[1]], labels[names[2]]
        problems += _first(
            labels.index,
            np.asarray(label.notna() != end.notna()),
            f"{names[1]} and {names[2]} are not missing together",
        )
        if is_datetime64_dtype(end.dtype):
            exits = exit_dates(panel, labels.index, horizon_days(horizon) + execution_lag_days)
            early = label.notna().to_numpy() & ~(end.to_numpy() >= exits)
            problems += _first(
                labels.index, early, f"{names[2]} is before the own bar at which the position ends"
            )
        else:
            problems.append(f"{names[2]} is {end.dtype}, not a date without time zone")
        problems += _first(labels.index, _infinite(label), f"{names[1]} is infinite")
        if not label.notna().any():
            problems.append(f"{names[1]} has no value at all; shorten the horizon")
    return CheckOutcome(
        "consistent",
        passed=not problems,
        description="; ".join(problems) or f"{len(horizons)} horizons, {len(labels):,} rows",
        values={
            f"labelled_{h}": int(labels[f"label_{h}"].notna().sum())
            for h in horizons
            if f"label_{h}" in labels.columns
        },
    )


def check_features_consistent(features: pd.DataFrame, panel: pd.DataFrame) -> CheckOutcome:
    """Check that features belong to rows of the universe and are numbers.

    Parameters
    ----------
    features : DataFrame of shape (n_rows, n_features)
        The candidate.
    panel : DataFrame of shape (n_bars, n_columns)
        The market data that it was made from.

    Returns
    -------
    CheckOutcome
        Named ``consistent``: at least one feature and one row, rows of the universe
        only, nothing infinite.
    """
    problems = _foreign_rows(features, panel)
    if features.empty:
        problems.append(f"there are {len(features)} rows and {features.shape[1]} features")
    infinite = _columns_with_infinity(features)
    if infinite:
        bad = _infinite(features[infinite[0]])
        problems += _first(features.index, bad, f"feature {infinite[0]!r} is infinite")
    counts = missing_by_column(features)
    missing = 1.0 if features.empty else float(np.mean(counts / len(features)))
    return CheckOutcome(
        "consistent",
        passed=not problems,
        description="; ".join(problems)
        or f"{features.shape[1]} features, {len(features):,} rows, {missing:.2%} missing",
        values={"features": features.shape[1], "rows": len(features), "missing_share": missing},
    )


def exit_dates(panel: pd.DataFrame, index: pd.Index, bars: int) -> NDArray[np.datetime64]:
    """Return the date of each instrument's own bar so many bars later; NaT where none is.

    Parameters
    ----------
    panel : DataFrame of shape (n_bars, n_columns)
        The market data, in canonical order.
    index : MultiIndex of shape (n_rows,)
        Rows to look from.
    bars : int
        Own bars from a row to its exit.

    Returns
    -------
    ndarray of shape (n_rows,), datetime64[us]
        Exit dates.
    """
    dates = panel.index.get_level_values("datetime").to_series(index=panel.index)
    exits = dates.groupby(level="instrument").shift(-bars)
    return exits.reindex(index).to_numpy(dtype="datetime64[us]")


def _foreign_rows(frame: pd.DataFrame, panel: pd.DataFrame) -> list[str]:
    members = panel.index[panel["in_universe"].to_numpy()]
    return _first(frame.index, ~frame.index.isin(members), "not a row of the universe")


def _columns_with_infinity(features: pd.DataFrame) -> list[str]:
    numbers = [name for name, dtype in features.dtypes.items() if is_numeric_dtype(dtype)]
    found = np.zeros(len(numbers), dtype=bool)
    for chunk in row_chunks(features):
        own = chunk if len(numbers) == chunk.shape[1] else chunk[numbers]
        found |= np.isinf(own.to_numpy(dtype=np.float64, na_value=np.nan)).any(axis=0)
    return [str(name) for name, bad in zip(numbers, found, strict=True) if bad]


def _infinite(values: pd.Series) -> NDArray[np.bool_]:
    """Return which values are infinite; none where they are no numbers."""
    if not is_numeric_dtype(values.dtype):
        return np.zeros(len(values), dtype=bool)
    infinite: NDArray[np.bool_] = np.isinf(values.to_numpy(dtype=np.float64, na_value=np.nan))
    return infinite


def _first(index: pd.Index, rows: NDArray[np.bool_], text: str) -> list[str]:
    if not rows.any():
        return []
    instrument, date = index[int(np.argmax(rows))]
    return [f"{text}: {int(rows.sum()):,} rows, first {instrument} {date:%Y-%m-%d}"]


_NAME = "history_unchanged"
_LISTED = 5


def check_history_unchanged(
    panel: pd.DataFrame, previous: pd.DataFrame | None, *, problem: str = ""
) -> CheckOutcome:
    """Warn where past closes differ from those of the last run.

    Closes that were all multiplied by one factor are a split, and are named with it. Adjusted
    closes whose factor is constant on stretches of dates were adjusted for later dividends or
    splits. Neither is counted as restated: returns within a stretch stay what they were.

    Parameters
    ----------
    panel : DataFrame of shape (n_rows, n_columns)
        The candidate.
    previous : DataFrame of shape (n_previous_rows, n_previous_columns) or None
        The panel of the last run; None if there is none.
    problem : str, default ""
        Why there is nothing to compare with, where `previous` is None.

    Returns
    -------
    CheckOutcome
        Named ``history_unchanged``, of severity ``warn``. Rows that vanished from the dates of
        the last run, or were inserted among them, fail it too.
    """
    if previous is None or not len(previous):
        description = problem or "there is no panel of an earlier run"
        return CheckOutcome(_NAME, passed=True, severity="warn", description=description)
    changes = compare_history(panel, previous)
    problems = _problems(changes)
    text = "; ".join(problems) or f"all {changes.compared_rows:,} past rows are as they were"
    if problems:
        text += (
            ": ask the source why, and compare with the last run's results, which are kept as "
            "versions"
        )
    notes = [*_split_notes(changes), *_adjustment_notes(changes)]
    return CheckOutcome(
        _NAME,
        passed=not problems,
        severity="warn",
        description="; ".join([text, *notes]),
        values={
            "compared_rows": changes.compared_rows,
            "restated_values": changes.restated_values,
            "restated_instruments": changes.restated_instruments,
            "splits": len(changes.splits),
            "readjusted_instruments": len(changes.readjusted),
            "vanished_rows": len(changes.vanished),
            "inserted_rows": len(changes.inserted),
        },
    )


def _problems(changes: HistoryChanges) -> list[str]:
    problems = []
    if changes.restated_values:
        problems.append(
            f"{changes.restated_values:,} past closes of {changes.restated_instruments:,} "
            f"instruments were restated, first {changes.first_restated}"
        )
    for rows, verb in ((changes.vanished, "vanished"), (changes.inserted, "were inserted")):
        if len(rows):
            instrument, date = rows[0]
            names = rows.get_level_values("instrument").nunique()
            problems.append(
                f"{len(rows):,} past rows of {names:,} instruments {verb}, first {instrument} "
                f"{date:%Y-%m-%d}"
            )
    return problems


def _split_notes(changes: HistoryChanges) -> Iterable[str]:
    for split in changes.splits[:_LISTED]:
        volume = f", volume × {split.volume_factor:.6g}" if split.volume_factor else ""
        yield (
            f"split of {split.instrument}: closes × {split.factor:.6g} up to "
            f"{split.until:%Y-%m-%d}{volume}"
        )
    if len(changes.splits) > _LISTED:
        yield f"{len(changes.splits) - _LISTED:,} further splits"


def _adjustment_notes(changes: HistoryChanges) -> Iterable[str]:
    if changes.readjusted:
        yield (
            f"adjusted closes of {len(changes.readjusted):,} instruments were adjusted anew by "
            f"factors constant on stretches, first {changes.readjusted[0]}"
        )


_ACROSS_THE_DATE_LINE = timedelta(days=1)
"""A session may be dated a day ahead of the configured time zone."""


def check_fresh(
    last_session: date, *, now: datetime, timezone: str, max_age_weekdays: int | None
) -> CheckOutcome:
    """Check that the last session is not too old.

    Parameters
    ----------
    last_session : date
        The newest date of the panel.
    now : datetime
        The time, with a time zone.
    timezone : str
        IANA time zone that says which day it is, such as ``America/New_York``.
    max_age_weekdays : int or None
        Largest age allowed; None: any.

    Returns
    -------
    CheckOutcome
        Named ``fresh``. The age is the number of Mondays to Fridays after the last session up
        to today: on Saturday Friday's session is 0 weekdays old, on Tuesday Monday's is 1.
        Holidays are not known, and count. A session of the future fails where an age is
        demanded.
    """
    today = now.astimezone(ZoneInfo(timezone)).date()
    age = max(int(np.busday_count(last_session + _ONE_DAY, today + _ONE_DAY)), 0)
    is_ahead = last_session > today + _ACROSS_THE_DATE_LINE
    text = f"last session {last_session:%Y-%m-%d}, {age:,} weekdays old on {today:%Y-%m-%d}"
    if is_ahead:
        text = f"last session {last_session:%Y-%m-%d} lies in the future: today is {today:%Y-%m-%d}"
    passed = max_age_weekdays is None or not (is_ahead or age > max_age_weekdays)
    if max_age_weekdays is None:
        text += "; no age is demanded (market_data.max_age_weekdays)"
    elif passed:
        text += f", allowed are {max_age_weekdays}"
    elif is_ahead:
        text += "; correct the dates of the source"
    else:
        text += f", allowed are {max_age_weekdays}: update the source, or raise max_age_weekdays"
    return CheckOutcome(
        "fresh", passed=passed, description=text, values={"age_weekdays": age, "today": f"{today}"}
    )


_ONE_DAY = timedelta(days=1)
