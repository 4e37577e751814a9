"""Run one program in this process: ``python -m benchmarks.child REQUEST``.

REQUEST is a JSON file with the program's name, size, seed, trees, cache and where to put the
result; arrays go beside it as ``.npy`` files.
"""

import json
import sys
from pathlib import Path

import numpy as np

from benchmarks.inputs import prepare
from benchmarks.programs import PROGRAMS


def main() -> None:
    """Run the program that the request names, and write its outcome."""
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    result = Path(request["result"])
    inputs = prepare(
        request["size"], request["seed"], Path(request["cache"]), trees=request["trees"]
    )
    outcome = PROGRAMS[request["program"]](inputs)
    for name, values in outcome.arrays.items():
        np.save(result / f"{name}.npy", values)
    answer = {"phases": outcome.phases, "facts": outcome.facts}
    (result / "outcome.json").write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
