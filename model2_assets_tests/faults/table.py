"""Kills tried and survived, by asset and phase, as a table in Markdown."""

from collections import Counter
from collections.abc import Sequence

from model2_assets_tests.faults.campaign import Kill

PHASES = ("compute", "write", "after")


def survived(kill: Kill) -> bool:
    return not kill.faults


def kills_table(kills: Sequence[Kill]) -> str:
    """Return survived / tried by asset and phase; what fell outside of a step has its own row."""
    tried: Counter[tuple[str, str]] = Counter()
    good: Counter[tuple[str, str]] = Counter()
    for kill in kills:
        cell = _cell(kill)
        tried[cell] += 1
        good[cell] += survived(kill)
    lines = ["| asset | computing | writing | after the write |", "| --- | --- | --- | --- |"]
    for asset in dict.fromkeys(asset for asset, _ in tried):
        cells = [
            f"{good[(asset, phase)]} / {tried[(asset, phase)]}" if tried[(asset, phase)] else ""
            for phase in PHASES
        ]
        lines.append(f"| {asset} | {' | '.join(cells)} |")
    lines.append(f"| **all** | {' | '.join(_total(tried, good, phase) for phase in PHASES)} |")
    return "\n".join(lines)


def summary(kills: Sequence[Kill]) -> str:
    """Return the figures of a campaign in a few lines."""
    kinds: Counter[str] = Counter(kill.moment.kind for kill in kills)
    mixed = sum(kill.new > 0 for kill in kills)
    return "\n".join(
        [
            f"{sum(map(survived, kills))} of {len(kills)} kills survived: "
            + ", ".join(f"{count} by {kind}" for kind, count in sorted(kinds.items())),
            f"{sum(kill.status < 0 for kill in kills)} processes ended by a signal, "
            f"{sum(kill.status == 0 for kill in kills)} had ended before their moment",
            f"{sum(kill.recovered for kill in kills)} next retrains, all compared with an "
            f"undisturbed one",
            f"{mixed} kills left results of which some were new and others old; "
            f"{sum(kill.temporary > 0 for kill in kills)} left "
            f"{sum(kill.temporary for kill in kills)} temporary files or scratch folders, "
            f"{sum(kill.unrecorded > 0 for kill in kills)} a kept version without a record",
        ]
    )


def _cell(kill: Kill) -> tuple[str, str]:
    if kill.spot.phase in PHASES:
        return kill.spot.asset, kill.spot.phase
    return kill.spot.phase, "compute"


def _total(tried: Counter[tuple[str, str]], good: Counter[tuple[str, str]], phase: str) -> str:
    cells = [cell for cell in tried if cell[1] == phase]
    return f"{sum(good[cell] for cell in cells)} / {sum(tried[cell] for cell in cells)}"
