"""Old versions of results: kept when a result is published, read and restored later."""

from model2_assets.versions._archive import VERSIONS, Archive
from model2_assets.versions._find import MIN_PREFIX, digits_of, find_version
from model2_assets.versions._origin import (
    Origin,
    inputs_element,
    origin_of,
    origin_of_models,
    origin_of_report,
)
from model2_assets.versions._rollback import (
    Rollback,
    kept_models,
    members_of,
    plan_rollback,
    restore,
    scores_of,
    verify_rollback,
)
from model2_assets.versions._version import Version

__all__ = [
    "MIN_PREFIX",
    "VERSIONS",
    "Archive",
    "Origin",
    "Rollback",
    "Version",
    "digits_of",
    "find_version",
    "inputs_element",
    "kept_models",
    "members_of",
    "origin_of",
    "origin_of_models",
    "origin_of_report",
    "plan_rollback",
    "restore",
    "scores_of",
    "verify_rollback",
]
