"""What a search for hyper-parameters scores on pure noise: on inner folds, and out of fold.

Run from the root of the repository, for example::

    python -m benchmarks.search_noise

Each market has independent returns and features. Every split searches parameters of XGBoost for the
best rank IC on inner folds of its own train rows. The best of many worthless trials is above zero
there, for it was chosen; out of fold the expected rank IC is zero, for nothing was.
"""

import argparse
import time

from model2_assets_tests.training.nested_noise import NoiseStudy, mean_and_error
from model2_assets_tests.training.search_noise import score_search


def main() -> None:
    """Search on the markets and print both means with their standard errors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--markets", type=int, default=20)
    parser.add_argument("--dates", type=int, default=1000)
    parser.add_argument("--instruments", type=int, default=10)
    parser.add_argument("--features", type=int, default=8)
    parser.add_argument("--trials", type=int, default=20)
    options = parser.parse_args()
    study = NoiseStudy(
        n_dates=options.dates,
        n_instruments=options.instruments,
        n_features=options.features,
        horizons=(21,),
        alphas=(),
    )
    started = time.monotonic()
    scores = [
        score_search(study, seed, trials=options.trials, n_jobs=2)
        for seed in range(options.markets)
    ]
    print(f"{study}\n{options.markets} markets in {time.monotonic() - started:.0f} s")
    print(f"{'rank IC':<34} {'mean':>9} {'std. error':>11} {'t':>6}")
    rows = {
        f"inner folds, best of {options.trials} trials": [score.inner for score in scores],
        "out of fold": [score.outer for score in scores],
    }
    for name, values in rows.items():
        mean, error = mean_and_error(values)
        print(f"{name:<34} {mean:>+9.4f} {error:>11.4f} {mean / error:>+6.1f}")


if __name__ == "__main__":
    main()
