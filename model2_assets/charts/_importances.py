"""The most important features, with their spread over folds."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from model2_assets.charts._axes import nothing_to_draw
from model2_assets.charts._palette import ACCENT, ACCENT_2, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IMPORTANCE_LABELS = {
    "gain": "gain, bps²",
    "coefficient": "coefficient, bps per standard deviation of the feature",
    "weight": "splits of the trees that use the feature",
}
"""Kinds of importance with their units."""

_LARGE = 1e4
"""Values from which on ticks are written in thousands or millions."""

_FEATURE_PX = 18
_MARGIN_PX = 60


def draw_importances(axes: "Axes", by_fold: pd.DataFrame, *, kind: str) -> None:
    """Draw the mean importance of every feature given, and its values in the fold models.

    Bars are means, dots the folds, whiskers one standard deviation over folds.

    Parameters
    ----------
    axes : Axes
        Empty axes, best as high as `importances_height` says.
    by_fold : DataFrame of shape (n_features, n_splits), float
        Most important first, as `model2_assets.evaluation.importances_by_fold` returns it.
    kind : str
        ``gain``, ``coefficient`` or ``weight``.
    """
    if by_fold.empty:
        nothing_to_draw(axes, "no importances")
        return
    from matplotlib.ticker import EngFormatter

    values = by_fold.to_numpy(dtype=np.float64)
    n_features, n_folds = values.shape
    means = values.mean(axis=1)
    place = np.arange(n_features)
    colours = [ACCENT if mean >= 0 else ACCENT_2 for mean in means]
    axes.barh(place, means, height=0.7, color=colours, alpha=0.55)
    if n_folds > 1:
        spread = values.std(axis=1, ddof=1)
        axes.errorbar(means, place, xerr=spread, fmt="none", ecolor=INK, elinewidth=1, capsize=2)
        axes.plot(values.ravel(), np.repeat(place, n_folds), "o", color=MUTED, ms=3, alpha=0.7)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_ylim(n_features - 0.4, -0.6)
    axes.set_yticks(place, [str(name) for name in by_fold.index])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    if np.abs(values).max() >= _LARGE:
        axes.xaxis.set_major_formatter(EngFormatter(sep="\N{THIN SPACE}"))
    axes.set_xlabel(
        f"{IMPORTANCE_LABELS[kind]}: mean, ± standard deviation, and values of {n_folds} models"
    )


def importances_height(n_features: int) -> int:
    """Return the height in pixels that suits a number of features."""
    return _MARGIN_PX + _FEATURE_PX * max(n_features, 3)
