"""What threads of XGBoost that wait cost, on a quiet machine and beside busy processes.

``python -m benchmarks.waiting --busy 0 2`` prints a table. Both policies take turns, each in a
process of its own, since OpenMP reads its variable when it is loaded.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import click
import numpy as np

PLANS = {"final model": (1, 2), "refit of a fold": (1, 2), "5 folds, 2 at once": (5, 1)}
"""Fits, and threads of each: a fit that is alone has both, folds have one."""
POLICIES = ("ACTIVE", "PASSIVE")


def time_plans(rows: int, trees: int) -> dict[str, float]:
    """Return the wall seconds of each plan in this process; a fold has four fifths of the rows."""
    import xgboost as xgb

    draw = np.random.default_rng(7)
    X = (draw.random((rows, 158), dtype=np.float32) - 0.5).round(3)
    y = draw.standard_normal(rows, dtype=np.float32)
    fold = rows * 4 // 5
    seconds = {}
    for name, (fits, threads) in PLANS.items():
        n_rows = rows if name == "final model" else fold

        def fit(_: int, threads: int = threads, n_rows: int = n_rows) -> None:
            data = xgb.QuantileDMatrix(X[:n_rows], y[:n_rows], max_bin=64, nthread=threads)
            xgb.train({"max_depth": 4, "max_bin": 64, "nthread": threads}, data, trees)

        started = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(fit, range(fits)))
        seconds[name] = time.perf_counter() - started
    return seconds


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Keep this many processes computing while the block runs."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _in_a_process(policy: str, rows: int, trees: int) -> dict[str, float]:
    code = f"import json, benchmarks.waiting as w; print(json.dumps(w.time_plans({rows}, {trees})))"
    environment = {**os.environ, "OMP_WAIT_POLICY": policy}
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return dict(json.loads(told.stdout))


@click.command(context_settings={"show_default": True})
@click.option("--busy", multiple=True, type=int, default=(0, 2), help="Busy processes beside.")
@click.option("--rows", default=60_000)
@click.option("--trees", default=300)
@click.option("--repeats", default=3)
def main(busy: Sequence[int], rows: int, trees: int, repeats: int) -> None:
    """Print the median seconds of each plan under each policy, and their ratio."""
    click.echo("| busy processes | fits | threads spin | threads sleep | ratio |")
    click.echo("| --- | --- | --- | --- | --- |")
    for count in busy:
        with busy_processes(count):
            runs = [[_in_a_process(p, rows, trees) for p in POLICIES] for _ in range(repeats)]
        for name in PLANS:
            spin, sleep = (float(np.median([run[i][name] for run in runs])) for i in (0, 1))
            ratio = float(np.median([run[0][name] / run[1][name] for run in runs]))
            click.echo(f"| {count} | {name} | {spin:.1f} s | {sleep:.1f} s | {ratio:.1f} |")


if __name__ == "__main__":
    main()
