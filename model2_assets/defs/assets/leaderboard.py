"""Every model and horizon of the region, side by side.

Combinatorial cross-validation trains on the future of its test blocks: these scores
validate a forecaster and are never a backtest. `rank_ic` is that of a row's mean
prediction, beside it the range over complete paths of single predictions: means flatter.
The probability of backtest overfitting says how often choosing the best of a horizon's
models would have failed; below four models it is withheld. A partition that has not been
materialized is named by the check `scores_complete`.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.metadata import table
from model2_assets.defs.publication import publish
from model2_assets.defs.region import CheckText, Region


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
                "Every fold and split of every partition is scored; a missing partition warns."
            ),
            "same_inputs": CheckText(
                "All partitions were made from the same labels, features and splits.",
                blocking=False,
            ),
            "models_size": CheckText(
                f"All fold models together stay below {limits.models_mb:g} MB."
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
            check_models_size,
            check_same_inputs,
            check_scores_complete,
        )
        from model2_assets.evaluation import (
            compare_partitions,
            folds_of,
            leaderboard_version,
            overfitting_by_horizon,
        )

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
            board = compare_partitions(
                scores=cv_scores,
                oof=oof_predictions,
                manifests=manifests,
                overfitting=overfitting,
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
                    check_models_size(total, limit_mb=limits.models_mb),
                ],
                data_version=leaderboard_version(board),
                metadata={
                    "dagster/row_count": len(board),
                    "leaderboard": table(board.drop(columns="data_version")),
                    "models_mb": total / 1e6,
                    **{f"pbo_{horizon}": f.description for horizon, f in overfitting.items()},
                },
            )

    return leaderboard
