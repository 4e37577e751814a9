"""Measure, or render what has been measured.

``python -m benchmarks NAME --size S`` measures one benchmark or program, leaving out what
``measurements.jsonl`` holds already, so an interrupted campaign goes on where it stopped;
``python -m benchmarks report`` renders ``RESULTS.md``.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import BenchmarkError, measure
from benchmarks.programs import BASELINES, BENCHMARKS, PROGRAMS
from benchmarks.qlib_features import QLIB_VARIABLE
from benchmarks.record import FOLDER, MEASUREMENTS
from benchmarks.report import write_report
from benchmarks.sizes import SIZES

DEFAULT_CACHE = Path(tempfile.gettempdir()) / "model2_benchmarks"


def main() -> None:
    """Do what the command line says; exit with 1 if a program fails."""
    options = _parser().parse_args()
    if options.qlib_python:
        os.environ[QLIB_VARIABLE] = options.qlib_python
    path: Path = options.measurements
    try:
        for name in options.names:
            if name == "report":
                write_report(path, options.results, trees=options.trees)
            else:
                _measure(name, options, path)
    except BenchmarkError as error:
        sys.exit(f"error: {error}")


def _measure(name: str, options: argparse.Namespace, path: Path) -> None:
    measure(
        _programs(name, options.only),
        size=options.size,
        seeds=options.seeds,
        repeats=options.repeats or SIZES[options.size].repeats,
        trees=options.trees,
        cache=options.cache,
        again=options.again,
        path=path,
    )


def _programs(name: str, only: str | None) -> list[str]:
    """Return the programs of a benchmark that can and shall run."""
    programs = list(BENCHMARKS.get(name, (name,)))
    if only is not None:
        programs = [found for found in programs if (found in BASELINES) == (only == "baseline")]
    if QLIB_VARIABLE not in os.environ:
        left_out = [found for found in programs if found.endswith("_by_qlib")]
        programs = [found for found in programs if found not in left_out]
        for found in left_out:
            print(f"{found} left out: name the Python that has pyqlib by --qlib-python")
    return programs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="+",
        choices=sorted({*BENCHMARKS, *PROGRAMS, "report"}),
        metavar="NAME",
        help=f"benchmarks ({', '.join(BENCHMARKS)}), single programs, or report",
    )
    parser.add_argument("--size", choices=list(SIZES), default="S")
    parser.add_argument("--repeats", type=int, help="runs of each program; by default 5 at S, 1")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="markets")
    parser.add_argument("--trees", type=int, default=300, help="trees of XGBoost models")
    parser.add_argument("--only", choices=("ours", "baseline"))
    parser.add_argument("--again", action="store_true", help="measure anew what is measured")
    parser.add_argument("--qlib-python", help="Python with pyqlib, see benchmarks/README.md")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="keeps inputs, results")
    parser.add_argument("--measurements", type=Path, default=MEASUREMENTS)
    parser.add_argument("--results", type=Path, default=FOLDER / "RESULTS.md")
    return parser


if __name__ == "__main__":
    main()
