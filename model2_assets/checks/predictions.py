"""Checks of out-of-fold predictions, of their paths, and of nested ones."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.checks.catalogue import Finding
from model2_assets.checks.inputs import check_embargo_kept, check_no_label_overlap
from model2_assets.checks.subjects import Evidence, PredictionChecks, each_once, row_name
from model2_assets.cross_validation import OverlapProof, PurgedEmbargoedTimeSeriesSplit
from model2_assets.evaluation import daily_ic
from model2_assets.labels import realized_returns
from model2_assets.panel import aligned, positions_in
from model2_assets.storage.read import PreviousResult
from model2_assets.training import Tables
from model2_assets.training.nested import NestedOutOfFold, expected_rows, prove_nested_splits
from model2_assets.training.predict import (
    OutOfFold,
    largest_difference,
    mean_by_row,
    rows_to_predict,
)

OTHER_KERNEL_BPS = 1e-5
"""Largest difference in bps that another processor's rounding explains."""


@dataclass(frozen=True, eq=False)
class OutOfFoldChecks(PredictionChecks):
    """Out-of-fold predictions; of a candidate, with how it was made and what it replaces."""

    made: OutOfFold | None = None
    previous: PreviousResult | None = None

    @cached_property
    def to_predict(self) -> tuple[pd.Series, int]:
        """The labels, in bps, of the rows that must be predicted, and how many others are."""
        if self.made is not None:
            return self.made.label, self.made.rows_never_tested
        tables, horizon = stored_tables(self.evidence), self.evidence.horizon
        covers_history = self.evidence.settings.cross_validation.covers_history
        roles = tables.roles(horizon)
        return rows_to_predict(tables, roles, horizon, covers_history=covers_history)

    def coverage(self) -> Finding:
        """Compare with the rows that must be predicted."""
        oof, (label, never_tested) = self.table, self.to_predict
        expected = label.index
        assert isinstance(expected, pd.MultiIndex)
        problems, counts = each_once(oof.index, expected, "rows have no label")
        if not len(expected):
            problems.append("no row has both features and a label; lengthen the history")
        text = "; ".join(problems) or f"{len(oof):,} of {len(expected):,} rows, each once"
        if never_tested:
            text += (
                f"; {never_tested:,} further rows with features and a label are never tested, and "
                f"are not covered"
            )
        covered = 1 - counts["missing_rows"] / max(len(expected), 1)
        values = {"coverage": covered, "rows": len(oof), **counts}
        return Finding(not problems, text, {**values, "rows_never_tested": never_tested})

    def determinism(self) -> Finding:
        """Look at what refitting the model of one split changed.

        Where the stored model was fitted with the linear algebra kernel of another processor,
        rounding differs by about 1e-8 bps: a difference below `OTHER_KERNEL_BPS` warns only.
        """
        made = self.made
        assert made is not None
        difference, tolerance = made.determinism_difference_bps, made.determinism_tolerance_bps
        passed = bool(difference < tolerance)
        is_rounding = not made.same_kernel and difference < OTHER_KERNEL_BPS
        text = (
            f"refitting split {made.refitted_split} moves predictions by {difference:.3g} bps at "
            f"most (allowed: below {tolerance:.0e} bps)"
        )
        if not passed and is_rounding:
            text += "; the stored model was fitted with another processor's kernel"
        values = {
            "difference_bps": difference,
            "tolerance_bps": tolerance,
            "split_id": made.refitted_split,
            "same_kernel": made.same_kernel,
        }
        return Finding(passed, text, values, only_warns=is_rounding)

    def repeatable(self) -> Finding:
        """Compare with what the models predict once more."""
        assert self.made is not None
        difference = _largest_difference(self.table, self.made.again)
        text = f"predicted twice by the stored models, largest difference {difference:.3g} bps"
        if difference:
            text += (
                "; let the trainer's predict depend on nothing but the fitted model and its rows"
            )
        return Finding(difference == 0, text, {"repeated_difference_bps": difference})

    def rank_ic_plausible(self) -> Finding:
        """Compare with realized returns: real daily panels have a mean rank IC of 0.01 to 0.05."""
        rank_ic, limit = self.mean_rank_ic, self.evidence.limits.rank_ic_warn
        text = f"mean rank IC {rank_ic:.4f}, suspicious above {limit:.2f}"
        if np.isnan(rank_ic):
            text = "rank IC cannot be evaluated: no date has three different predictions"
        elif rank_ic > limit:
            text += ": look for a feature that knows the future"
        return Finding(bool(rank_ic <= limit), text, {"rank_ic": rank_ic, "limit": limit})

    @property
    def mean_rank_ic(self) -> float:
        """Mean per-date rank IC on realized returns; NaN where none can be told."""
        labels, excess = self.evidence.table("labels"), self.evidence.settings.labels.excess
        realized = realized_returns(labels, self.evidence.horizon, excess=excess)
        index = self.table.index
        assert isinstance(index, pd.MultiIndex)
        daily = daily_ic(self.table["prediction"], aligned(realized, index), index)
        return float(daily["rank_ic"].mean())

    def oof_drift(self) -> Finding:
        """Compare with earlier predictions of the same rows.

        Some drift is normal: a new date moves the edges of the groups, so that rows change folds
        and the train rows of every split change a little. Dates with fewer than three names have
        no correlation.

        Notes
        -----
        Measured on the demo data (20 instruments, 164,600 rows, 5 folds), Ridge and XGBoost, 21
        and 63 days: one date more leaves a correlation of 0.9943 to 0.9997 and moves rows by 149
        bps at most; 5 dates more 0.9927 to 0.9990 and 174 bps; 21 dates more 0.9844 to 0.9960 and
        243 bps. On 127 stocks over 1,259 dates one date more leaves 0.9947 to 0.9987, and 228
        bps. A penalty of Ridge ten times smaller leaves 0.948. The largest differences of more
        dates are at the edges of groups, where rows change folds.
        """
        assert self.previous is not None
        oof, previous, limits = self.table, self.previous.table, self.evidence.limits
        if previous is None or not len(previous):
            return Finding(True, self.previous.problem or "there are no earlier predictions")
        index = oof.index[positions_in(previous.index, oof.index) >= 0]
        assert isinstance(index, pd.MultiIndex)
        counts = {
            "common_rows": len(index),
            "rows_gone": len(previous) - len(index),
            "rows_new": len(oof) - len(index),
        }
        if not len(index):
            text = (
                f"none of the {len(previous):,} rows predicted before is predicted now: look at "
                f"the dates and instruments of market_data"
            )
            return Finding(False, text, counts)
        now, before = (aligned(t["prediction"], index).to_numpy() for t in (oof, previous))
        size = np.abs(now - before)
        largest, least = float(size.max()), limits.oof_drift_rank_correlation
        correlation = float(daily_ic(now, before, index)["rank_ic"].mean())
        # A NaN does not fail: one name a date has no ranks to compare.
        passed = not correlation < least and largest <= limits.oof_drift_bps
        text = (
            f"{len(index):,} rows were predicted before: mean rank correlation {correlation:.4f} "
            f"(expected at least {least:g}), largest difference {largest:,.2f} bps (expected at "
            f"most {limits.oof_drift_bps:g}), at {row_name(index, int(size.argmax()))}"
        )
        if not passed:
            text += (
                ": look for changed code or settings, or a restated history; model2 rollback "
                "returns to the predictions before"
            )
        values = {"rank_correlation": correlation, "largest_difference_bps": largest}
        return Finding(passed, text, {**values, **counts})


def stored_tables(evidence: Evidence) -> Tables:
    """Return features, labels and splits as models are trained on them."""
    return Tables(evidence.table("features"), evidence.table("labels"), evidence.table("cv_splits"))


def check_reproduced(oof: pd.DataFrame, predicted: pd.DataFrame) -> Finding:
    """Check that the stored fold models reproduce the stored predictions to the bit."""
    same_rows = oof.index.equals(predicted.index)
    difference = _largest_difference(oof, predicted) if same_rows else float("inf")
    same_folds = same_rows and bool((oof["fold_id"] == predicted["fold_id"]).all())
    text = f"largest difference {difference:.3g} bps"
    if not same_rows:
        text = "the stored models predict other rows than those stored"
    elif not same_folds:
        text += "; rows are stored in other folds than they are tested in"
    if difference or not same_folds:
        text += "; materialize fitted_models and oof_predictions again"
    values = {"difference_bps": difference, "same_rows": same_rows, "same_folds": same_folds}
    return Finding(same_folds and difference == 0, text, values)


def _largest_difference(left: pd.DataFrame, right: pd.DataFrame) -> float:
    if len(left) != len(right):
        return float("inf")
    return largest_difference(left["prediction"].to_numpy(), right["prediction"].to_numpy())


@dataclass(frozen=True, eq=False)
class PathsChecks(PredictionChecks):
    """Every out-of-fold prediction; of a candidate, with the rows that a split tests."""

    tested: pd.MultiIndex | None = None

    @cached_property
    def expected(self) -> pd.MultiIndex:
        """The rows that a split tests."""
        if self.tested is not None:
            return self.tested
        roles = stored_tables(self.evidence).roles(self.evidence.horizon)
        return roles.index[roles.tested_rows]

    @cached_property
    def plan(self) -> NDArray[np.int64] | None:
        """The path of each tested group of each split: shape (n_splits, n_groups).

        -1 where a split does not test a group; None where our splitter does not make the splits.
        """
        config = self.evidence.settings.cross_validation
        if config.splitter is not None or config.scheme != "cpcv":
            return None
        splitter = PurgedEmbargoedTimeSeriesSplit(
            config.n_groups, n_test_groups=config.n_test_groups, embargo_days=config.embargo_days
        )
        return splitter.path_table()

    @cached_property
    def _rows(self) -> NDArray[np.intp]:
        """Where each line's instrument and date are among the expected rows; -1 if nowhere."""
        index = pd.MultiIndex.from_frame(self.table[["instrument", "datetime"]])
        return positions_in(self.expected, index)

    def predictions_per_row(self) -> Finding:
        """Count the predictions of every row.

        There are C(n_groups - 1, n_test_groups - 1), or, where only the splitter knows how many,
        as many as the first row has.
        """
        rows, expected = self._rows, self.expected
        foreign = int(np.count_nonzero(rows < 0))
        counts = np.bincount(rows[rows >= 0], minlength=len(expected))
        wanted = int(max(counts[:1], default=0)) if self.plan is None else int(self.plan.max()) + 1
        wrong = np.flatnonzero(counts != wanted)
        problems = []
        if wrong.size:
            problems.append(
                f"{wrong.size:,} rows have another number of predictions than {wanted}, first "
                f"{row_name(expected, wrong[0])} with {counts[wrong[0]]}; materialize cv_splits "
                f"and fitted_models again"
            )
        if foreign:
            problems.append(f"{foreign:,} predictions belong to rows that no split tests")
        sizes = {"rows": len(expected), "predictions_per_row": wanted, "wrong_rows": wrong.size}
        if not wanted:
            problems.append("there are no predictions")
        holds = f"{len(expected):,} rows with {wanted} predictions each"
        return Finding.of(problems, holds, sizes)

    def paths_complete(self) -> Finding:
        """Count the rows of every path, and compare its splits with the plan."""
        rows, n_rows = self._rows, len(self.expected)
        path = self.table["path_id"].to_numpy(dtype=np.int64)
        n_paths = int((path if self.plan is None else self.plan).max(initial=-1)) + 1
        known = (rows >= 0) & (path >= 0) & (path < n_paths)
        seen = np.bincount(path[known] * n_rows + rows[known], minlength=n_paths * n_rows)
        once = np.count_nonzero(seen.reshape(n_paths, -1) == 1, axis=1)
        incomplete = np.flatnonzero(once != n_rows)
        problems = [
            f"path {first} has {once[first]:,} of {n_rows:,} rows exactly once"
            for first in incomplete[:1]
        ]
        misplaced = int(np.count_nonzero(~known)) + self._misplaced()
        if misplaced:
            problems.append(f"{misplaced:,} predictions are on another path than the splitter's")
        if not n_paths:
            problems.append("there are no paths")
        return Finding.of(
            problems,
            f"{n_paths} paths, each with all {n_rows:,} rows once",
            {"paths": n_paths, "incomplete_paths": incomplete.size, "misplaced": misplaced},
            remedy="materialize cv_splits and fitted_models again",
        )

    def _misplaced(self) -> int:
        if self.plan is None:
            return 0
        columns = ("split_id", "group_id", "path_id")
        split, group, path = (self.table[name].to_numpy(dtype=np.int64) for name in columns)
        n_splits, n_groups = self.plan.shape
        known = (split >= 0) & (split < n_splits) & (group >= 0) & (group < n_groups)
        planned = np.full(len(path), -1, dtype=np.int64)
        planned[known] = self.plan[split[known], group[known]]
        return int(np.count_nonzero(planned != path))

    def mean_is_oof(self) -> Finding:
        """Compare with the published means, to the bit."""
        oof = self.evidence.table("oof_predictions")
        n_rows, known = len(self.expected), self._rows >= 0
        prediction = self.table["prediction"].to_numpy()
        mean = mean_by_row(self._rows[known], prediction[known], n_rows)
        positions = positions_in(self.expected, oof.index)
        same_rows = len(oof) == n_rows and bool((positions >= 0).all())
        difference = float("inf")
        text = (
            f"oof_predictions has {len(oof):,} rows, and other ones than the {n_rows:,} that are "
            f"tested; materialize both again"
        )
        if same_rows:
            difference = largest_difference(mean[positions], oof["prediction"].to_numpy())
            text = f"largest difference from oof_predictions {difference:.3g} bps"
        values = {"difference_bps": difference, "same_rows": same_rows}
        return Finding(difference == 0, text, values)


@dataclass(frozen=True, eq=False)
class NestedChecks(PredictionChecks):
    """Nested out-of-fold predictions; of a candidate, with how they were made."""

    made: NestedOutOfFold | None = None

    @cached_property
    def expected(self) -> Mapping[int, pd.MultiIndex]:
        """The train rows of every outer fold."""
        if self.made is not None:
            return self.made.expected
        return expected_rows(stored_tables(self.evidence).roles(self.evidence.horizon))

    @cached_property
    def proof(self) -> OverlapProof:
        """Of the splits of the nested models."""
        if self.made is not None:
            return self.made.proof
        scheme = self.evidence.settings.cross_validation
        return prove_nested_splits(stored_tables(self.evidence), scheme)[1]

    def nested_coverage(self) -> Finding:
        """Compare with the train rows of every outer fold."""
        folds, n_rows = len(self.expected), len(self.table)
        text = f"{folds} outer folds, {n_rows:,} train rows, each once"
        values = {"outer_folds": folds, "rows": n_rows}
        return Finding.of(list(self._problems()), text, values)

    def no_label_overlap(self) -> Finding:
        """Look at the proof."""
        return check_no_label_overlap(self.proof)

    def embargo_kept(self) -> Finding:
        """Look at the proof."""
        return check_embargo_kept(self.proof)

    def _problems(self) -> Iterator[str]:
        nested, outer = self.table, self.table["outer_fold_id"].to_numpy()
        if not self.expected:
            yield "there are no outer folds"
        for fold in np.setdiff1d(outer, list(self.expected)).tolist():
            yield f"outer fold {fold} is not one of the folds"
        for fold, rows in self.expected.items():
            found = pd.MultiIndex.from_frame(nested.loc[outer == fold, ["instrument", "datetime"]])
            problems, _ = each_once(found, rows, "rows are none of its train rows")
            yield from (f"outer fold {fold}: {problem}" for problem in problems)
        own = int(np.count_nonzero(outer == nested["fold_id"].to_numpy()))
        if own:
            yield f"{own:,} rows belong to their own outer fold"
