"""Print what grows over many retrains, or nights; exit with 1 if something does.

``--retrains 200``: the command ``model2 retrain``, so many times in this one process.
``--nights 30``: a real daemon, whose schedule ticks every minute; its own process is watched.
Market data get a day more each time. ``--folder`` keeps what was made; ``--no-pictures``
leaves pictures and HTML reports out, which halves the time. Below 20 nothing is judged.
"""

import argparse
import contextlib
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from model2_assets_tests.long_run.figures import NAMES
from model2_assets_tests.long_run.growth import all_growths, table_of
from model2_assets_tests.long_run.nights import watch_nights
from model2_assets_tests.long_run.region import GrowingRegion
from model2_assets_tests.long_run.retrains import retrain_often


def main() -> int:
    """Retrain, print the table, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m model2_assets_tests.long_run")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--retrains", type=int)
    which.add_argument("--nights", type=int)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--no-pictures", action="store_true")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.folder or stack.enter_context(tempfile.TemporaryDirectory())
        return _watch(GrowingRegion(Path(folder) / "region"), options)


def _watch(region: GrowingRegion, options: argparse.Namespace) -> int:
    pictures = not options.no_pictures
    watched = (
        retrain_often(region, options.retrains, pictures=pictures)
        if options.retrains
        else watch_nights(region, options.nights, pictures=pictures)
    )
    figures = []
    with _printed_elsewhere(region):
        for taken in watched:
            figures.append(taken)
            print(json.dumps(asdict(taken)), file=sys.stderr, flush=True)
    growths = all_growths(figures, NAMES)
    print(table_of(growths))
    return int(any(growth.is_leak for growth in growths))


@contextlib.contextmanager
def _printed_elsewhere(region: GrowingRegion):
    """Send what the command prints to a file."""
    region.folder.mkdir(parents=True, exist_ok=True)
    with (region.folder / "printed.txt").open("w") as file, contextlib.redirect_stdout(file):
        yield


if __name__ == "__main__":
    sys.exit(main())
