"""Outcomes of single checks, of subjects that have just what the check looks at."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from types import SimpleNamespace
from typing import Any

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
from model2_assets.checks.summary import LeaderboardChecks, RunHistory, StackingChecks
from model2_assets.config import ChecksConfig, FeaturesConfig, LabelsConfig
from model2_assets.panel import INDEX_NAMES
from model2_assets.storage.data_version import with_provenance
from model2_assets.storage.read import PreviousResult
from model2_assets.training import FittedModels
from model2_assets.training.predict import OutOfFold

LIMITS = ChecksConfig()
NOTHING = pd.DataFrame()
NO_HISTORY = PreviousResult(None, "there is none")


def outcome(asset: str, name: str, subject: object) -> CheckOutcome:
    (check,) = (check for check in CATALOGUE[asset] if check.name == name)
    return check.outcome(getattr(subject, name)())


def check_fresh(
    last: date, *, now: datetime, timezone: str, max_age_weekdays: int | None
) -> CheckOutcome:
    index = pd.MultiIndex.from_arrays([["A"], [pd.Timestamp(last)]], names=INDEX_NAMES)
    subject = MarketDataChecks(pd.DataFrame(index=index), timezone, max_age_weekdays, now=now)
    return outcome("market_data", "fresh", subject)


def check_history_unchanged(
    panel: pd.DataFrame, previous: pd.DataFrame | None, *, problem: str = ""
) -> CheckOutcome:
    subject = MarketDataChecks(panel, "UTC", None, PreviousResult(previous, problem))
    return outcome("market_data", "history_unchanged", subject)


def check_labels_consistent(
    labels: pd.DataFrame,
    panel: pd.DataFrame,
    *,
    horizons: Sequence[str],
    execution_lag_days: int,
) -> CheckOutcome:
    days = [int(horizon.removesuffix("d")) for horizon in horizons]
    config = LabelsConfig(horizons=tuple(days), execution_lag_days=execution_lag_days)
    return outcome("labels", "consistent", LabelsChecks(labels, panel, config))


def check_features_consistent(features: pd.DataFrame, panel: pd.DataFrame) -> CheckOutcome:
    subject = FeaturesChecks(features, panel, FeaturesConfig(), LIMITS)
    return outcome("features", "consistent", subject)


def check_no_label_overlap(splits: pd.DataFrame, labels: pd.DataFrame) -> CheckOutcome:
    return outcome("cv_splits", "no_label_overlap", SplitsChecks(splits, labels, 1))


def check_minimum_samples(
    splits: pd.DataFrame, labels: pd.DataFrame, *, min_samples: int
) -> CheckOutcome:
    return outcome("cv_splits", "minimum_samples", SplitsChecks(splits, labels, min_samples))


def out_of_fold(
    oof: pd.DataFrame,
    label: pd.Series | None = None,
    *,
    never_tested: int = 0,
    limits: ChecksConfig = LIMITS,
    made: Any = None,
    previous: PreviousResult | None = None,
) -> OutOfFoldChecks:
    label = pd.Series(dtype=float) if label is None else label
    return OutOfFoldChecks(oof, limits.prediction_bps, label, never_tested, limits, made, previous)


def check_out_of_fold(made: OutOfFold, *, limits: ChecksConfig) -> list[CheckOutcome]:
    subject = OutOfFoldChecks.of(made, limits=limits, previous=NO_HISTORY)
    return list(evaluate("oof_predictions", subject))


def check_coverage(
    oof: pd.DataFrame, expected: pd.MultiIndex, *, never_tested: int = 0
) -> CheckOutcome:
    subject = out_of_fold(oof, pd.Series(0.0, index=expected), never_tested=never_tested)
    return outcome("oof_predictions", "coverage", subject)


def check_finite(oof: pd.DataFrame) -> CheckOutcome:
    return outcome("oof_predictions", "finite", out_of_fold(oof))


def check_range(oof: pd.DataFrame, *, limit_bps: float) -> CheckOutcome:
    subject = out_of_fold(oof, limits=ChecksConfig(prediction_bps=limit_bps))
    return outcome("oof_predictions", "range", subject)


def check_determinism(
    difference_bps: float, *, tolerance_bps: float, split_id: int, same_kernel: bool
) -> CheckOutcome:
    made = SimpleNamespace(
        determinism_difference_bps=difference_bps,
        determinism_tolerance_bps=tolerance_bps,
        refitted_split=split_id,
        same_kernel=same_kernel,
    )
    return outcome("oof_predictions", "determinism", out_of_fold(NOTHING, made=made))


def mean_rank_ic(oof: pd.DataFrame, label: pd.Series) -> float:
    return out_of_fold(oof, label).mean_rank_ic


def check_rank_ic_plausible(rank_ic: float, *, limit: float) -> CheckOutcome:
    limits = ChecksConfig(rank_ic_warn=limit)
    subject = out_of_fold(NOTHING, limits=limits)
    known = type("Known", (), {"mean_rank_ic": rank_ic, "limits": limits})()
    known.rank_ic_plausible = lambda: type(subject).rank_ic_plausible(known)
    return outcome("oof_predictions", "rank_ic_plausible", known)


def check_oof_drift(
    oof: pd.DataFrame,
    previous: pd.DataFrame | None,
    *,
    min_rank_correlation: float,
    max_bps: float,
    problem: str = "",
) -> CheckOutcome:
    limits = ChecksConfig(oof_drift_rank_correlation=min_rank_correlation, oof_drift_bps=max_bps)
    subject = out_of_fold(oof, limits=limits, previous=PreviousResult(previous, problem))
    return outcome("oof_predictions", "oof_drift", subject)


def check_paths(subject: PathsChecks) -> list[CheckOutcome]:
    return list(evaluate("oof_paths", subject))


def check_nested_coverage(
    nested: pd.DataFrame, expected: Mapping[int, pd.MultiIndex]
) -> CheckOutcome:
    proof: Any = None
    return outcome("nested_oof", "nested_coverage", NestedChecks(nested, 1e3, expected, proof))


def check_models_complete(found: Sequence[int], expected: Sequence[int]) -> CheckOutcome:
    return outcome("fitted_models", "complete", FoldModelsChecks(found, expected))


def check_every_feature(importance: pd.DataFrame, names: Sequence[str]) -> CheckOutcome:
    return outcome("feature_importance", "every_feature", ImportanceChecks(importance, names))


def check_scores_current(scores: pd.DataFrame, recomputed: pd.DataFrame) -> CheckOutcome:
    return outcome("cv_scores", "scores_current", ScoresChecks(scores, recomputed))


def live(
    table: pd.DataFrame, market_data: pd.DataFrame = NOTHING, oof: pd.DataFrame = NOTHING
) -> LiveChecks:
    return LiveChecks(
        table,
        LIMITS.prediction_bps,
        market_data=market_data,
        features=NOTHING,
        label=pd.Series(dtype=float),
        oof_paths=oof.reset_index(),
        bars=1,
        psi_warn=LIMITS.psi_warn,
    )


def check_live_coverage(
    table: pd.DataFrame, expected: pd.MultiIndex, market_data: pd.DataFrame
) -> CheckOutcome:
    subject = replace(live(table, market_data), features=pd.DataFrame(index=expected), bars=9)
    return outcome("live_predictions", "coverage", subject)


def check_newest_date(table: pd.DataFrame, market_data: pd.DataFrame) -> CheckOutcome:
    return outcome("live_predictions", "newest_date", live(table, market_data))


def check_resembles_oof(table: pd.DataFrame, oof: pd.DataFrame, *, limit: float) -> CheckOutcome:
    subject = replace(live(table, oof=oof), psi_warn=limit)
    return outcome("live_predictions", "resembles_oof", subject)


def manifest(*, folds: int = 0, data_version: str = "", total_bytes: int = 0) -> Any:
    return SimpleNamespace(folds=range(folds), data_version=data_version, total_bytes=total_bytes)


def leaderboard(board: pd.DataFrame = NOTHING, **parts: Any) -> LeaderboardChecks:
    nothing = {"scores": {}, "oof": {}, "manifests": {}, "partitions": (), "limits": LIMITS}
    return LeaderboardChecks(board, **(nothing | parts))


def history(**parts: Any) -> RunHistory:
    nothing = {"changes": NOTHING, "no_comparison": "", "problems": {}, "costs": NOTHING}
    return RunHistory(**(nothing | parts))


def check_board_current(board: pd.DataFrame, versions: Mapping[str, str]) -> CheckOutcome:
    oof = {
        key: with_provenance(NOTHING, data_version=version, inputs={})
        for key, version in versions.items()
    }
    return outcome("leaderboard", "board_current", leaderboard(board, oof=oof))


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
    manifests = {key: manifest(folds=count) for key, count in (n_splits or {}).items()}
    subject = leaderboard(scores=scores, oof=oof, manifests=manifests, partitions=partitions)
    return outcome("leaderboard", "scores_complete", subject)


def check_same_inputs(
    oof: Mapping[str, pd.DataFrame], *, models: Mapping[str, str]
) -> CheckOutcome:
    manifests = {key: manifest(data_version=version) for key, version in models.items()}
    return outcome("leaderboard", "same_inputs", leaderboard(oof=oof, manifests=manifests))


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
        manifests={"21d|ridge": manifest(total_bytes=models_bytes)},
        limits=budgets,
        history=None if costs is None else history(costs=costs),
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
    subject = StackingChecks(frame, oof, labels, cv_splits, partitions)
    return list(evaluate("stacking_frame", subject))


def check_report(html: str, parts: Sequence[str], limit_mb: float = 5) -> list[CheckOutcome]:
    return list(evaluate("tear_sheet", ReportChecks(html, parts, limit_mb)))


def check_final_complete(
    fitted: FittedModels, *, features: pd.DataFrame, labels: pd.DataFrame
) -> CheckOutcome:
    subject = FinalModelChecks(
        [model.n_train for model in fitted.models], fitted.provenance, features, labels
    )
    return outcome("final_models", "complete", subject)


def check_live(
    live: pd.DataFrame,
    *,
    bars: int,
    market_data: pd.DataFrame,
    labels: pd.DataFrame,
    features: pd.DataFrame,
    oof_paths: pd.DataFrame,
    horizon: str,
    limits: ChecksConfig,
) -> list[CheckOutcome]:
    subject = LiveChecks(
        live,
        limits.prediction_bps,
        market_data=market_data,
        features=features,
        label=labels[f"label_{horizon}"],
        oof_paths=oof_paths,
        bars=bars,
        psi_warn=limits.psi_warn,
    )
    return list(evaluate("live_predictions", subject))
