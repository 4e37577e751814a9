"""What tests look at: the artists that a chart leaves on its axes."""

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure


def drawn(draw: Callable[[Axes], None]) -> Axes:
    """Draw on axes of a figure of their own, and return them."""
    axes = Figure().add_subplot()
    draw(axes)
    return axes


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def legend_texts(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]
