"""What has been measured, as the report asks for it."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.bootstrap import IcRatio, ic_ratio
from benchmarks.inputs import HORIZONS
from benchmarks.record import Key, Measurement

PHASE_OF_JOB = {
    "ridge_by_hand": "ridge",
    "xgboost_by_hand": "xgboost",
    "features_by_rolling": "features",
}
"""Phases of the hand-written job that stand for a baseline which was not run alone."""


@dataclass(frozen=True)
class Timing:
    """Times of a program.

    Attributes
    ----------
    seconds : tuple of float
        One a run.
    peak_bytes : int or None
        The median peak; None where the time is a phase of something larger.
    """

    seconds: tuple[float, ...]
    peak_bytes: int | None

    @property
    def median(self) -> float:
        """The median, in seconds."""
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        """Return the median, and the spread where there are several runs."""
        mark = " †" if self.peak_bytes is None else ""
        if len(self.seconds) == 1:
            return f"{_seconds(self.median)}{mark}"
        low, high = _seconds(min(self.seconds)), _seconds(max(self.seconds))
        return f"{_seconds(self.median)} ({low} to {high}, n = {len(self.seconds)})"


@dataclass(frozen=True)
class Evidence:
    """Measurements of models with a given number of trees.

    Attributes
    ----------
    measurements : tuple of Measurement
        The latest of every key.
    """

    measurements: tuple[Measurement, ...]

    @classmethod
    def of(cls, found: dict[Key, Measurement], trees: int) -> "Evidence":
        """Take the measurements with this number of trees, on the machine measured last."""
        chosen = [m for m in found.values() if m.trees == trees]
        machine = max(chosen, key=lambda m: m.date).machine if chosen else ""
        return cls(tuple(m for m in chosen if m.machine == machine))

    @property
    def sizes(self) -> list[str]:
        """Sizes measured; XS, which says nothing, only where there is no other."""
        present = {m.size for m in self.measurements}
        return [size for size in ("S", "M", "L") if size in present] or sorted(present)

    def runs(self, program: str, size: str) -> list[Measurement]:
        """Return the runs of a program on the first market."""
        found = self.of_program(program, size)
        first = min((m.seed for m in found), default=0)
        return [m for m in found if m.seed == first]

    def of_program(self, program: str, size: str) -> list[Measurement]:
        """Return the runs of a program on all markets."""
        return [m for m in self.measurements if m.program == program and m.size == size]

    def timing(self, program: str, size: str) -> Timing | None:
        """Return the times of a program, if need be as a phase of the hand-written job."""
        runs = self.runs(program, size)
        if runs:
            peak = statistics.median(m.peak_bytes for m in runs)
            return Timing(tuple(m.seconds for m in runs), int(peak))
        jobs = self.runs("job_by_hand", size) if program in PHASE_OF_JOB else []
        if jobs:
            return Timing(tuple(m.phases[PHASE_OF_JOB[program]] for m in jobs), None)
        return None

    def fact(self, program: str, size: str, name: str) -> Any:
        """Return a fact of the latest run, None where there is none."""
        runs = self.runs(program, size)
        return runs[-1].facts.get(name) if runs else None

    def versus(self, ours: str, baseline: str, size: str) -> dict[str, Any]:
        """Return what the latest comparison of two programs on the first market told."""
        both = [*self.runs(ours, size), *self.runs(baseline, size)]
        told = [
            m.quality["versus"][f"{ours} / {baseline}"]
            for m in sorted(both, key=lambda m: m.date)
            if f"{ours} / {baseline}" in m.quality.get("versus", {})
        ]
        found: dict[str, Any] = told[-1] if told else {}
        return found

    def trees_equal(self, ours: str, other: str, size: str) -> tuple[int, int] | None:
        """Return how many models of two programs have equal trees, and how many were compared."""
        a, b = (self.fact(name, size, "trees") for name in (ours, other))
        if not a or not b:
            return None
        pairs = [pair for horizon in HORIZONS for pair in zip(a[horizon], b[horizon], strict=False)]
        return sum(x == y for x, y in pairs), len(pairs)

    def ic_ratio(self, ours: str, baseline: str, size: str) -> IcRatio | None:
        """Return the ratio of mean rank ICs of both horizons, over the markets that both ran on.

        Where the exact profile has the baseline's trees to the bit, it stands for the
        baseline on markets that this has not run on.
        """
        a, b = (self._blocks(name, size) for name in (ours, baseline))
        if baseline == "xgboost_by_hand" and self._exact_is_plain(size):
            b = {**self._blocks("xgboost_exact", size), **b}
        shared = sorted(set(a) & set(b))
        if not shared:
            return None
        return ic_ratio(
            [a[seed][0] for seed in shared],
            [b[seed][0] for seed in shared],
            [a[seed][1] for seed in shared],
        )

    def _exact_is_plain(self, size: str) -> bool:
        equal = self.trees_equal("xgboost_exact", "plain_xgboost", size)
        return equal is not None and equal[0] == equal[1]

    def _blocks(self, program: str, size: str) -> dict[int, tuple[list[float], int]]:
        """Return sums of daily rank ICs, horizons together, and the number of dates, by market."""
        blocks = {}
        for m in self.of_program(program, size):
            told = m.quality.get("rank_ic", {})
            if told:
                sums = [told[horizon]["sums"] for horizon in HORIZONS]
                dates = sum(told[horizon]["dates"] for horizon in HORIZONS)
                blocks[m.seed] = (_added(sums), dates)
        return blocks


def _added(sums: list[list[float]]) -> list[float]:
    """Add blocks of the same dates: the shorter history lacks the last ones."""
    length = max(len(own) for own in sums)
    return [sum(own[i] for own in sums if i < len(own)) for i in range(length)]


def _seconds(value: float) -> str:
    return f"{value:,.0f} s" if value >= 100 else f"{value:.3g} s"


def stated(measurements: Iterable[Measurement], name: str) -> list[str]:
    """Return the distinct values of a field of measurements."""
    return sorted({str(getattr(m, name)) for m in measurements})
