"""Assets that put all partitions side by side."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import dagster as dg

from model2_assets.defs.io_manager import address_of
from model2_assets.defs.metadata import leaderboard_metadata
from model2_assets.defs.publication import publish, publish_report
from model2_assets.defs.recorded import EventLog, Results, partition_problems, recorded_costs
from model2_assets.defs.region import Region

Context = dg.AssetExecutionContext


def _leaderboard(region: Region) -> dg.AssetsDefinition:
    @region.asset(kinds=("pandas",))
    def leaderboard(
        context: Context, labels: Any, cv_scores: Any, oof_predictions: Any, fitted_models: Any
    ) -> Iterator[Any]:
        """Every model and horizon of the region, side by side.

        Combinatorial cross-validation trains on the future of its test blocks: these scores
        validate a forecaster and are never a backtest. `rank_ic` is that of a row's mean
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
        from model2_assets.storage.read import previous_result

        manifests = {key: stored.manifest for key, stored in fitted_models.items()}
        overfitting = overfitting_by_horizon(
            oof_predictions, labels, execution_lag_days=region.settings.labels.execution_lag_days
        )
        overfitting_texts = {h: found.description for h, found in overfitting.items()}
        for horizon, text in overfitting_texts.items():
            context.log.info(f"{horizon}: probability of backtest overfitting {text}")
        previous = previous_result(region.store, region.address(context))
        board = compare_partitions(
            scores=cv_scores,
            oof=oof_predictions,
            manifests=manifests,
            overfitting=overfitting,
            trained_at={
                key: EventLog(context.instance).made_at(
                    region.store,
                    address_of(region.key("fitted_models"), key),
                    manifest.data_version,
                )
                for key, manifest in manifests.items()
            },
            previous=previous.table,
        )
        recorded = region.results(context.instance)
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
        yield from publish(
            context,
            region,
            board,
            LeaderboardChecks(
                board,
                scores=cv_scores,
                oof=oof_predictions,
                manifests=manifests,
                partitions=region.partition_keys,
                limits=region.config.checks,
                history=history,
            ),
            data_version=leaderboard_version(board),
            metadata={
                **leaderboard_metadata(
                    board,
                    changes=history.changes,
                    correlation=oof_rank_correlation(oof_predictions),
                    problems=history.problems,
                    costs=history.costs,
                ),
                **{f"pbo_{horizon}": text for horizon, text in overfitting_texts.items()},
            },
            figures=("models_mb",),
        )

    return leaderboard


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


def _stacking_frame(region: Region) -> dg.AssetsDefinition:
    @region.asset(kinds=("pandas",))
    def stacking_frame(
        context: Context, labels: Any, cv_splits: Any, oof_predictions: Any
    ) -> Iterator[Any]:
        """What a second-layer model trains on: the out-of-fold predictions, side by side.

        A column for every model and horizon beside the labels of their rows, the dates at which
        these end, and the fold of each row. Every row that any model predicts is there once; a
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
            partitions=region.partition_keys,
            region=region.name,
        )
        facts = facts_of(frame)
        horizons = region.settings.labels.horizon_keys
        yield from publish(
            context,
            region,
            frame,
            StackingChecks(frame, oof_predictions, labels, cv_splits, region.partition_keys),
            metadata={
                "columns": len(base_columns(frame)),
                "missing_columns": len(facts["missing_columns"]),
                "purge": facts["purge"],
                "guarantee": facts["guarantee"],
                "not_guaranteed": facts["not_guaranteed"],
            },
            figures=[f"rows_without_label_{horizon}" for horizon in horizons],
        )

    return stacking_frame


def _region_report(region: Region) -> dg.AssetsDefinition:
    @region.asset(kinds=("matplotlib",))
    def region_report(
        context: Context,
        labels: Any,
        oof_predictions: Any,
        cv_scores: Any,
        tear_sheet: Any,
        leaderboard: Any,
    ) -> Iterator[Any]:
        """Every model and horizon of the region on one page: a self-contained HTML file.

        The leaderboard with links to the tear sheets, rank ICs with their errors, rank IC and
        spread over time, folds side by side, and the data versions behind each. Partitions that are
        missing are named. It opens offline, in light and dark, and prints. Cross-validation trains
        on the future of its test blocks: nothing in it is a backtest.
        """
        from model2_assets import reports

        html = reports.region_report(
            reports.RegionResults(leaderboard, cv_scores, oof_predictions, labels),
            region=region.name,
            config=region.settings,
            partitions=region.partition_keys,
            reports=tuple(tear_sheet),
        )
        yield from publish_report(context, region, html, reports.REGION_PARTS)

    return region_report


BUILDERS = {
    "leaderboard": _leaderboard,
    "stacking_frame": _stacking_frame,
    "region_report": _region_report,
}
"""Functions that build the assets of all partitions, in the order of the graph."""
