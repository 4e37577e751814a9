"""Scores of the out-of-fold predictions: per fold, split and path, and over all rows.

Folds and all rows are scored by a row's mean prediction, splits and paths by the
predictions as they were made: means flatter. With one test group a split, splits are folds
and the one path is all. Combinatorial cross-validation trains on the future of its test
blocks: these scores validate a forecaster and are never a backtest.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.metadata import overall_scores, scores_table
from model2_assets.defs.partitions import split_partition_key
from model2_assets.defs.publication import publish
from model2_assets.defs.region import CheckText, Region


def cv_scores_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``cv_scores`` asset."""

    @region.asset(
        "cv_scores",
        description=__doc__,
        inputs=("oof_predictions", "oof_paths", "labels"),
        partitioned=True,
        kinds=("pandas",),
        checks={"contract": CheckText("Every line keeps CVScores.")},
    )
    def cv_scores(
        context: dg.AssetExecutionContext, oof_predictions: Any, oof_paths: Any, labels: Any
    ) -> Iterator[Any]:
        from model2_assets.charts import score_pictures
        from model2_assets.checks import check_contract
        from model2_assets.data_version import table_digest
        from model2_assets.evaluation import describe_scores, score_partition
        from model2_assets.provenance import data_versions_of, with_provenance

        horizon, model = split_partition_key(context.partition_key)
        lag = region.settings.labels.execution_lag_days
        with core_call(context):
            scores = score_partition(
                oof_predictions,
                oof_paths,
                labels,
                horizon=horizon,
                model=model,
                execution_lag_days=lag,
                n_trials=len(region.partition_keys),
            )
            for line in describe_scores(scores):
                context.log.info(line)
            version = table_digest(scores)
            inputs = data_versions_of(
                oof_predictions=oof_predictions, oof_paths=oof_paths, labels=labels
            )
            yield from publish(
                context,
                region,
                with_provenance(scores, data_version=version, inputs=inputs),
                [check_contract(scores, "CVScores")],
                data_version=version,
                metadata={
                    "dagster/row_count": len(scores),
                    "scores": scores_table(scores),
                    **overall_scores(scores),
                },
                pictures=lambda: score_pictures(
                    oof_predictions, labels, scores, horizon=horizon, execution_lag_days=lag
                ),
            )

    return cv_scores
