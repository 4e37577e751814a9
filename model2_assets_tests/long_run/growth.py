"""Whether something grows from one retrain to the next, and how it is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import theilslopes

from model2_assets_tests.long_run.figures import Figures

MEMORY_A_RETRAIN = 100_000
COUNT_A_RETRAIN = 0.02
TOLERANCES: Mapping[str, float] = {
    "rss": MEMORY_A_RETRAIN,
    "anonymous": MEMORY_A_RETRAIN,
    "open_files": COUNT_A_RETRAIN,
    "threads": COUNT_A_RETRAIN,
    "temporary_files": COUNT_A_RETRAIN,
    "results": COUNT_A_RETRAIN,
    "versions": COUNT_A_RETRAIN,
    "rejected": COUNT_A_RETRAIN,
    "working": COUNT_A_RETRAIN,
    "models": COUNT_A_RETRAIN,
}
"""What each may grow a retrain over the second half: bytes of memory, else files and the like.

The size of the store grows with the history, and the event log with every run; both are
measured and not judged.
"""


ENOUGH = 20
"""Retrains from which on growth is judged: versions, caches and threads fill up first."""


@dataclass(frozen=True)
class Growth:
    """How one figure went.

    Attributes
    ----------
    name : str
        Of the figure.
    start, middle, end : float
        At the first retrain, half way, and at the last.
    slope : float
        A retrain, over the second half: the median of the slopes between any two points
        (Theil-Sen), which a single spike does not move.
    count : int
        Retrains.
    """

    name: str
    start: float
    middle: float
    end: float
    slope: float
    count: int

    @property
    def tolerance(self) -> float | None:
        """What the slope may be; None where it is not judged."""
        return TOLERANCES.get(self.name) if self.count >= ENOUGH else None

    @property
    def is_leak(self) -> bool:
        """Whether it grows by more."""
        return self.tolerance is not None and self.slope > self.tolerance


def growth_of(name: str, values: Sequence[float]) -> Growth:
    """Return how a figure went over at least four retrains."""
    half = len(values) // 2
    slope = float(theilslopes(values[half:]).slope)
    return Growth(name, values[0], values[half], values[-1], slope, len(values))


def all_growths(figures: Sequence[Figures], names: Sequence[str]) -> list[Growth]:
    """Return how every figure went."""
    return [growth_of(name, [getattr(taken, name) for taken in figures]) for name in names]


def table_of(growths: Sequence[Growth]) -> str:
    """Return the figures as a table, in Markdown; bytes as MB."""
    head = "| figure | start | middle | end | slope a retrain | allowed | |\n"
    rule = "| --- | --: | --: | --: | --: | --: | --- |\n"
    return head + rule + "\n".join(map(_row, growths))


def _row(growth: Growth) -> str:
    is_size = growth.name in ("rss", "anonymous") or growth.name.endswith("bytes")
    name = f"{growth.name.removesuffix('_bytes')}, MB" if is_size else growth.name.replace("_", " ")
    scale = 1e-6 if is_size else 1.0
    shown = [f"{value * scale:,.1f}" if is_size else f"{value:,.0f}" for value in _values(growth)]
    allowed = "measured" if growth.tolerance is None else f"{growth.tolerance * scale:.3g}"
    verdict = "**grows**" if growth.is_leak else ""
    return f"| {name} | {' | '.join(shown)} | {growth.slope * scale:.3g} | {allowed} | {verdict} |"


def _values(growth: Growth) -> tuple[float, float, float]:
    return growth.start, growth.middle, growth.end
