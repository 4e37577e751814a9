"""Every model and horizon of the region on one page: a self-contained HTML file.

The leaderboard with links to the tear sheets, rank ICs with their errors, rank IC and spread
over time, folds side by side, and the data versions behind each. Partitions that are missing
are named. It opens offline, in light and dark, and prints. Cross-validation trains on the
future of its test blocks: nothing in it is a backtest.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.publication import publish
from model2_assets.defs.region import Region
from model2_assets.defs.reports import REPORT_CHECKS, report_links


def region_report_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``region_report`` asset."""

    @region.asset(
        "region_report",
        description=__doc__,
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
