"""Every model and horizon of the region, side by side.

Combinatorial cross-validation trains on the future of its test blocks: these scores
validate a forecaster and are never a backtest. A partition that has not been
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
        inputs=("cv_scores", "oof_predictions", "fitted_models"),
        kinds=("pandas",),
        checks={
            "contract": CheckText("Names, types, ranges and key of Leaderboard."),
            "scores_complete": CheckText(
                "Every fold of every partition is scored; a missing partition warns."
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
        )

        with core_call(context):
            manifests = {key: stored.manifest for key, stored in fitted_models.items()}
            board = compare_partitions(scores=cv_scores, oof=oof_predictions, manifests=manifests)
            total = int(board["models_bytes"].sum())
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
                },
            )

    return leaderboard
