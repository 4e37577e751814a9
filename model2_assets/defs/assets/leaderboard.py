"""Every model and horizon of the region, side by side.

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

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.costs import recorded_costs
from model2_assets.defs.leaderboard_metadata import leaderboard_metadata
from model2_assets.defs.publication import publish
from model2_assets.defs.region import CheckText, Region
from model2_assets.defs.staleness import RecordedResults, partition_problems
from model2_assets.defs.trained_at import trained_at


def leaderboard_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``leaderboard`` asset."""
    limits = region.config.checks

    @region.asset(
        "leaderboard",
        description=__doc__,
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
        from model2_assets.evaluation import (
            compare_partitions,
            folds_of,
            leaderboard_version,
            oof_rank_correlation,
            overfitting_by_horizon,
            rank_ic_changes,
        )
        from model2_assets.previous_result import previous_result

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
                trained_at=trained_at(context.instance, region, manifests),
                previous=previous.table,
            )
            changes = rank_ic_changes(board, previous.table)
            recorded = RecordedResults(context.instance, region)
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


def _problems(results: RecordedResults, stored: Mapping[str, Collection[str]]) -> dict[str, str]:
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
