"""Checks of what models are trained on: labels and features that belong to the panel."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_datetime64_dtype, is_numeric_dtype

from model2_assets.checks._outcome import CheckOutcome
from model2_assets.evaluation import missing_by_column
from model2_assets.row_chunks import row_chunks


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
            exits = exit_dates(panel, labels.index, int(horizon[:-1]) + execution_lag_days)
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
