"""Assets that put all partitions side by side."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from model2_assets.defs.declaration import asset, report_settings
from model2_assets.defs.metadata import leaderboard_metadata
from model2_assets.defs.publication import Candidate, Step, report_candidate
from model2_assets.defs.recorded import Results, address_of, partition_problems, recorded_costs
from model2_assets.defs.region import Region


@asset(
    "summary",
    sources=("evaluation", "labels", "panel.py"),
    settings=lambda region: [
        region.settings.labels.excess,
        region.settings.labels.execution_lag_days,
    ],
)
def leaderboard(
    step: Step, labels: Any, cv_scores: Any, oof_predictions: Any, fitted_models: Any
) -> Candidate:
    """Every model and horizon of the region, side by side.

    Combinatorial cross-validation trains on the future of its test blocks: these scores
    validate a forecaster and are never a backtest. What speaks of returns is scored on realized
    returns, never winsorized, R² and MSE on labels. `rank_ic` is that of a row's mean
    prediction, beside it the range over complete paths of single predictions: means flatter.
    The probability of backtest overfitting says how often choosing the best of a horizon's
    models would have failed; below four models it is withheld.

    `rank_ic_change` compares with the leaderboard that this one replaced, and the check
    `rank_ic_held` warns where rank IC fell by more than its standard error. Dagster's badge of
    a partitioned asset stays fresh while single partitions are stale or missing: the check
    `partitions_current` names them. `oof_rank_correlation` says how alike the models rank the
    names of a date, on rows that all of them have: the mean over dates of the Spearman
    correlation across names. What a stack can gain from them lies in their differences.

    `costs` says what every step took when its result was last made, and `within_budget` holds
    the sum of the seconds, the largest memory and the size of all fold models against the
    budgets. The leaderboard itself, and what is made from it, count as of the time before.
    """
    from model2_assets.checks.summary import LeaderboardChecks, RunHistory
    from model2_assets.evaluation.leaderboard import (
        compare_partitions,
        leaderboard_version,
        oof_rank_correlation,
        rank_ic_changes,
    )
    from model2_assets.evaluation.overfitting import overfitting_by_horizon

    manifests = {key: stored.manifest for key, stored in fitted_models.items()}
    overfitting = overfitting_by_horizon(oof_predictions, labels, step.settings.labels)
    overfitting_texts = {h: found.description for h, found in overfitting.items()}
    for horizon, text in overfitting_texts.items():
        step.context.log.info(f"{horizon}: probability of backtest overfitting {text}")
    previous = step.previous()
    board = compare_partitions(
        scores=cv_scores,
        oof=oof_predictions,
        manifests=manifests,
        overfitting=overfitting,
        trained_at=_published(step.region, manifests),
        previous=previous.table,
    )
    recorded = step.region.results(step.context.instance)
    stored = {
        "fitted_models": fitted_models,
        "oof_predictions": oof_predictions,
        "cv_scores": cv_scores,
    }
    history = RunHistory(
        changes=rank_ic_changes(board, previous.table),
        no_comparison=previous.problem,
        problems=_problems(recorded, stored),
        costs=recorded_costs(recorded),
    )
    return Candidate(
        board,
        LeaderboardChecks(board, step.evidence, history),
        data_version=leaderboard_version(board),
        metadata={
            **leaderboard_metadata(board, history, oof_rank_correlation(oof_predictions)),
            **{f"pbo_{horizon}": text for horizon, text in overfitting_texts.items()},
        },
        figures=("models_mb",),
    )


def _published(region: Region, partitions: Iterable[str]) -> dict[str, datetime | None]:
    """Return when the models of partitions became current; None where no record says so."""
    key = region.key("fitted_models")
    records = {each: region.store.current_version(address_of(key, each)) for each in partitions}
    return {each: record.published if record else None for each, record in records.items()}


def _problems(results: Results, stored: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Return what is wrong with partitions: not in the store, else outdated by the event log.

    `stored` names the partitions that the store has of each asset, in the order of the graph.
    """
    recorded = partition_problems(results)
    problems: dict[str, str] = {}
    for key in results.partition_keys:
        absent = [asset for asset, keys in stored.items() if key not in keys]
        problem = f"{absent[0]} is missing" if absent else recorded.get(key)
        if problem is not None:
            problems[key] = problem
    return problems


@asset(
    "summary",
    sources=("stacking.py", "labels", "cross_validation/intervals.py", "panel.py"),
    settings=lambda region: region.settings.labels.excess,
)
def stacking_frame(step: Step, labels: Any, cv_splits: Any, oof_predictions: Any) -> Candidate:
    """What a second-layer model trains on: the out-of-fold predictions, side by side.

    A column for every model and horizon beside the labels of their rows, what these rows
    earned (`realized_21d`, never winsorized: what to score a stack on), the dates at which the
    labels end, and the fold of each row. Every row that any model predicts is there once; a
    value is missing where the row has no label of that horizon. A stacker holds out whole folds
    and purges its train rows by `label_end`.

    The purge of the base models guarantees, with `longest_horizon`, that no prediction of a row
    comes from a model that saw a label overlapping the row's longest window; with
    `per_horizon`, only the window of the same horizon, so that columns of different horizons
    must not be stacked side by side. Neither makes the stacker's own score unbiased: the
    predictions of its train rows come from models that saw its test labels. For that, train it
    on `nested_oof` (`cross_validation.nested`) and score it here, or predict by walk-forward.

    The metadata say how this region is purged.
    """
    from model2_assets.checks.summary import StackingChecks
    from model2_assets.stacking import base_columns, make_stacking_frame
    from model2_assets.storage.data_version import facts_of

    frame = make_stacking_frame(
        oof_predictions,
        labels=labels,
        cv_splits=cv_splits,
        partitions=step.region.partition_keys,
        excess=step.settings.labels.excess,
        region=step.region.name,
    )
    facts = facts_of(frame)
    horizons = step.settings.labels.horizon_keys
    return Candidate(
        frame,
        StackingChecks(frame, step.evidence),
        metadata={
            "columns": len(base_columns(frame)),
            "missing_columns": len(facts["missing_columns"]),
            "purge": facts["purge"],
            "guarantee": facts["guarantee"],
            "not_guaranteed": facts["not_guaranteed"],
        },
        figures=[f"rows_without_label_{horizon}" for horizon in horizons],
    )


@asset(
    "summary",
    sources=("reports", "evaluation", "labels", "panel.py"),
    # It names the partitions that are missing.
    settings=lambda region: [report_settings(region), sorted(region.models)],
    kinds=("matplotlib",),
    is_wanted=lambda region: region.config.reports.tear_sheets,
)
def region_report(
    step: Step,
    labels: Any,
    oof_predictions: Any,
    cv_scores: Any,
    tear_sheet: Any,
    leaderboard: Any,
) -> Candidate:
    """Every model and horizon of the region on one page: a self-contained HTML file.

    The leaderboard with links to the tear sheets, rank ICs with their errors, rank IC and
    spread over time (on realized returns), folds side by side, and the data versions behind
    each. Partitions that are
    missing are named. It opens offline, in light and dark, and prints. Cross-validation trains
    on the future of its test blocks: nothing in it is a backtest.
    """
    from model2_assets import reports

    html = reports.region_report(
        reports.RegionResults(leaderboard, cv_scores, oof_predictions, labels),
        region=step.region.name,
        config=step.settings,
        partitions=step.region.partition_keys,
        reports=tuple(tear_sheet),
    )
    return report_candidate(step, html, reports.REGION_PARTS)


ASSETS = (leaderboard, stacking_frame, region_report)
"""Assets of all partitions, in the order of the graph."""
