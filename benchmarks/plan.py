"""What ``model2 plan`` predicts, beside what ``model2 retrain`` takes.

Run from the root of the repository, for example::

    python -m benchmarks.plan --sizes 200x1000 500x1250 --engines local dask

Rates are measured first, then every retrain runs in processes of its own: one, or with Dask also a
scheduler and two workers on loopback. Compared are CPU seconds of all of them, which other work
on the machine hardly moves, peak resident memory of the run's own process, and bytes on disk.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from model2_assets.cli.plan import measure_rates, planned_fits
from model2_assets.config import parse_config
from model2_assets.training.plan import (
    Machines,
    Panel,
    possible_engines,
    step_costs,
    total_cost,
)
from model2_assets_tests.engines.cluster import running_cluster

REGION = "market"
N_FEATURES = 157
"""A generated market has no volume-weighted price."""


def main() -> None:
    """Print a row for each size and engine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["200x1000", "500x1250"])
    parser.add_argument("--engines", nargs="+", default=["local", "dask"])
    options = parser.parse_args()
    rates = measure_rates(parse_config({"regions": {REGION: market(12, 500)}}), REGION)
    print("| engine | instruments × dates | what | predicted | measured | ratio |", flush=True)
    for size in options.sizes:
        n_instruments, n_dates = map(int, size.split("x"))
        for engine in options.engines:
            predicted = predict(engine, n_instruments, n_dates, rates)
            measured = retrain(engine, n_instruments, n_dates)
            for what, found in measured.items():
                expected = predicted[what]
                shown = f"{expected:.2f} | {found:.2f} | {found / expected:.2f} |"
                print(f"| {engine} | {n_instruments} × {n_dates} | {what} | {shown}", flush=True)


def market(n_instruments: int, n_dates: int) -> dict[str, Any]:
    """Return the settings of a region."""
    size = {"n_instruments": n_instruments, "n_dates": n_dates}
    return {"market_data": {"source": "synthetic", "params": {**size, "seed": 1}}}


def predict(engine: str, n_instruments: int, n_dates: int, rates: Any) -> dict[str, float]:
    """Return what a plan says: CPU seconds are the wall seconds of machines with one core."""
    config = parse_config({"regions": {REGION: market(n_instruments, n_dates)}})
    panel = Panel(n_instruments, n_dates, N_FEATURES)
    fits = planned_fits(config, REGION, panel.n_rows)
    engines = possible_engines(panel, fits, Machines(1, 1e12, 1, 1, 1e12))
    name = {"local": "in memory", "dask": "Dask, fold by fold"}[engine]
    (found,) = (found for found in engines if found.name == name)
    cost = total_cost(list(step_costs(panel, fits, rates, found)))
    return {
        "CPU seconds": cost.seconds[0],
        "GB of the run's process": cost.memory / 1e9,
        "GB on disk": cost.disk / 1e9,
    }


def retrain(engine: str, n_instruments: int, n_dates: int) -> dict[str, float]:
    """Run the command, and return the same figures as they were."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, execution = Path(name), {}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.monotonic()
        with ExitStack() as cluster:
            if engine == "dask":
                found = cluster.enter_context(running_cluster(folder / "cluster"))
                execution = {"engine": "dask", "scheduler": found.address}
            config = folder / "config.yaml"
            values = {"regions": {REGION: market(n_instruments, n_dates)}, "execution": execution}
            config.write_text(yaml.safe_dump(values))
            (folder / "home").mkdir()
            log = stack.enter_context((folder / "log").open("w"))
            command = [sys.executable, "-m", "model2_assets.cli.main", "--config", str(config)]
            places = {"MODEL2_STORAGE": f"{folder}/data", "DAGSTER_HOME": f"{folder}/home"}
            process = subprocess.Popen(
                [*command, "retrain"], env={**os.environ, **places}, stdout=log, stderr=log
            )
            _, status, own = os.wait4(process.pid, 0)
            process.returncode = status
        if status:
            sys.exit(f"status {status}:\n{(folder / 'log').read_text()[-4000:]}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        stored = sum(path.stat().st_size for path in (folder / "data").rglob("*") if path.is_file())
        print(f"{engine} {n_instruments} × {n_dates}: {time.monotonic() - started:.0f} s of wall")
        return {
            "CPU seconds": (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime),
            "GB of the run's process": own.ru_maxrss * 1024 / 1e9,
            "GB on disk": stored / 1e9,
        }


if __name__ == "__main__":
    main()
