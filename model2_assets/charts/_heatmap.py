"""A matrix as shaded cells with its values written in them."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from model2_assets.charts._axes import nothing_to_draw
from model2_assets.charts._palette import ACCENT, ACCENT_2, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STRONGEST = 0.75
_MOST_CELLS_WITH_TEXT = 400


def draw_heatmap(
    axes: "Axes",
    matrix: pd.DataFrame,
    *,
    limit: float | None = None,
    text: str | None = "{:.2f}",
) -> None:
    """Draw a matrix: positive cells in one hue, negative in another, stronger when larger.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    matrix : DataFrame of shape (n_rows, n_columns), float
        First row on top. NaN cells stay empty, with a dash. Names of the index and of the
        columns label the axes.
    limit : float, optional
        Absolute value of the strongest shade; larger ones have the same. Without it, the
        largest of the matrix.
    text : str or None, default "{:.2f}"
        Format of the values in the cells; None, or more than 400 cells, for none.
    """
    if matrix.empty:
        nothing_to_draw(axes, "nothing to compare")
        return
    from matplotlib.patches import Rectangle

    values = matrix.to_numpy(dtype=np.float64)
    top = limit or float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    written = text if values.size <= _MOST_CELLS_WITH_TEXT else None
    for (row, column), value in np.ndenumerate(values):
        shade = 0.0 if np.isnan(value) else _STRONGEST * min(abs(value) / top, 1.0)
        colour = ACCENT if value > 0 else ACCENT_2
        axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, alpha=shade))
        if written is not None:
            missing = bool(np.isnan(value))
            axes.text(
                column + 0.5,
                row + 0.5,
                "–" if missing else written.format(value).replace("-", "−"),
                ha="center",
                va="center",
                color=MUTED if missing else INK,
            )
    _label(axes, matrix)


def heatmap_height(n_rows: int) -> int:
    """Return the height in pixels that suits a number of rows."""
    return min(60 + 30 * max(n_rows, 2), 900)


def _label(axes: "Axes", matrix: pd.DataFrame) -> None:
    n_rows, n_columns = matrix.shape
    axes.set_xlim(0, n_columns)
    axes.set_ylim(n_rows, 0)
    axes.set_xticks(np.arange(n_columns) + 0.5, [str(name) for name in matrix.columns])
    axes.set_yticks(np.arange(n_rows) + 0.5, [str(name) for name in matrix.index])
    axes.tick_params(length=0)
    axes.set_xlabel(str(matrix.columns.name or ""))
    axes.set_ylabel(str(matrix.index.name or ""))
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
