"""How far the models are from what the machine can do."""

from collections.abc import Iterator
from typing import Any

from benchmarks.evidence import Evidence
from benchmarks.sizes import N_FEATURES
from benchmarks.xgboost_by_hand import DEPTH


def bounds(evidence: Evidence) -> Iterator[str]:
    """Yield the section that compares fits with the yardsticks of `benchmarks.limits`."""
    found = [m for m in evidence.measurements if m.program == "limits"]
    if not found:
        return
    limits = max(found, key=lambda m: m.date).facts
    yield "\n## What bounds the time\n"
    yield (
        f"This machine copies {limits['copy_gb_s']:.0f} GB/s and forms XᵀX at "
        f"{limits['gram_gflop_s']:.0f} GFlop/s on all {limits['cores']} cores; adding a row's "
        f"gradient and hessian to one bin takes {limits['histogram_ns']:.2f} ns of a core in a "
        f"plain compiled loop. Above 100%, XGBoost's own loop is faster than that one, or small "
        f"children are rarer than assumed: histograms are all that its time is spent on.\n"
    )
    yield "| fits | size | measured | yardstick | of the measured time | what it is |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for size in evidence.sizes:
        for program in ("xgboost_exact", "xgboost_default", "xgboost_fast", "ridge_ours"):
            yield from _line(evidence, program, size, limits)


def _line(evidence: Evidence, program: str, size: str, limits: dict[str, Any]) -> Iterator[str]:
    runs = [m for m in evidence.runs(program, size) if "fitted_rows" in m.facts]
    if not runs:
        return
    seconds, rows = runs[-1].phases["fit"], runs[-1].facts["fitted_rows"]
    if program == "ridge_ours":
        # Every row is in one pass, and in four of five train sets.
        flop = 2 * (rows / 4 / 2) * (N_FEATURES + 1) ** 2
        bound, text = flop / limits["gram_gflop_s"] / 1e9, "XᵀX of every row, once"
    else:
        # The root sees every row, each further level the smaller children: half at most.
        visits = 1 + (DEPTH - 1) / 2
        values = rows * N_FEATURES * runs[-1].trees * visits
        bound = 1e-9 * values * limits["histogram_ns"] / limits["cores"]
        text = f"histograms, {visits:g} visits of a row in a tree at most"
    share = bound / seconds
    yield f"| `{program}` | {size} | {seconds:.1f} s | {bound:.1f} s | {share:.0%} | {text} |"
