"""Scores of the out-of-fold predictions, fold by fold and over all rows.

Combinatorial cross-validation trains on the future of its test blocks: these scores
validate a forecaster and are never a backtest.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.metadata import scores_table
from model2_assets.defs.partitions import split_partition_key
from model2_assets.defs.publication import publish
from model2_assets.defs.region import CheckText, Region


def cv_scores_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``cv_scores`` asset."""

    @region.asset(
        "cv_scores",
        description=__doc__,
        inputs=("oof_predictions", "labels"),
        partitioned=True,
        kinds=("pandas",),
        checks={"contract": CheckText("Every line keeps CVScores.")},
    )
    def cv_scores(
        context: dg.AssetExecutionContext, oof_predictions: Any, labels: Any
    ) -> Iterator[Any]:
        from model2_assets.checks import check_contract
        from model2_assets.data_version import table_digest
        from model2_assets.evaluation import describe_scores, score_partition

        horizon, model = split_partition_key(context.partition_key)
        with core_call(context):
            scores = score_partition(
                oof_predictions,
                labels,
                horizon=horizon,
                model=model,
                execution_lag_days=region.settings.labels.execution_lag_days,
            )
            for line in describe_scores(scores):
                context.log.info(line)
            overall = scores[scores["scope"] == "all"].set_index("metric")["value"]
            yield from publish(
                context,
                region,
                scores,
                [check_contract(scores, "CVScores")],
                data_version=table_digest(scores),
                metadata={
                    "dagster/row_count": len(scores),
                    "scores": scores_table(scores),
                    **{str(name): value for name, value in overall.dropna().items()},
                },
            )

    return cv_scores
