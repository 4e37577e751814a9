"""Prints the catalogue as a Markdown table, with what came of every case.

Run as ``python -m model2_assets_tests.bad_inputs``; exits with 1 if a case did not come out
as stated.
"""

import logging
import sys
import warnings
from collections import Counter

from model2_assets_tests.bad_inputs.case import Case, Handled, Refused
from model2_assets_tests.bad_inputs.folders import open_folder
from model2_assets_tests.bad_inputs.runner import run
from model2_assets_tests.bad_inputs.table import CASES


def main() -> int:
    """Run every case; return the exit status."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("error")
    passed: Counter[tuple[str, str]] = Counter()
    total: Counter[tuple[str, str]] = Counter()
    lines = []
    for case in CASES:
        is_good = _comes_out_as_stated(case)
        key = (case.enters, type(case.outcome).__name__.lower())
        total[key] += 1
        passed[key] += is_good
        lines.append(f"| {case.id} | {case.planted} | {_outcome(case)} | {_verdict(is_good)} |")
    print("| where it enters | outcome | as stated |\n| --- | --- | --- |")
    for key, count in total.items():
        print(f"| {key[0]} | {key[1]} | {passed[key]} of {count} |")
    print(f"| all | | {passed.total()} of {total.total()} |\n")
    print("| case | planted | refused with, or counted | as stated |\n| --- | --- | --- | --- |")
    print("\n".join(lines))
    return 0 if passed == total else 1


def _comes_out_as_stated(case: Case) -> bool:
    with open_folder() as folder:
        return run(case, folder).matches(case, folder)


def _outcome(case: Case) -> str:
    if isinstance(case.outcome, Refused):
        return case.outcome.message.replace("{folder}/", "").replace("|", "\\|")
    assert isinstance(case.outcome, Handled)
    return ", ".join(f"`{name}` {count}" for name, count in case.outcome.counts.items())


def _verdict(is_good: bool) -> str:
    return "yes" if is_good else "**no**"


if __name__ == "__main__":
    sys.exit(main())
