"""One verdict of each kind, by hand."""

from datetime import UTC, datetime

from model2_assets.cli.gate import GateSummary, StoredPartition
from model2_assets.defs.retrain import CheckResult, RunResult, StepResult

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

PREPARATION = RunResult(
    "us",
    "us_preparation",
    status="passed",
    seconds=1.25,
    run_id="r1",
    steps=(StepResult("us/market_data", "passed", 0.5), StepResult("us/labels", "passed", 0.25)),
    checks=(CheckResult("us/labels", "contract", True, "error", "10 rows keep Labels"),),
)
TRAINING = RunResult(
    "us",
    "us_training",
    status="failed",
    partition="21d|ridge",
    seconds=3.5,
    run_id="r2",
    steps=(
        StepResult("us/fitted_models", "passed", 1.5),
        StepResult("us/oof_predictions", "failed", 1.0, "not published.\n check range: too large"),
        StepResult("us/cv_scores", "skipped", reason="a step before it failed"),
    ),
    checks=(
        CheckResult("us/fitted_models", "complete", True, "error", "5 of 5", "21d|ridge"),
        CheckResult("us/oof_predictions", "range", False, "error", "1,200 bps\x1b[0m", "21d|ridge"),
        CheckResult("us/oof_predictions", "rank_ic", False, "warn", "0.2 > 0.1", "21d|ridge"),
    ),
)
SKIPPED = RunResult("eu", "eu_summary", status="skipped", reason="the preparation of eu failed")
CRASHED = RunResult(
    "eu", "eu_preparation", status="failed", reason="no\nsuch resource", run_id="r3"
)
PRESENT = StoredPartition("us", "21d|ridge")
MISSING = StoredPartition(
    "us", "63d|xgboost", ("oof_paths: not there", "cv_scores: damaged", "tear_sheet: /x: not there")
)


def summary(*runs: RunResult, partitions: tuple[StoredPartition, ...] = ()) -> GateSummary:
    return GateSummary("retrain", STARTED, 6.5, runs, partitions)
