"""Renders RESULTS.md from the measurements."""

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.bounds import bounds
from benchmarks.evidence import Evidence, stated
from benchmarks.inputs import HORIZONS
from benchmarks.levers import LEVERS
from benchmarks.programs import PROGRAMS
from benchmarks.record import FOLDER, Measurement, read
from benchmarks.rows import Row, all_rows
from benchmarks.sizes import SIZES

NOTES = FOLDER / "NOTES.md"
"""What the figures mean, written by hand and appended."""


def write_report(measurements: Path, results: Path, *, trees: int = 300) -> None:
    """Write the report.

    Parameters
    ----------
    measurements : Path
        File of measurements.
    results : Path
        Written anew.
    trees : int, default 300
        Take the measurements of models with so many trees.
    """
    evidence = Evidence.of(read(measurements), trees)
    results.write_text("\n".join(_document(evidence, trees)) + "\n", encoding="utf-8")


def _document(evidence: Evidence, trees: int) -> Iterator[str]:
    yield "# Results of the benchmarks"
    yield ""
    yield from _setting(evidence, trees)
    rows = all_rows(evidence)
    yield "\n## Goals and measurements\n"
    yield from _goals(rows)
    yield (
        "\nTimes are medians (lowest to highest where there are several runs) and include reading "
        "the stored tables. Peak: ours / baseline, the process tree's summed PSS. † A phase of the "
        "hand-written job, which reads once for all."
    )
    lost = [row for row in rows if row.goal and row.met is False]
    yield "\n## Where we lose\n"
    yield from (
        f"- {row.measure.removeprefix('– ')} ({row.size or 'all'}): {row.ratio or row.ours}; "
        f"goal {row.goal}"
        for row in lost
    )
    if not lost:
        yield "No goal that was measured is missed."
    yield from _levers(evidence)
    yield "\n## Time by phase\n"
    for size in evidence.sizes:
        yield from _phases(evidence, size)
    yield from bounds(evidence)
    if NOTES.exists():
        yield "\n" + NOTES.read_text(encoding="utf-8").rstrip()
    yield "\n## At which commit\n"
    yield "A tree with changed files, as these measurements themselves, is `-dirty`.\n"
    yield from _commits(evidence)


def _setting(evidence: Evidence, trees: int) -> Iterator[str]:
    found = evidence.measurements
    yield (
        f"Rendered from `measurements.jsonl` by `python -m benchmarks report`; "
        f"`benchmarks/README.md` says how it is measured. Trees of every XGBoost model: {trees}.\n"
    )
    yield f"- machine: {'; '.join(stated(found, 'machine'))}"
    versions = sorted({f"{name} {v}" for m in found for name, v in m.versions.items()})
    yield f"- versions: {', '.join(versions)}"
    qlib = {m.facts["pyqlib"] for m in found if "pyqlib" in m.facts}
    if qlib:
        yield f"- Qlib: pyqlib {', '.join(sorted(qlib))}"
    dates = stated(found, "date")
    measured = f"{dates[0]} to {dates[-1]}, each at the commit of the last table" if dates else "–"
    yield f"- measured: {measured}"
    for name in evidence.sizes:
        size = SIZES[name]
        yield f"- {name}: {size.n_instruments:,} instruments × {size.n_dates:,} dates, 158 features"


def _goals(rows: Sequence[Row]) -> Iterator[str]:
    yield from _table(
        ["measure", "size", "ours", "baseline", "ratio", "peak", "goal", "verdict"],
        [[r.measure, r.size, r.ours, r.baseline, r.ratio, r.peak, r.goal, r.verdict] for r in rows],
    )


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "|" + " --- |" * len(header)
    yield from ("| " + " | ".join(line) + " |" for line in lines)


def _levers(evidence: Evidence) -> Iterator[str]:
    texts = {f"lever_{name}": lever.text for name, lever in LEVERS.items()}
    texts |= {"xgboost_default": "**default profile**", "xgboost_fast": "**fast profile**"}
    for size in evidence.sizes:
        exact = evidence.timing("xgboost_exact", size)
        lines = [_lever_line(evidence, size, program, text) for program, text in texts.items()]
        if exact is None or not any(line for line in lines):
            continue
        yield f"\n## Levers, size {size}, each alone against the exact profile ({exact})\n"
        yield from _table(
            [
                "lever",
                "time",
                "times faster",
                "rank IC, ratio (lower bound)",
                "markets",
                "correlation",
            ],
            [line for line in lines if line],
        )


def _lever_line(evidence: Evidence, size: str, program: str, text: str) -> list[str]:
    exact, own = evidence.timing("xgboost_exact", size), evidence.timing(program, size)
    if exact is None or own is None:
        return []
    ic = evidence.ic_ratio(program, "xgboost_exact", size)
    # The profiles are compared with the baseline, whose trees the exact profile has.
    baseline = "xgboost_exact" if program.startswith("lever_") else "xgboost_by_hand"
    told = evidence.versus(program, baseline, size)
    return [
        text,
        str(own),
        f"{exact.median / own.median:.2f} ×",
        f"{ic.ratio:.3f} ({ic.lower:.3f})" if ic else "",
        str(ic.n_seeds) if ic else "",
        ", ".join(f"{told[h]['correlation']:.3f}" for h in HORIZONS) if told else "",
    ]


def _commits(evidence: Evidence) -> Iterator[str]:
    runs = [(p, s, evidence.runs(p, s)) for p in PROGRAMS for s in evidence.sizes]
    yield from _table(
        ["program", "size", "runs", "commits", "measured"],
        [
            [f"`{p}`", s, str(len(found)), ", ".join(stated(found, "commit")), _days(found)]
            for p, s, found in runs
            if found
        ],
    )


def _days(runs: Sequence[Measurement]) -> str:
    days = sorted({run.date.split()[0] for run in runs})
    return " to ".join(dict.fromkeys((days[0], days[-1])))


def _phases(evidence: Evidence, size: str) -> Iterator[str]:
    lines = []
    for program in PROGRAMS:
        runs = evidence.runs(program, size)
        if runs and not program.startswith("lever_") and len(runs[-1].phases) > 1:
            medians = {
                phase: statistics.median(m.phases.get(phase, 0.0) for m in runs)
                for phase in runs[-1].phases
            }
            ordered = sorted(medians.items(), key=lambda item: -item[1])
            lines.append(
                [f"`{program}`", ", ".join(f"{name} {seconds:.3g} s" for name, seconds in ordered)]
            )
    if lines:
        yield f"Size {size}, medians, longest first:\n"
        yield from _table(["program", "phases"], lines)
        yield ""
