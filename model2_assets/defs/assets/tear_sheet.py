"""Everything about one model and horizon on one page: a self-contained HTML file.

Scores by fold and path, rank IC over time, its distribution and months, returns by quantile,
the spread added up without counting overlapping windows twice, turnover and persistence,
importances, and what it was all made from. It opens offline, in light and dark, and prints. It
says what its numbers are not: cross-validation trains on the future of its test blocks, so
nothing in it is a backtest.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.publication import publish
from model2_assets.defs.region import Region
from model2_assets.defs.reports import REPORT_CHECKS, report_links


def tear_sheet_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``tear_sheet`` asset."""

    @region.asset(
        "tear_sheet",
        description=__doc__,
        inputs=("labels", "fitted_models", "oof_predictions", "cv_scores", "feature_importance"),
        partitioned=True,
        kinds=("matplotlib",),
        checks=REPORT_CHECKS,
    )
    def tear_sheet(
        context: dg.AssetExecutionContext,
        labels: Any,
        fitted_models: Any,
        oof_predictions: Any,
        cv_scores: Any,
        feature_importance: Any,
    ) -> Iterator[Any]:
        from model2_assets.checks import check_report
        from model2_assets.reports import PARTITION_PARTS, partition_report, report_digest

        with core_call(context):
            html = partition_report(
                oof_predictions,
                cv_scores,
                feature_importance,
                labels,
                fitted_models.manifest,
                config=region.settings,
                prediction_bps=region.config.checks.prediction_bps,
            )
            yield from publish(
                context,
                region,
                html,
                check_report(html, PARTITION_PARTS),
                data_version=report_digest(html),
                metadata=report_links(context, region),
            )

    return tear_sheet
