"""Prints the catalogue as Markdown, with what came of every case.

Run as ``python -m model2_assets_tests.bad_inputs``; exits with 1 if a case did not come out
as stated. ``--write`` puts the page in docs/bad_inputs.md.
"""

import logging
import sys
import warnings
from pathlib import Path

from model2_assets_tests.bad_inputs.folders import open_folder
from model2_assets_tests.bad_inputs.page import page
from model2_assets_tests.bad_inputs.runner import run
from model2_assets_tests.bad_inputs.table import CASES

PAGE = Path(__file__).parents[2] / "docs" / "bad_inputs.md"


def main() -> int:
    """Run every case; return the exit status."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("error")
    as_stated = {}
    for case in CASES:
        with open_folder() as folder:
            as_stated[case.id] = run(case, folder).matches(case)
    text = page(CASES, as_stated)
    if "--write" in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0 if all(as_stated.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
