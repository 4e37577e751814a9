"""Starts Qlib's engine under the Python that has it."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.inputs import Inputs
from benchmarks.outcome import Outcome

QLIB_VARIABLE = "BENCHMARKS_QLIB_PYTHON"
"""Environment variable that names that Python."""


def run(inputs: Inputs, *, clean: bool = False) -> Outcome:
    """Compute and rank the features of a market; see `benchmarks.features_by_qlib`.

    Parameters
    ----------
    inputs : Inputs
        The market.
    clean : bool, default False
        Take the market without faults, and hand the unranked values back.

    Returns
    -------
    Outcome
        Phases ``dump`` (not counted), ``values`` and ``rank``.
    """
    with tempfile.TemporaryDirectory() as folder:
        result, values = Path(folder, "result.json"), Path(folder, "values.npy")
        script = Path(__file__).with_name("features_by_qlib.py")
        market = inputs.clean_market if clean else inputs.market
        command = [os.environ[QLIB_VARIABLE], str(script), str(market), str(result)]
        subprocess.run(
            [*command, "--unranked", str(values)] if clean else command,
            check=True,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        )
        told = json.loads(result.read_text(encoding="utf-8"))
        outcome = Outcome(phases=told["phases"], facts=told["facts"])
        if clean:
            outcome.arrays["features"] = np.load(values)
    return outcome
