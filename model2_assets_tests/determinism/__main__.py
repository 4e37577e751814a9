"""Print which asset has the same bits under which factor; exit with 1 if any differs.

``python -m model2_assets_tests.determinism [NAME ...]`` tries all factors, or those whose
name contains one of the words.
"""

import sys

from model2_assets_tests.determinism.factors import FACTORS
from model2_assets_tests.determinism.matrix import heading, line_of, matrix


def main(words: list[str]) -> int:
    """Print the matrix; return the exit status."""
    chosen = [f for f in FACTORS if not words or any(word in f.name for word in words)]
    if not chosen:
        print(f"no factor of that name; there are: {'; '.join(f.name for f in FACTORS)}")
        return 2
    print(heading(), flush=True)
    same = True
    for row in matrix(chosen):
        print(line_of(row), flush=True)
        same &= row.is_same
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
