"""Restated history: past closes that are no longer those of the last run."""

from collections.abc import Iterable

import pandas as pd

from model2_assets.checks._outcome import CheckOutcome
from model2_assets.market_data import HistoryChanges, compare_history

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
