"""Measurements as lines of a file that grows."""

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
MEASUREMENTS = FOLDER / "measurements.jsonl"
_LIBRARIES = ("numpy", "pandas", "scikit-learn", "xgboost", "numba", "dagster")


@dataclass(frozen=True)
class Key:
    """What identifies a measurement; a later one of the same key replaces it."""

    program: str
    size: str
    seed: int
    repeat: int
    trees: int


@dataclass(frozen=True)
class Measurement:
    """One run of one program.

    Attributes
    ----------
    program, size, seed, repeat, trees
        See `Key`.
    seconds : float
        Wall time of what is measured: its phases, or the whole process.
    wall_s : float
        Wall time of the whole process.
    phases : dict of str to float
        Seconds of each phase.
    peak_bytes : int
        Peak of the process tree's summed PSS.
    facts : dict
        What the program told of itself.
    quality : dict
        What comparing its result told.
    machine, versions, commit, date
        Where and with what it was measured.
    """

    program: str
    size: str
    seed: int
    repeat: int
    trees: int
    seconds: float
    wall_s: float
    phases: dict[str, float]
    peak_bytes: int
    facts: dict[str, Any] = field(default_factory=dict)
    quality: dict[str, Any] = field(default_factory=dict)
    machine: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    commit: str = ""
    date: str = ""

    @property
    def key(self) -> Key:
        """What identifies it."""
        return Key(self.program, self.size, self.seed, self.repeat, self.trees)


def append(measurement: Measurement, path: Path = MEASUREMENTS) -> None:
    """Add a measurement to the file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(measurement), sort_keys=True) + "\n")


def read(path: Path = MEASUREMENTS) -> dict[Key, Measurement]:
    """Return the latest measurement of every key; empty if there is no file."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return latest(Measurement(**json.loads(line)) for line in lines if line)


def latest(measurements: Iterable[Measurement]) -> dict[Key, Measurement]:
    """Return the last of the measurements of every key."""
    return {measurement.key: measurement for measurement in measurements}


def environment() -> dict[str, Any]:
    """Return machine, library versions, commit and date, as a measurement states them."""
    return {
        "machine": _machine(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in _LIBRARIES},
        },
        "commit": _commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
    }


def _machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{len(os.sched_getaffinity(0))} cores ({model}), {memory:.0f} GiB, "
        f"{platform.system()} {platform.machine()}"
    )


def _commit() -> str:
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude", "*"],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip() or "unknown"
