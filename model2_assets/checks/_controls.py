"""Checks of the controls: experiments that must find nothing."""

from collections.abc import Mapping
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from model2_assets.checks._outcome import CheckOutcome

if TYPE_CHECKING:
    from model2_assets.controls import LookaheadControl, NullControl

MAX_MONTE_CARLO_ERRORS = 3.0
"""Chance alone goes beyond in 0.3% of seeds."""


def check_null_control(controls: Mapping[str, "NullControl"]) -> CheckOutcome:
    """Check that labels permuted within each date are predicted no better than by chance.

    The rank ICs of a permutation are averaged over the horizons first, so that there is one
    verdict, and one chance in 370 of a false alarm, however many horizons there are.

    Parameters
    ----------
    controls : mapping of str to NullControl
        Results by horizon, of the same permutations.

    Returns
    -------
    CheckOutcome
        Named ``null_control``; fails if the mean of the permuted mean rank ICs is more
        than three Monte Carlo errors (sd / √permutations) away from zero, in either
        direction. Warns if no date has the three names that a rank IC needs.
    """
    by_permutation = np.mean([control.rank_ics for control in controls.values()], axis=0)
    permutations = len(by_permutation)
    mean, sd = float(by_permutation.mean()), float(by_permutation.std(ddof=1))
    error = sd / sqrt(permutations)
    seed = next(iter(controls.values())).seed
    judged = bool(np.isfinite(mean))
    passed = judged and abs(mean) <= MAX_MONTE_CARLO_ERRORS * error
    return CheckOutcome(
        "null_control",
        passed=passed,
        severity="error" if judged else "warn",
        description=_null_verdict(mean, error, permutations, judged=judged, passed=passed),
        values={
            "mean": mean,
            "sd": sd,
            "monte_carlo_error": error,
            "permutations": permutations,
            "seed": seed,
            **{f"mean_{horizon}": control.mean for horizon, control in controls.items()},
            **{f"dates_{horizon}": control.n_dates for horizon, control in controls.items()},
        },
    )


def check_lookahead_control(control: "LookaheadControl") -> CheckOutcome:
    """Check that features stay the same, to the bit, when the future is unknown.

    Parameters
    ----------
    control : LookaheadControl
        What changed when history was cut.

    Returns
    -------
    CheckOutcome
        Named ``lookahead_control``; a failure names the first feature, instrument and
        date that differ. Warns if no date with features has later bars to cut off.
    """
    dates = ", ".join(f"{date:%Y-%m-%d}" for date in control.dates)
    if control.first_difference:
        description = (
            f"{control.first_difference}; {control.n_different:,} of {control.n_values:,} values "
            f"differ: let the feature builder use nothing after a row's own date"
        )
    elif control.dates:
        description = f"{control.n_values:,} values are the same when history ends on {dates}"
    else:
        description = "no date that has features has later bars, so nothing could be cut off"
    return CheckOutcome(
        "lookahead_control",
        passed=bool(control.dates) and not control.first_difference,
        severity="error" if control.dates else "warn",
        description=description,
        values={
            "dates": dates,
            "values": control.n_values,
            "different_values": control.n_different,
            "seed": control.seed,
        },
    )


def _null_verdict(
    mean: float, error: float, permutations: int, *, judged: bool, passed: bool
) -> str:
    if not judged:
        return "no date has three tested names, so permuted labels have no rank IC"
    found = (
        f"mean rank IC of {permutations} permutations of the labels {mean:+.5f} ± {error:.5f}, "
        f"allowed ± {MAX_MONTE_CARLO_ERRORS * error:.5f}"
    )
    if passed:
        return found
    return (
        f"{found}: labels of test rows reach the fit, so look for rows that a split both trains "
        f"on and tests; chance alone does this for one seed in 370 (checks.controls_seed), a leak "
        f"for every seed"
    )
