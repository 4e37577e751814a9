"""Outcomes of single checks, of results held against just what the check looks at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from model2_assets.checks.catalogue import CATALOGUE, CheckOutcome, evaluate
from model2_assets.checks.inputs import (
    FeaturesChecks,
    LabelsChecks,
    MarketDataChecks,
    SplitsChecks,
)
from model2_assets.checks.models import (
    FinalModelChecks,
    FoldModelsChecks,
    ImportanceChecks,
    LiveChecks,
    ScoresChecks,
)
from model2_assets.checks.predictions import NestedChecks, OutOfFoldChecks, PathsChecks
from model2_assets.checks.reports import ReportChecks
from model2_assets.checks.subjects import Evidence, TableChecks
from model2_assets.checks.summary import LeaderboardChecks, RunHistory, StackingChecks
from model2_assets.config import ChecksConfig
from model2_assets.config.partition import Partition, horizon_days
from model2_assets.panel import INDEX_NAMES
from model2_assets.storage.data_version import with_provenance
from model2_assets.storage.read import PreviousResult
from model2_assets.training import FittedModels
from model2_assets.training.predict import OutOfFold
from model2_assets_tests.defs.small_region import small_config, small_region

LIMITS = ChecksConfig()
NOTHING = pd.DataFrame()
NO_HISTORY = PreviousResult(None, "there is none")
PARTITION = "21d|ridge"
LABELS = pd.DataFrame({"label_21d": [-500.0, 500.0], "label_63d": [-900.0, 900.0]})


@dataclass(frozen=True, eq=False)
class Given(Evidence):
    """Evidence of a region whose partitions are given, and not those of its configuration."""

    keys: Sequence[str] = ()

    @property
    def partition_keys(self) -> tuple[str, ...]:
        return tuple(self.keys)


def evidence(
    region: Mapping[str, Any] | None = None,
    *,
    limits: ChecksConfig = LIMITS,
    partition: str = PARTITION,
    partitions: Sequence[str] = (),
    **results: Any,
) -> Evidence:
    """Return a configuration with some sections of the region, and results by asset."""
    regions = small_region(**(region or {}))
    config = small_config(checks=limits.model_dump(), regions=regions)
    held_to = {"labels": LABELS, **results}
    return Given(config, "us", Partition.parse(partition), held_to, partitions)


def check_contract(table: pd.DataFrame, name: str) -> Any:
    return TableChecks(table, evidence()).contract(name)


def outcome(asset: str, name: str, subject: object) -> CheckOutcome:
    (check,) = (check for check in CATALOGUE[asset] if check.name == name)
    return check.outcome(getattr(subject, name)())


def check_fresh(
    last: date, *, now: datetime, timezone: str, max_age_weekdays: int | None
) -> CheckOutcome:
    index = pd.MultiIndex.from_arrays([["A"], [pd.Timestamp(last)]], names=INDEX_NAMES)
    bars = {"source": "demo", "max_age_weekdays": max_age_weekdays}
    config = small_config(schedule={"timezone": timezone}, regions={"us": {"market_data": bars}})
    subject = MarketDataChecks(pd.DataFrame(index=index), Evidence(config, "us"), now=now)
    return outcome("market_data", "fresh", subject)


def check_history_unchanged(
    panel: pd.DataFrame, previous: pd.DataFrame | None, *, problem: str = ""
) -> CheckOutcome:
    subject = MarketDataChecks(panel, evidence(), PreviousResult(previous, problem))
    return outcome("market_data", "history_unchanged", subject)


def check_labels_consistent(
    labels: pd.DataFrame,
    panel: pd.DataFrame,
    *,
    horizons: Sequence[str],
    execution_lag_days: int,
    builder: str | None = None,
) -> CheckOutcome:
    days = [horizon_days(horizon) for horizon in horizons]
    settings = {"horizons": days, "execution_lag_days": execution_lag_days, "builder": builder}
    held_to = evidence({"labels": settings}, market_data=panel)
    return outcome("labels", "consistent", LabelsChecks(labels, held_to))


def check_features_consistent(features: pd.DataFrame, panel: pd.DataFrame) -> CheckOutcome:
    subject = FeaturesChecks(features, evidence(market_data=panel))
    return outcome("features", "consistent", subject)


def check_no_label_overlap(splits: pd.DataFrame, labels: pd.DataFrame) -> CheckOutcome:
    return outcome("cv_splits", "no_label_overlap", SplitsChecks(splits, evidence(labels=labels)))


def check_embargo_kept(
    splits: pd.DataFrame, labels: pd.DataFrame, *, embargo_days: int
) -> CheckOutcome:
    held_to = evidence({"cross_validation": {"embargo_days": embargo_days}}, labels=labels)
    return outcome("cv_splits", "embargo_kept", SplitsChecks(splits, held_to))


def check_minimum_samples(
    splits: pd.DataFrame, labels: pd.DataFrame, *, min_samples: int
) -> CheckOutcome:
    held_to = evidence({"cross_validation": {"min_samples": min_samples}}, labels=labels)
    return outcome("cv_splits", "minimum_samples", SplitsChecks(splits, held_to))


def out_of_fold(
    oof: pd.DataFrame,
    *,
    limits: ChecksConfig = LIMITS,
    labels: pd.DataFrame = LABELS,
    **made: Any,
) -> OutOfFoldChecks:
    nothing = {"label": pd.Series(dtype=float), "rows_never_tested": 0}
    held_to = evidence(limits=limits, labels=labels)
    return OutOfFoldChecks(oof, held_to, SimpleNamespace(**(nothing | made)))


def earned(realized: pd.Series) -> pd.DataFrame:
    """Return labels that say nothing, of rows that realized something."""
    label = realized.where(realized.isna(), 0.0)
    return pd.DataFrame({"forward_return_21d": realized, "label_21d": label})


def check_out_of_fold(made: OutOfFold, *, limits: ChecksConfig) -> list[CheckOutcome]:
    held_to = evidence(limits=limits, labels=earned(made.label))
    subject = OutOfFoldChecks(made.oof, held_to, made, NO_HISTORY)
    return list(evaluate("oof_predictions", subject))


def check_coverage(
    oof: pd.DataFrame, expected: pd.MultiIndex, *, never_tested: int = 0
) -> CheckOutcome:
    label = pd.Series(0.0, index=expected)
    subject = out_of_fold(oof, label=label, rows_never_tested=never_tested)
    return outcome("oof_predictions", "coverage", subject)


def check_finite(oof: pd.DataFrame) -> CheckOutcome:
    return outcome("oof_predictions", "finite", out_of_fold(oof))


def labels_of(**horizons: float) -> pd.DataFrame:
    """Return 1,000 labels of each horizon, half of them above and half below a mean by so much."""
    signs = np.repeat([-1.0, 1.0], 500)
    return pd.DataFrame({f"label_{name}": size * signs for name, size in horizons.items()})


def check_range(
    oof: pd.DataFrame, *, limit_bps: float, labels: pd.DataFrame = LABELS
) -> CheckOutcome:
    subject = out_of_fold(oof, limits=ChecksConfig(prediction_bps=limit_bps), labels=labels)
    return outcome("oof_predictions", "range", subject)


def check_determinism(
    difference_bps: float, *, tolerance_bps: float, split_id: int, same_kernel: bool
) -> CheckOutcome:
    subject = out_of_fold(
        NOTHING,
        determinism_difference_bps=difference_bps,
        determinism_tolerance_bps=tolerance_bps,
        refitted_split=split_id,
        same_kernel=same_kernel,
    )
    return outcome("oof_predictions", "determinism", subject)


def mean_rank_ic(oof: pd.DataFrame, realized: pd.Series) -> float:
    return out_of_fold(oof, labels=earned(realized)).mean_rank_ic


def check_rank_ic_plausible(rank_ic: float, *, limit: float) -> CheckOutcome:
    known = type("Known", (OutOfFoldChecks,), {"mean_rank_ic": rank_ic})
    subject = known(NOTHING, evidence(limits=ChecksConfig(rank_ic_warn=limit)))
    return outcome("oof_predictions", "rank_ic_plausible", subject)


def check_oof_drift(
    oof: pd.DataFrame,
    previous: pd.DataFrame | None,
    *,
    min_rank_correlation: float,
    max_bps: float,
    problem: str = "",
) -> CheckOutcome:
    limits = ChecksConfig(oof_drift_rank_correlation=min_rank_correlation, oof_drift_bps=max_bps)
    before = PreviousResult(previous, problem)
    subject = OutOfFoldChecks(oof, evidence(limits=limits), previous=before)
    return outcome("oof_predictions", "oof_drift", subject)


def check_paths(
    paths: pd.DataFrame, oof: pd.DataFrame, *, tested: pd.MultiIndex, **cross_validation: Any
) -> list[CheckOutcome]:
    held_to = evidence({"cross_validation": cross_validation}, oof_predictions=oof)
    return list(evaluate("oof_paths", PathsChecks(paths, held_to, tested)))


def path_plan(**cross_validation: Any) -> Any:
    return PathsChecks(NOTHING, evidence({"cross_validation": cross_validation})).plan


def check_nested_coverage(
    nested: pd.DataFrame, expected: Mapping[int, pd.MultiIndex]
) -> CheckOutcome:
    made: Any = SimpleNamespace(expected=expected)
    return outcome("nested_oof", "nested_coverage", NestedChecks(nested, evidence(), made))


def check_models_complete(found: Sequence[int], expected: Sequence[int]) -> CheckOutcome:
    models: Any = tuple(SimpleNamespace(split_id=split_id) for split_id in found)
    provenance: Any = None
    fitted = FittedModels(models, provenance)
    splits = pd.DataFrame(columns=["group_id", *(f"split_{split_id}" for split_id in expected)])
    subject = FoldModelsChecks(fitted, evidence(cv_splits=splits))
    return outcome("fitted_models", "complete", subject)


def check_every_feature(importance: pd.DataFrame, names: Sequence[str]) -> CheckOutcome:
    models = SimpleNamespace(manifest=SimpleNamespace(feature_names=names))
    subject = ImportanceChecks(importance, evidence(fitted_models=models))
    return outcome("feature_importance", "every_feature", subject)


def check_feature_ic(
    importance: pd.DataFrame, *, features: pd.DataFrame, labels: pd.DataFrame, limit: float
) -> CheckOutcome:
    held_to = evidence(limits=ChecksConfig(feature_ic_warn=limit), features=features, labels=labels)
    return outcome("feature_importance", "feature_ic", ImportanceChecks(importance, held_to))


def check_scores_current(scores: pd.DataFrame, recomputed: pd.DataFrame) -> CheckOutcome:
    known = type("Known", (ScoresChecks,), {"recomputed": recomputed})
    return outcome("cv_scores", "scores_current", known(scores, evidence()))


def check_live_coverage(
    table: pd.DataFrame, expected: pd.MultiIndex, market_data: pd.DataFrame
) -> CheckOutcome:
    held_to = evidence(
        partition="8d|ridge",
        market_data=market_data,
        features=pd.DataFrame(index=expected),
        labels=pd.DataFrame({"label_8d": []}, index=expected[:0], dtype=float),
    )
    return outcome("live_predictions", "coverage", LiveChecks(table, held_to))


def check_newest_date(table: pd.DataFrame, market_data: pd.DataFrame) -> CheckOutcome:
    subject = LiveChecks(table, evidence(market_data=market_data))
    return outcome("live_predictions", "newest_date", subject)


def check_resembles_oof(table: pd.DataFrame, oof: pd.DataFrame, *, limit: float) -> CheckOutcome:
    paths = oof if "datetime" in oof else oof.reset_index()
    held_to = evidence(limits=ChecksConfig(psi_warn=limit), oof_paths=paths)
    return outcome("live_predictions", "resembles_oof", LiveChecks(table, held_to))


def models(*, folds: int = 0, data_version: str = "", total_bytes: int = 0) -> Any:
    """Return stored models of which these things are known."""
    manifest = SimpleNamespace(
        folds=range(folds), data_version=data_version, total_bytes=total_bytes
    )
    return SimpleNamespace(manifest=manifest)


def leaderboard(
    board: pd.DataFrame = NOTHING,
    history: RunHistory | None = None,
    *,
    limits: ChecksConfig = LIMITS,
    partitions: Sequence[str] = (),
    **results: Any,
) -> LeaderboardChecks:
    nothing = {"cv_scores": {}, "oof_predictions": {}, "fitted_models": {}}
    held_to = evidence(limits=limits, partitions=partitions, **(nothing | results))
    return LeaderboardChecks(board, held_to, history)


def history(**parts: Any) -> RunHistory:
    nothing = {"changes": NOTHING, "no_comparison": "", "problems": {}, "costs": NOTHING}
    return RunHistory(**(nothing | parts))


def check_board_current(board: pd.DataFrame, versions: Mapping[str, str]) -> CheckOutcome:
    oof = {
        key: with_provenance(NOTHING, data_version=version, inputs={})
        for key, version in versions.items()
    }
    return outcome("leaderboard", "board_current", leaderboard(board, oof_predictions=oof))


def check_scores_complete(
    scores: Mapping[str, pd.DataFrame],
    *,
    partitions: Sequence[str],
    n_folds: Mapping[str, int],
    n_splits: Mapping[str, int] | None = None,
) -> CheckOutcome:
    oof = {
        key: with_provenance(NOTHING, data_version="", inputs={}, n_folds=count)
        for key, count in n_folds.items()
    }
    fitted = {key: models(folds=count) for key, count in (n_splits or {}).items()}
    subject = leaderboard(
        partitions=partitions, cv_scores=scores, oof_predictions=oof, fitted_models=fitted
    )
    return outcome("leaderboard", "scores_complete", subject)


def check_same_inputs(
    oof: Mapping[str, pd.DataFrame], *, versions: Mapping[str, str]
) -> CheckOutcome:
    fitted = {key: models(data_version=version) for key, version in versions.items()}
    subject = leaderboard(oof_predictions=oof, fitted_models=fitted)
    return outcome("leaderboard", "same_inputs", subject)


def check_rank_ic_held(changes: pd.DataFrame, *, no_comparison: str = "") -> CheckOutcome:
    known = history(changes=changes, no_comparison=no_comparison)
    return outcome("leaderboard", "rank_ic_held", leaderboard(history=known))


def check_partitions_current(
    problems: Mapping[str, str], *, partitions: Sequence[str]
) -> CheckOutcome:
    subject = leaderboard(partitions=partitions, history=history(problems=problems))
    return outcome("leaderboard", "partitions_current", subject)


def check_within_budget(
    models_bytes: int, costs: pd.DataFrame | None = None, *, budgets: ChecksConfig
) -> CheckOutcome:
    subject = leaderboard(
        history=None if costs is None else history(costs=costs),
        limits=budgets,
        fitted_models={PARTITION: models(total_bytes=models_bytes)},
    )
    return outcome("leaderboard", "within_budget", subject)


def check_stacking_frame(
    frame: pd.DataFrame,
    oof: Mapping[str, pd.DataFrame],
    *,
    labels: pd.DataFrame,
    cv_splits: pd.DataFrame,
    partitions: Sequence[str],
) -> list[CheckOutcome]:
    held_to = evidence(
        partitions=partitions, oof_predictions=oof, labels=labels, cv_splits=cv_splits
    )
    subject = StackingChecks(frame, held_to)
    return list(evaluate("stacking_frame", subject))


def check_report(html: str, parts: Sequence[str], limit_mb: float = 5) -> list[CheckOutcome]:
    return list(evaluate("tear_sheet", ReportChecks(html, parts, limit_mb)))


def check_final_complete(
    fitted: FittedModels, *, features: pd.DataFrame, labels: pd.DataFrame
) -> CheckOutcome:
    partition = f"{fitted.provenance.horizon}|ridge"
    held_to = evidence(partition=partition, features=features, labels=labels)
    subject = FinalModelChecks(fitted, held_to)
    return outcome("final_models", "complete", subject)


def check_live(
    live: pd.DataFrame,
    *,
    market_data: pd.DataFrame,
    labels: pd.DataFrame,
    features: pd.DataFrame,
    oof_paths: pd.DataFrame,
    horizon: str,
    limits: ChecksConfig,
) -> list[CheckOutcome]:
    held_to = evidence(
        limits=limits,
        partition=f"{horizon}|ridge",
        market_data=market_data,
        features=features,
        labels=labels,
        oof_paths=oof_paths,
    )
    subject = LiveChecks(live, held_to)
    return list(evaluate("live_predictions", subject))


def latest_bars(panel: pd.DataFrame, end: pd.Timestamp) -> pd.Series:
    """Return the last bar up to a date of every instrument that has a later one."""
    dates = panel.index.get_level_values("datetime").to_series(index=panel.index)
    latest = dates[dates <= end].groupby("instrument").max()
    return latest[dates.groupby("instrument").max()[latest.index] > end]
