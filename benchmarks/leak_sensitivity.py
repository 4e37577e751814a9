"""Print what purging is worth: rank ICs of learners that can only remember, on noise.

Run from the repository root: ``python -m benchmarks.leak_sensitivity [markets]``.
"""

import sys
from typing import cast

from model2_assets_tests.cross_validation.leak_sensitivity import HORIZON, LEARNERS, over_markets


def main() -> None:
    """Print a row per learner, purging and kind of date."""
    n_markets = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print(f"{HORIZON}d rank IC ± standard error over {n_markets} markets of pure noise")
    for learner in LEARNERS:
        found = over_markets(range(n_markets), learner=learner)
        for label, row in found.iterrows():
            purging, dates = cast("tuple[str, str]", label)
            figures = f"{row['rank_ic']:+.4f} ± {row['standard_error']:.4f}"
            print(f"{learner:20} {purging:12} {dates:14} {figures}")


if __name__ == "__main__":
    main()
