"""Checks of what models are trained on: market data, labels, features and splits."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_datetime64_dtype, is_numeric_dtype

from model2_assets.checks.catalogue import Finding
from model2_assets.checks.controls import label_end_control, lookahead_control
from model2_assets.checks.subjects import TableChecks, row_name
from model2_assets.config.partition import horizon_days
from model2_assets.cross_validation import OverlapProof, prove_no_overlap
from model2_assets.cross_validation.table import check_min_samples, count_samples, coverage_text
from model2_assets.errors import CrossValidationError
from model2_assets.evaluation.stability import missing_by_column
from model2_assets.market_data.history import HistoryChanges, compare_history
from model2_assets.panel import histories, positions_in, row_chunks, taken
from model2_assets.storage.read import PreviousResult

_ONE_DAY = timedelta(days=1)
_LISTED = 5
_ASK_THE_SOURCE = (
    "ask the source why, and compare with the last run's results, which are kept as versions"
)


@dataclass(frozen=True, eq=False)
class MarketDataChecks(TableChecks):
    """Market data; of a candidate, with the table that it replaces."""

    previous: PreviousResult | None = None
    now: datetime | None = None

    def fresh(self) -> Finding:
        """Count the Mondays to Fridays after the last session up to today.

        On Saturday Friday's session is 0 weekdays old, on Tuesday Monday's is 1. Holidays are not
        known, and count. A session of the future fails where an age is demanded; one day ahead
        is that of a market across the date line.
        """
        limit = self.evidence.settings.market_data.max_age_weekdays
        timezone = ZoneInfo(self.evidence.config.schedule.timezone)
        last = self.table.index.get_level_values("datetime").max().date()
        today = (self.now or datetime.now(UTC)).astimezone(timezone).date()
        age = max(int(np.busday_count(last + _ONE_DAY, today + _ONE_DAY)), 0)
        is_ahead = last > today + _ONE_DAY
        passed = limit is None or not (is_ahead or age > limit)
        text = f"last session {last:%Y-%m-%d}, {age:,} weekdays old on {today:%Y-%m-%d}"
        if is_ahead:
            text = f"last session {last:%Y-%m-%d} lies in the future: today is {today:%Y-%m-%d}"
        if limit is None:
            text += "; no age is demanded (market_data.max_age_weekdays)"
        elif passed:
            text += f", allowed are {limit}"
        elif is_ahead:
            text += "; correct the dates of the source"
        else:
            text += f", allowed are {limit}: update the source, or raise max_age_weekdays"
        return Finding(passed, text, {"age_weekdays": age, "today": f"{today}"})

    def history_unchanged(self) -> Finding:
        """Compare past closes with those of the last run.

        Closes that were all multiplied by one factor are a split, and are named with it. Adjusted
        closes whose factor is constant on stretches of dates were adjusted for later dividends or
        splits. Neither is counted as restated: returns within a stretch stay what they were.
        """
        assert self.previous is not None
        before = self.previous.table
        if before is None or not len(before):
            return Finding(True, self.previous.problem or "there is no panel of an earlier run")
        changes = compare_history(self.table, before)
        problems = list(_history_problems(changes))
        text = f"all {changes.compared_rows:,} past rows are as they were"
        if problems:
            text = "; ".join([*problems, _ASK_THE_SOURCE])
        values = {
            "compared_rows": changes.compared_rows,
            "restated_values": changes.restated_values,
            "restated_instruments": changes.restated_instruments,
            "splits": len(changes.splits),
            "readjusted_instruments": len(changes.readjusted),
            "vanished_rows": len(changes.vanished),
            "inserted_rows": len(changes.inserted),
        }
        return Finding(not problems, "; ".join([text, *_history_notes(changes)]), values)


@dataclass(frozen=True, eq=False)
class LabelsChecks(TableChecks):
    """Labels."""

    def consistent(self) -> Finding:
        """Compare every horizon with the market data, and label with label end."""
        horizons = self.evidence.settings.labels.horizon_keys
        problems = [
            *_foreign_rows(self.table, self.evidence.table("market_data")),
            *(problem for horizon in horizons for problem in self._problems(horizon)),
        ]
        labels = {h: f"label_{h}" for h in horizons if f"label_{h}" in self.table.columns}
        return Finding.of(
            problems,
            f"{len(horizons)} horizons, {len(self.table):,} rows",
            {f"labelled_{h}": int(self.table[name].notna().sum()) for h, name in labels.items()},
        )

    def label_end_control(self) -> Finding:
        """Make them again on market data that were cut."""
        return label_end_control(
            self.table,
            self.evidence.table("market_data"),
            self.evidence.settings.labels,
            n_dates=self.evidence.limits.lookahead_control_dates,
            seed=self.evidence.limits.controls_seed,
        )

    def _problems(self, horizon: str) -> Iterator[str]:
        names = [f"{kind}_{horizon}" for kind in ("forward_return", "label", "label_end")]
        for name in names:
            if name not in self.table.columns:
                yield f"column {name!r} is missing"
                return
        index = self.table.index
        earned, label, end = (self.table[name] for name in names)
        apart = np.asarray(label.notna() != end.notna())
        yield from _first(index, apart, f"{names[1]} and {names[2]} are not missing together")
        if is_datetime64_dtype(end.dtype):
            yield from self._impossible_ends(horizon, label.notna(), end)
        else:
            yield f"{names[2]} is {end.dtype}, not a date without time zone"
        for values in (label, earned):
            yield from _first(index, _infinite(values), f"{values.name} is infinite")
        unearned = (label.notna() & earned.isna()).to_numpy()
        yield from _first(index, unearned, f"{names[0]} is missing where there is a label")
        if not label.notna().any():
            yield f"{names[1]} has no value at all; shorten the horizon"

    def _impossible_ends(self, horizon: str, known: pd.Series, end: pd.Series) -> Iterator[str]:
        """Look for ends that would let train rows through the purge, or are not known yet.

        Our labels are held to their exit; those of another builder may end at a barrier before.
        """
        panel, settings = self.evidence.table("market_data"), self.evidence.settings.labels
        what, bars = "at which the position ends", horizon_days(horizon)
        if settings.builder is not None:
            what, bars = "of its entry, or not after its own date", 0
        own = exit_dates(panel, self.table.index, bars + settings.execution_lag_days)
        dates, last = (t.index.get_level_values("datetime") for t in (self.table, panel))
        early = (end < own["exit"].fillna(own["last"])) | np.asarray(end <= dates)
        for rows, text in (
            (early, f"before the own bar {what}"),
            (end > last.max(), f"after the last market data, {last.max():%Y-%m-%d}"),
        ):
            faulty = (known & rows).to_numpy()
            yield from _first(self.table.index, faulty, f"label_end_{horizon} is {text}")


@dataclass(frozen=True, eq=False)
class FeaturesChecks(TableChecks):
    """Features."""

    def consistent(self) -> Finding:
        """Compare the rows with the market data, and look for what is infinite."""
        features, (n_rows, n_features) = self.table, self.table.shape
        problems = _foreign_rows(features, self.evidence.table("market_data"))
        if features.empty:
            problems.append(f"there are {n_rows} rows and {n_features} features")
        for name in _columns_with_infinity(features)[:1]:
            text = f"feature {name!r} is infinite"
            problems += _first(features.index, _infinite(features[name]), text)
        missing = 1.0 if features.empty else float(np.mean(missing_by_column(features) / n_rows))
        return Finding.of(
            problems,
            f"{n_features} features, {n_rows:,} rows, {missing:.2%} missing",
            {"features": n_features, "rows": n_rows, "missing_share": missing},
        )

    def lookahead_control(self) -> Finding:
        """Make them again on history that was cut."""
        return lookahead_control(
            self.table,
            self.evidence.table("market_data"),
            self.evidence.settings.features,
            n_dates=self.evidence.limits.lookahead_control_dates,
            seed=self.evidence.limits.controls_seed,
        )


@dataclass(frozen=True, eq=False)
class SplitsChecks(TableChecks):
    """Splits."""

    @cached_property
    def proof(self) -> OverlapProof:
        """The independent count, made from the labels and not by the splitter."""
        embargo_days = self.evidence.settings.cross_validation.embargo_days
        return prove_no_overlap(
            self.table, self.evidence.table("labels"), embargo_days=embargo_days
        )

    @cached_property
    def samples(self) -> pd.DataFrame:
        """The labelled rows of every split and horizon, counted."""
        return count_samples(self.table, self.evidence.table("labels"))

    def no_label_overlap(self) -> Finding:
        """Look at the proof."""
        return check_no_label_overlap(self.proof)

    def embargo_kept(self) -> Finding:
        """Look at the proof."""
        return check_embargo_kept(self.proof)

    def minimum_samples(self) -> Finding:
        """Count the labelled rows of every split and horizon."""
        needed = self.evidence.settings.cross_validation.min_samples
        counts = self.samples[["train", "test"]].to_numpy()
        smallest = int(counts.min()) if counts.size else 0
        problems = []
        try:
            if smallest < needed:
                check_min_samples(self.table, self.evidence.table("labels"), min_samples=needed)
        except CrossValidationError as error:
            problems = [str(error)]
        return Finding.of(
            problems,
            f"the smallest fold has {smallest:,} rows, needed {needed:,}; "
            f"{coverage_text(self.table)}",
            {"smallest": smallest, "needed": needed},
        )


def check_no_label_overlap(proof: OverlapProof) -> Finding:
    """Check that no train row's label interval touches a test row's.

    Where every horizon has splits of its own, the intervals are those of its own labels. Then
    the description adds how many train rows touch the longest window of a test row, which is no
    fault but forbids stacking.
    """
    splits = len(proof.per_split)
    text = proof.first_overlap or f"0 overlapping rows in {splits} splits"
    if proof.n_overlaps_longest > proof.n_overlaps:
        text += (
            f"; purged per horizon, {proof.n_overlaps_longest:,} train rows overlap the longest "
            f"window of a test row: do not put predictions of different horizons side by side"
        )
    values = {
        "overlaps": proof.n_overlaps,
        "overlaps_of_longest_window": proof.n_overlaps_longest,
        "splits": splits,
    }
    return Finding(proof.n_overlaps == 0, text, values)


def check_embargo_kept(proof: OverlapProof) -> Finding:
    """Check that no row trains in the embargo, and say how near train and test rows come."""
    days, distances = proof.embargo_days, proof.distances
    before, after = (distances.get(f"smallest_distance_{side}") for side in ("before", "after"))
    text = (
        f"embargo of {days} dates: the smallest distance after a test block's latest label end is "
        f"{'none, as no row trains there' if after is None else after}, before a test block "
        f"{'none' if before is None else before}, in dates of the splits"
    )
    if proof.first_in_embargo:
        text = (
            f"{proof.first_in_embargo}, where the embargo is {days} dates (in all splits "
            f"{proof.n_in_embargo:,} such rows): have cross_validation.splitter leave them out, or "
            f"set cross_validation.embargo_days to {max((after or 0) - 1, 0)}, which these splits "
            f"keep"
        )
    values = {"embargo_days": days, "train_rows_in_embargo": proof.n_in_embargo, **distances}
    return Finding(proof.n_in_embargo == 0, text, values)


def _history_problems(changes: HistoryChanges) -> Iterator[str]:
    if changes.restated_values:
        yield (
            f"{changes.restated_values:,} past closes of {changes.restated_instruments:,} "
            f"instruments were restated, first {changes.first_restated}"
        )
    for rows, verb in ((changes.vanished, "vanished"), (changes.inserted, "were inserted")):
        if len(rows):
            names = rows.get_level_values("instrument").nunique()
            yield f"{len(rows):,} past rows of {names:,} instruments {verb}, first {row_name(rows)}"


def _history_notes(changes: HistoryChanges) -> Iterator[str]:
    for split in changes.splits[:_LISTED]:
        volume = f", volume × {split.volume_factor:.6g}" if split.volume_factor else ""
        yield (
            f"split of {split.instrument}: closes × {split.factor:.6g} up to "
            f"{split.until:%Y-%m-%d}{volume}"
        )
    if len(changes.splits) > _LISTED:
        yield f"{len(changes.splits) - _LISTED:,} further splits"
    if changes.readjusted:
        yield (
            f"adjusted closes of {len(changes.readjusted):,} instruments were adjusted anew by "
            f"factors constant on stretches, first {changes.readjusted[0]}"
        )


def exit_dates(panel: pd.DataFrame, index: pd.Index, bars: int) -> pd.DataFrame:
    """Return dates of each row's history: of its bar so many bars later, and of its last bar.

    Columns ``exit`` (NaT where there is no such bar) and ``last``.
    """
    dates = panel.index.get_level_values("datetime").to_series(index=panel.index)
    own = dates.groupby(histories(panel).number)
    found = {"exit": own.shift(-bars), "last": own.transform("max")}
    rows = positions_in(panel.index, index)
    return pd.DataFrame({name: taken(each, rows) for name, each in found.items()}, index=index)


def _foreign_rows(frame: pd.DataFrame, panel: pd.DataFrame) -> list[str]:
    members = panel.index[panel["in_universe"].to_numpy()]
    return _first(frame.index, ~frame.index.isin(members), "not a row of the universe")


def _columns_with_infinity(features: pd.DataFrame) -> list[str]:
    numbers = features.select_dtypes("number")
    found = np.zeros(numbers.shape[1], dtype=bool)
    for chunk in row_chunks(numbers):
        found |= np.isinf(chunk.to_numpy(dtype=np.float64, na_value=np.nan)).any(axis=0)
    return [str(name) for name in numbers.columns[found]]


def _infinite(values: pd.Series) -> NDArray[np.bool_]:
    """Return which values are infinite; none where they are no numbers."""
    if not is_numeric_dtype(values.dtype):
        return np.zeros(len(values), dtype=bool)
    infinite: NDArray[np.bool_] = np.isinf(values.to_numpy(dtype=np.float64, na_value=np.nan))
    return infinite


def _first(index: pd.Index, rows: NDArray[np.bool_], text: str) -> list[str]:
    if not rows.any():
        return []
    return [f"{text}: {int(rows.sum()):,} rows, first {row_name(index, int(np.argmax(rows)))}"]
