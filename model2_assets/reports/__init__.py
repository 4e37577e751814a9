"""Tear sheets: HTML files that open offline, in light, in dark and on paper."""

from model2_assets.reports._digest import report_digest
from model2_assets.reports._parts import PARTITION_PARTS, REGION_PARTS
from model2_assets.reports.partition_report import partition_report
from model2_assets.reports.region_report import region_report

__all__ = [
    "PARTITION_PARTS",
    "REGION_PARTS",
    "partition_report",
    "region_report",
    "report_digest",
]
