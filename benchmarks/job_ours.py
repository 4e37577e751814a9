"""The whole job by this package: ``model2 retrain`` on a fresh Dagster instance."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

from benchmarks.inputs import FIVE_FOLDS, HORIZONS, Inputs
from benchmarks.memory import PeakMemory
from benchmarks.ours_models import configuration_values
from benchmarks.outcome import Outcome, prediction_name

REPOSITORY = Path(__file__).parent.parent


def run(inputs: Inputs, *, profile: str) -> Outcome:
    """Retrain everything, with all checks, reports and drawings.

    Parameters
    ----------
    inputs : Inputs
        The market.
    profile : {"exact", "default", "fast"}
        How XGBoost trains.

    Returns
    -------
    Outcome
        Facts ``wall_s`` and ``peak_bytes`` of the command's process tree and what
        `benchmarks.event_log` reads of its steps, with a phase for each asset. The command
        runs one step after another, so all of them are on its critical path.
    """
    with tempfile.TemporaryDirectory(dir=inputs.folder.parent.parent) as folder:
        home, storage = Path(folder, "home"), Path(folder, "data")
        home.mkdir()
        shutil.copy(REPOSITORY / "dagster.yaml", home)
        config = Path(folder, "config.yaml")
        config.write_text(yaml.safe_dump(configuration_values(inputs, profile=profile)))
        environ = {**os.environ, "DAGSTER_HOME": str(home), "MODEL2_STORAGE": str(storage)}
        outcome = _retrain(config, environ, Path(folder))
        _read_phases(outcome, environ)
        outcome.facts["stored_bytes"] = sum(
            path.stat().st_size for path in storage.rglob("*") if path.is_file()
        )
        _read_predictions(outcome, storage)
    return outcome


def _retrain(config: Path, environ: dict[str, str], folder: Path) -> Outcome:
    command = [sys.executable, "-m", "model2_assets.cli.main", "--config", str(config), "retrain"]
    log = folder / "log.txt"
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environ, cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )
        with PeakMemory(process.pid) as memory:
            status = process.wait()
        wall_s = time.monotonic() - started
    if status:
        raise RuntimeError(
            f"model2 retrain ended with exit status {status}:\n"
            + log.read_text(encoding="utf-8", errors="replace")[-4000:]
        )
    return Outcome(facts={"wall_s": wall_s, "peak_bytes": memory.peak_bytes})


def _read_phases(outcome: Outcome, environ: dict[str, str]) -> None:
    """Ask the event log in another process, since this one belongs to the measurement."""
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.event_log"],
        env=environ,
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    costs = json.loads(told.stdout.splitlines()[-1])
    outcome.phases.update(costs["phases"])
    outcome.facts.update(costs["facts"])


def _read_predictions(outcome: Outcome, storage: Path) -> None:
    import pandas as pd

    for horizon in HORIZONS:
        path = storage / FIVE_FOLDS / "oof_predictions" / horizon / "xgboost.parquet"
        oof = pd.read_parquet(path)
        if "instrument" in oof.columns:
            oof = oof.set_index(["instrument", "datetime"])
        ordered = oof.reorder_levels(["datetime", "instrument"]).sort_index()
        outcome.arrays[prediction_name(horizon)] = ordered["prediction"].to_numpy(np.float64)
