"""Plants a failure for every check, and tries every way to replace the last good result."""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from model2_assets_tests.planted_failures.catalogue import CASES
from model2_assets_tests.planted_failures.paths import PATHS
from model2_assets_tests.planted_failures.verdict import table_of


def main() -> int:
    """Print what held, way by way; return 1 if something did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--path", choices=PATHS, action="append", help="all if left out")
    parser.add_argument(
        "--one-each", action="store_true", help="one check of each asset, and not all of them"
    )
    options, failed = parser.parse_args(), 0
    first = {case.asset: case for case in reversed(CASES)}
    cases = tuple(first.values()) if options.one_each else CASES
    for name in options.path or PATHS:
        folder = Path(tempfile.mkdtemp(prefix="planted-failures-"))
        started = time.monotonic()
        try:
            verdicts = PATHS[name](folder, cases)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        print(f"== {name}, {time.monotonic() - started:,.0f} s\n{table_of(verdicts)}", flush=True)
        failed += sum(not verdict.held for verdict in verdicts)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
