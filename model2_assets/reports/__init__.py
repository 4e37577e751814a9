"""Tear sheets: HTML files that open offline, in light, in dark and on paper."""

from model2_assets.reports.document import report_digest
from model2_assets.reports.from_models import tear_sheet
from model2_assets.reports.region import REGION_PARTS, RegionResults, region_report
from model2_assets.reports.tear_sheet import PARTITION_PARTS, PartitionResults, partition_report

__all__ = [
    "PARTITION_PARTS",
    "REGION_PARTS",
    "PartitionResults",
    "RegionResults",
    "partition_report",
    "region_report",
    "report_digest",
    "tear_sheet",
]
