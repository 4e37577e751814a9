"""Import time of the graph's definitions beside Dagster's own, in fresh processes."""

import statistics
import subprocess
import sys
import time

from benchmarks.inputs import Inputs
from benchmarks.outcome import Outcome

RUNS = 10
STATEMENTS = {"dagster": "import dagster", "definitions": "import model2_assets.definitions"}


def run(inputs: Inputs) -> Outcome:
    """Import each in turn, ten times.

    Parameters
    ----------
    inputs : Inputs
        Not used: an import does not depend on the market.

    Returns
    -------
    Outcome
        A phase for each with its median seconds, the start of the interpreter included.
    """
    del inputs
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for number in range(RUNS + 1):
        for name, statement in STATEMENTS.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True, stderr=subprocess.DEVNULL)
            if number:
                times[name].append(time.perf_counter() - started)
    outcome = Outcome({name: statistics.median(found) for name, found in times.items()})
    outcome.facts["seconds"] = times
    return outcome
