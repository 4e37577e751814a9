"""Runs programs, each in a fresh process, and records what they cost."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.inputs import prepare
from benchmarks.memory import PeakMemory
from benchmarks.programs import PROGRAMS
from benchmarks.quality import judge
from benchmarks.record import FOLDER, MEASUREMENTS, Key, Measurement, append, environment, read


class BenchmarkError(Exception):
    """A program could not be measured."""


def measure(
    programs: list[str],
    *,
    size: str,
    seeds: list[int],
    repeats: int,
    trees: int,
    cache: Path,
    again: bool = False,
    path: Path = MEASUREMENTS,
) -> None:
    """Measure programs in turn, leaving out what has been measured already.

    Parameters
    ----------
    programs : list of str
        Names, see `benchmarks.programs.PROGRAMS`.
    size : str
        Such as ``S``.
    seeds : list of int
        Markets. The first is measured `repeats` times, the others once, for their quality.
    repeats : int
        Runs of each program on the first market.
    trees : int
        Trees of every XGBoost model.
    cache : Path
        Keeps inputs and results.
    again : bool, default False
        Measure anew what has been measured.
    path : Path
        File of measurements.

    Raises
    ------
    BenchmarkError
        If a program fails; the others are measured and recorded all the same.
    """
    failed: list[str] = []
    for number, seed in enumerate(seeds):
        for repeat in range(repeats if number == 0 else 1):
            for name in programs:
                if repeat and PROGRAMS[name].once:
                    continue
                key = Key(name, size, seed, repeat, trees)
                if name in failed or (key in read(path) and not again):
                    continue
                try:
                    _measure_one(key, cache, path)
                except BenchmarkError as error:
                    print(error, flush=True)
                    failed.append(name)
    if failed:
        raise BenchmarkError(f"not measured: {', '.join(failed)}")


def _measure_one(key: Key, cache: Path, path: Path) -> None:
    inputs = prepare(key.size, key.seed, cache, trees=key.trees)
    result = result_folder(cache, key)
    shutil.rmtree(result, ignore_errors=True)
    result.mkdir(parents=True)
    request = {
        "program": key.program,
        "size": key.size,
        "seed": key.seed,
        "trees": key.trees,
        "cache": str(cache),
        "result": str(result),
    }
    (result / "request.json").write_text(json.dumps(request), encoding="utf-8")
    wall_s, peak_bytes = _run(
        [sys.executable, "-m", "benchmarks.child", str(result / "request.json")], key.program
    )
    outcome = json.loads((result / "outcome.json").read_text(encoding="utf-8"))
    phases: dict[str, float] = outcome["phases"]
    work = sum(seconds for name, seconds in phases.items() if name != "dump")
    measurement = Measurement(
        **vars(key),
        seconds=outcome["facts"].get("wall_s", work),
        wall_s=wall_s,
        phases=phases,
        peak_bytes=outcome["facts"].get("peak_bytes", peak_bytes),
        facts=outcome["facts"],
        quality=judge(key, inputs, cache),
        **environment(),
    )
    append(measurement, path)
    print(
        f"{key.program} {key.size} seed {key.seed} repeat {key.repeat}: "
        f"{measurement.seconds:.1f} s, peak {measurement.peak_bytes / 2**30:.2f} GiB",
        flush=True,
    )


def result_folder(cache: Path, key: Key) -> Path:
    """Return where a program's arrays for one market are; later repeats replace them."""
    return cache / "results" / f"{key.size}-{key.seed}-{key.trees}" / key.program


def _run(command: list[str], program: str) -> tuple[float, int]:
    environ = {**os.environ, "PYTHONPATH": str(FOLDER.parent)}
    started = time.monotonic()
    with subprocess.Popen(command, env=environ, cwd=FOLDER.parent) as process:
        with PeakMemory(process.pid) as memory:
            status = process.wait()
        wall_s = time.monotonic() - started
    if status:
        raise BenchmarkError(f"{program} ended with exit status {status}; see its output above")
    return wall_s, memory.peak_bytes
