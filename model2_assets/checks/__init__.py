"""What has to hold of every result: a catalogue of checks, and their predicates."""

from model2_assets.checks.catalogue import (
    CATALOGUE,
    Check,
    CheckOutcome,
    Finding,
    checks_of,
    evaluate,
    failed_errors,
    rejections,
)

__all__ = [
    "CATALOGUE",
    "Check",
    "CheckOutcome",
    "Finding",
    "checks_of",
    "evaluate",
    "failed_errors",
    "rejections",
]
