"""What a stacker scores on pure noise: plain against nested out-of-fold columns.

Run from the root of the repository, for example::

    python -m benchmarks.nested_noise

Each panel is a market of independent returns and features. Ridge models for 21 and 63 days and two
penalties give four columns; a least-squares stacker predicts the 21-day label and is
scored leave-group-out by its mean daily rank IC. The expected score is zero.
"""

import argparse
import time

from model2_assets_tests.training.nested_noise import NoiseStudy, Stacks, mean_and_error


def main() -> None:
    """Score the panels and print both means with their standard errors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--panels", type=int, default=200)
    parser.add_argument("--dates", type=int, default=1000)
    parser.add_argument("--instruments", type=int, default=10)
    parser.add_argument("--features", type=int, default=4)
    parser.add_argument("--groups", type=int, default=5)
    options = parser.parse_args()
    study = NoiseStudy(
        n_dates=options.dates,
        n_instruments=options.instruments,
        n_features=options.features,
        horizons=(21, 63),
        alphas=(100.0, 10_000.0),
        n_groups=options.groups,
    )
    started = time.monotonic()
    stacks = Stacks(study)
    scores = [stacks.score(seed) for seed in range(options.panels)]
    print(f"{study}\n{options.panels} panels in {time.monotonic() - started:.0f} s")
    print(f"{'columns of the train rows':<28} {'rank IC':>9} {'std. error':>11} {'t':>6}")
    rows = {
        "out-of-fold": [score.plain for score in scores],
        "nested out-of-fold": [score.nested for score in scores],
        "difference": [score.plain - score.nested for score in scores],
    }
    for name, values in rows.items():
        mean, error = mean_and_error(values)
        print(f"{name:<28} {mean:>+9.4f} {error:>11.4f} {mean / error:>+6.1f}")


if __name__ == "__main__":
    main()
