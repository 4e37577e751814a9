"""The verdict on a whole command: what ran, what failed, what is missing, in words and files."""

from model2_assets.gate._partitions import StoredPartition, look_at_partitions
from model2_assets.gate._report import GateReport
from model2_assets.gate._results import CheckResult, RunResult, StepResult
from model2_assets.gate._summary import GateSummary, problem_lines

__all__ = [
    "CheckResult",
    "GateReport",
    "GateSummary",
    "RunResult",
    "StepResult",
    "StoredPartition",
    "look_at_partitions",
    "problem_lines",
]
