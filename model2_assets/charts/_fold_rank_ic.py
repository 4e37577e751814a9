"""The rank IC of every fold, with its error and the spread over folds."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from model2_assets.charts._axes import nothing_to_draw, signed, value_grid, zero_line
from model2_assets.charts._palette import ACCENT, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_DATED_FOLDS = 10


def draw_fold_rank_ic(axes: "Axes", folds: pd.DataFrame) -> None:
    """Draw the mean daily rank IC of every fold, with two standard errors on either side.

    A band shows the mean of the folds and one standard deviation over folds around it.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    folds : DataFrame of shape (n_folds, 5)
        As `model2_assets.evaluation.fold_rank_ic` returns it.
    """
    means = folds["mean"].to_numpy(dtype=np.float64)
    known = np.isfinite(means)
    if not known.any():
        nothing_to_draw(axes, "no fold has a rank IC")
        return
    place = np.arange(len(folds))
    _draw_spread(axes, means[known])
    errors = 2 * folds["standard_error"].fillna(0).to_numpy(dtype=np.float64)
    axes.errorbar(
        place[known],
        means[known],
        yerr=errors[known],
        fmt="o",
        color=ACCENT,
        ecolor=ACCENT,
        elinewidth=1.5,
        capsize=4,
        label="mean of the fold ± 2 standard errors",
    )
    zero_line(axes)
    value_grid(axes)
    axes.set_xlim(-0.6, len(folds) - 0.4)
    axes.set_xticks(place, _names(folds))
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("fold")
    axes.set_ylabel("mean daily rank IC")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)


def _draw_spread(axes: "Axes", means: np.ndarray) -> None:
    mean = float(means.mean())
    spread = float(means.std(ddof=1)) if len(means) > 1 else 0.0
    axes.axhspan(mean - spread, mean + spread, color=ACCENT, alpha=0.12, linewidth=0)
    text = f"mean of folds {signed(mean, 4)}, standard deviation {spread:.4f} (band)"
    axes.axhline(mean, color=INK, linewidth=1, linestyle=(0, (4, 3)), label=text)


def _names(folds: pd.DataFrame) -> list[str]:
    """Return the folds' names, with their dates where there is room."""
    if len(folds) > _MOST_DATED_FOLDS:
        return [str(fold) for fold in folds.index]
    return [
        f"{fold}\n{first:%Y-%m} – {last:%Y-%m}"
        for fold, first, last in zip(
            folds.index, folds["first_date"], folds["last_date"], strict=True
        )
    ]
