"""Assets that put all partitions side by side."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import dagster as dg

from model2_assets.defs.io_manager import address_of
from model2_assets.defs.metadata import leaderboard_metadata
from model2_assets.defs.publication import REPORT_CHECKS, publish, report_links
from model2_assets.defs.recorded import EventLog, Results, partition_problems, recorded_costs
from model2_assets.defs.region import CheckText, Region
from model2_assets.defs.steps import core_call

_LEADERBOARD = """\
Every model and horizon of the region, side by side.

Combinatorial cross-validation trains on the future of its test blocks: these scores
validate a forecaster and are never a backtest. `rank_ic` is that of a row's mean
prediction, beside it the range over complete paths of single predictions: means flatter.
The probability of backtest overfitting says how often choosing the best of a horizon's
models would have failed; below four models it is withheld.

`rank_ic_change` compares with the leaderboard that this one replaced, and the check
`rank_ic_held` warns where rank IC fell by more than its standard error. Dagster's badge of a
partitioned asset stays fresh while single partitions are stale or missing: the check
`partitions_current` names them. `oof_rank_correlation` says how alike the models rank the
names of a date, on rows that all of them have: the mean over dates of the Spearman correlation
across names. What a stack can gain from them lies in their differences.

`costs` says what every step took when its result was last made, and `within_budget` holds the
sum of the seconds, the largest memory and the size of all fold models against the budgets. The
leaderboard itself, and what is made from it, count as of the time before.
"""


def leaderboard_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``leaderboard`` asset."""
    limits = region.config.checks

    @region.asset(
        "leaderboard",
        description=_LEADERBOARD,
        inputs=("labels", "cv_scores", "oof_predictions", "fitted_models"),
        kinds=("pandas",),
        checks={
            "contract": CheckText("Names, types, ranges and key of Leaderboard."),
            "scores_complete": CheckText(
                "Every fold and split of every partition that is there has its scores."
            ),
            "same_inputs": CheckText(
                "All partitions were made from the same labels, features and splits.",
                blocking=False,
            ),
            "rank_ic_held": CheckText(
                "No rank IC fell by more than its standard error since the leaderboard before.",
                blocking=False,
            ),
            "partitions_current": CheckText(
                "No partition is missing, or made from what has changed since.",
                blocking=False,
            ),
            "within_budget": CheckText(
                f"All steps together take less than {limits.hours:g} hours, none more than "
                f"{limits.rss_gb:g} GB of memory, and all fold models together less than "
                f"{limits.models_mb:g} MB; 80% of any of these warns.",
                blocking=False,
            ),
        },
    )
    def leaderboard(
        context: dg.AssetExecutionContext,
        labels: Any,
        cv_scores: Any,
        oof_predictions: Any,
        fitted_models: Any,
    ) -> Iterator[Any]:
        from model2_assets.checks import (
            check_contract,
            check_partitions_current,
            check_rank_ic_held,
            check_same_inputs,
            check_scores_complete,
            check_within_budget,
        )
        from model2_assets.evaluation.leaderboard import (
            compare_partitions,
            folds_of,
            leaderboard_version,
            oof_rank_correlation,
            rank_ic_changes,
        )
        from model2_assets.evaluation.overfitting import overfitting_by_horizon
        from model2_assets.storage.read import previous_result

        with core_call(context):
            manifests = {key: stored.manifest for key, stored in fitted_models.items()}
            overfitting = overfitting_by_horizon(
                oof_predictions,
                labels,
                execution_lag_days=region.settings.labels.execution_lag_days,
            )
            for horizon, found in overfitting.items():
                context.log.info(
                    f"{horizon}: probability of backtest overfitting {found.description}"
                )
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
            changes = rank_ic_changes(board, previous.table)
            recorded = region.results(context.instance)
            costs = recorded_costs(recorded)
            problems = _problems(
                recorded,
                {
                    "fitted_models": fitted_models,
                    "oof_predictions": oof_predictions,
                    "cv_scores": cv_scores,
                },
            )
            total = sum(manifest.total_bytes for manifest in manifests.values())
            yield from publish(
                context,
                region,
                board,
                [
                    check_contract(board, "Leaderboard"),
                    check_scores_complete(
                        cv_scores,
                        partitions=region.partition_keys,
                        n_folds=folds_of(oof_predictions),
                        n_splits={key: len(kept.folds) for key, kept in manifests.items()},
                    ),
                    check_same_inputs(
                        oof_predictions,
                        models={key: m.data_version for key, m in manifests.items()},
                    ),
                    check_rank_ic_held(changes, no_comparison=previous.problem),
                    check_partitions_current(problems, partitions=region.partition_keys),
                    check_within_budget(total, costs, budgets=limits),
                ],
                data_version=leaderboard_version(board),
                metadata={
                    **leaderboard_metadata(
                        board,
                        changes=changes,
                        correlation=oof_rank_correlation(oof_predictions),
                        problems=problems,
                        costs=costs,
                    ),
                    "models_mb": total / 1e6,
                    **{f"pbo_{horizon}": f.description for horizon, f in overfitting.items()},
                },
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


_STACKING_FRAME = """\
What a second-layer model trains on: the out-of-fold predictions of all models and horizons.

A column for every model and horizon beside the labels of their rows, the dates at which these
end, and the fold of each row. Every row that any model predicts is there once; a value is
missing where the row has no label of that horizon. A stacker holds out whole folds and purges
its train rows by `label_end`.

The purge of the base models guarantees, with `longest_horizon`, that no prediction of a row
comes from a model that saw a label overlapping the row's longest window; with `per_horizon`,
only the window of the same horizon, so that columns of different horizons must not be stacked
side by side. Neither makes the stacker's own score unbiased: the predictions of its train
rows come from models that saw its test labels. For that, train it on `nested_oof`
(`cross_validation.nested`) and score it here, or predict by walk-forward.
"""


def stacking_frame_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``stacking_frame`` asset."""
    purge = region.settings.cross_validation.purge

    @region.asset(
        "stacking_frame",
        description=f"{_STACKING_FRAME}\nThis region is configured with `purge: {purge}`.\n",
        inputs=("labels", "cv_splits", "oof_predictions"),
        kinds=("pandas",),
        checks={
            "contract": CheckText("Names, types, key and order of StackingFrame."),
            "complete": CheckText(
                "Every prediction and every label is in its own row, each row once; compared by "
                "position and by a table of dates and instruments, not by the join's keys."
            ),
            "same_inputs": CheckText(
                "All columns were made from the labels, features and splits at hand."
            ),
            "columns": CheckText("Every model and horizon has its column.", blocking=False),
            "side_by_side": CheckText(
                "Columns of all horizons may be stacked side by side: splits are purged with "
                "the longest label of a row.",
                blocking=False,
            ),
        },
    )
    def stacking_frame(
        context: dg.AssetExecutionContext, labels: Any, cv_splits: Any, oof_predictions: Any
    ) -> Iterator[Any]:
        from model2_assets.checks import check_stacking_frame
        from model2_assets.stacking import base_columns, make_stacking_frame
        from model2_assets.storage.provenance import data_version_of, facts_of

        with core_call(context):
            frame = make_stacking_frame(
                oof_predictions,
                labels=labels,
                cv_splits=cv_splits,
                partitions=region.partition_keys,
                region=region.name,
            )
            outcomes = check_stacking_frame(
                frame,
                oof_predictions,
                labels=labels,
                cv_splits=cv_splits,
                partitions=region.partition_keys,
            )
            facts = facts_of(frame)
            yield from publish(
                context,
                region,
                frame,
                outcomes,
                data_version=data_version_of(frame),
                metadata={
                    "dagster/row_count": len(frame),
                    "columns": len(base_columns(frame)),
                    "missing_columns": len(facts["missing_columns"]),
                    **{
                        name: value
                        for outcome in outcomes
                        for name, value in outcome.values.items()
                        if name.startswith("rows_without_")
                    },
                    "purge": facts["purge"],
                    "guarantee": facts["guarantee"],
                    "not_guaranteed": facts["not_guaranteed"],
                },
            )

    return stacking_frame


_REGION_REPORT = """\
Every model and horizon of the region on one page: a self-contained HTML file.

The leaderboard with links to the tear sheets, rank ICs with their errors, rank IC and spread
over time, folds side by side, and the data versions behind each. Partitions that are missing
are named. It opens offline, in light and dark, and prints. Cross-validation trains on the
future of its test blocks: nothing in it is a backtest.
"""


def region_report_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``region_report`` asset."""

    @region.asset(
        "region_report",
        description=_REGION_REPORT,
        inputs=("labels", "oof_predictions", "cv_scores", "tear_sheet", "leaderboard"),
        kinds=("matplotlib",),
        checks=REPORT_CHECKS,
    )
    def region_report(
        context: dg.AssetExecutionContext,
        labels: Any,
        oof_predictions: Any,
        cv_scores: Any,
        tear_sheet: Any,
        leaderboard: Any,
    ) -> Iterator[Any]:
        from model2_assets import reports
        from model2_assets.checks import check_report

        with core_call(context):
            html = reports.region_report(
                leaderboard,
                cv_scores,
                oof_predictions,
                labels,
                region=region.name,
                config=region.settings,
                partitions=region.partition_keys,
                reports=tuple(tear_sheet),
            )
            yield from publish(
                context,
                region,
                html,
                check_report(html, reports.REGION_PARTS),
                data_version=reports.report_digest(html),
                metadata=report_links(context, region),
            )

    return region_report
