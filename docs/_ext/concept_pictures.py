"""Pictures of the concepts, drawn of what the package's own splitter does."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sphinx.application import Sphinx

from model2_assets.config import load_config
from model2_assets.cross_validation import PurgedEmbargoedTimeSeriesSplit, Role
from model2_assets.defs.build import build_definitions
from model2_assets.storage import Store

TRAIN, TEST, PURGED, EMBARGO, INK = "#4c8bf5", "#e8710a", "#9aa0a6", "#c58af9", "#80868b"
COLORS = {
    Role.TRAIN: TRAIN,
    Role.TEST: TEST,
    Role.PURGED_BEFORE: PURGED,
    Role.PURGED_AFTER: PURGED,
    Role.EMBARGOED: EMBARGO,
}
HORIZON, EMBARGO_DAYS, DATES = 6, 3, 40


def setup(app: Sphinx) -> dict[str, bool]:
    """Draw the pictures before the pages that show them are read."""
    folder = Path(app.srcdir) / "_static" / "concepts"
    folder.mkdir(parents=True, exist_ok=True)
    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": "model2_assets",
        "font.family": "sans-serif",
        "font.size": 10,
        "text.color": INK,
    }
    with mpl.rc_context(style):
        for name, (draw, height) in PICTURES.items():
            figure = Figure(figsize=(10 if name == "graph" else 8, height), layout="constrained")
            axes = figure.subplots()
            axes.set_axis_off()
            draw(axes)
            figure.savefig(folder / f"{name}.svg", transparent=True, metadata={"Date": None})
    return {"parallel_read_safe": True}


def _panel(n_dates: int = DATES) -> tuple[pd.MultiIndex, pd.Series]:
    """Return one instrument's dates, and the dates at which their labels end."""
    dates = pd.bdate_range("2024-01-01", periods=n_dates + HORIZON, unit="us")
    index = pd.MultiIndex.from_product([["A"], dates[:n_dates]], names=["instrument", "datetime"])
    return index, pd.Series(dates[HORIZON:], index=index)


def _roles(n_groups: int = 4, n_test_groups: int = 1) -> np.ndarray:
    """Return the role of every date (rows) in every split (columns)."""
    index, label_end = _panel()
    splitter = PurgedEmbargoedTimeSeriesSplit(
        n_groups, n_test_groups=n_test_groups, embargo_days=EMBARGO_DAYS
    )
    return splitter.roles(index, label_end=label_end)


def _cells(axes: Axes, roles: np.ndarray, y: float, *, height: float = 0.8) -> None:
    for date, role in enumerate(roles):
        axes.bar(date, height, bottom=y, width=0.9, color=COLORS.get(Role(role), "none"))


def _legend(axes: Axes, names: dict[str, str], y: float) -> None:
    for n, (name, color) in enumerate(names.items()):
        axes.bar(n * 10, 0.5, bottom=y, width=0.9, color=color)
        axes.text(n * 10 + 1, y + 0.25, name, va="center")


def draw_leak(axes: Axes) -> None:
    """Draw a train row whose label is made of prices of the test block."""
    _cells(axes, np.repeat([Role.TRAIN, Role.TEST], [20, 20]), 0)
    for date in (5, 10, 16, 18):
        touches = date + HORIZON >= 20
        color = TEST if touches else INK
        axes.annotate(
            "",
            (date + HORIZON, 1.5 + (date % 3) / 3),
            (date, 1.5 + (date % 3) / 3),
            arrowprops={"arrowstyle": "-|>", "color": color, "lw": 2},
        )
    axes.text(0, 2.7, "label windows of train rows; two of them look into the test block")
    _legend(axes, {"train": TRAIN, "test": TEST}, -1.2)
    axes.set(xlim=(-1, DATES), ylim=(-1.4, 3.2))


def draw_purge(axes: Axes) -> None:
    """Draw the roles of one split, with and without its embargo."""
    roles = _roles()[:, 1]
    _cells(axes, roles, 0)
    first, last = np.flatnonzero(roles == Role.TEST)[[0, -1]]
    for date in (first - HORIZON, last):
        axes.annotate(
            "",
            (date + HORIZON, 1.3),
            (date, 1.3),
            arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 2},
        )
    axes.text(first - HORIZON, 1.6, "its label touches the block", ha="center")
    axes.text(last + HORIZON / 2, 1.6, "the block's own labels end here", ha="center")
    _legend(axes, {"train": TRAIN, "test": TEST, "purged": PURGED, "embargo": EMBARGO}, -1.2)
    axes.set(xlim=(-1, DATES), ylim=(-1.4, 2.2))


def draw_splits(axes: Axes, *, n_test_groups: int) -> None:
    """Draw every split of four groups, each with its purge and embargo."""
    roles = _roles(n_test_groups=n_test_groups)
    for split in range(roles.shape[1]):
        y = roles.shape[1] - split - 1
        _cells(axes, roles[:, split], y)
        axes.text(-1.5, y + 0.4, f"split {split}", ha="right", va="center")
    _legend(axes, {"train": TRAIN, "test": TEST, "purged": PURGED, "embargo": EMBARGO}, -1.2)
    axes.set_xlim(-6, DATES)


def draw_paths(axes: Axes) -> None:
    """Draw how the predictions of six splits make three complete histories."""
    splitter = PurgedEmbargoedTimeSeriesSplit(4, n_test_groups=2, embargo_days=EMBARGO_DAYS)
    splits = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    tints = mpl.colormaps["viridis"](np.linspace(0, 0.7, len(splits)))
    for group in range(4):
        testing = [split for split, groups in enumerate(splits) if group in groups]
        for path, split in enumerate(testing[: splitter.n_paths]):
            axes.bar(group * 10 + 4.5, 0.8, bottom=2 - path, width=9.6, color=tints[split])
            axes.text(
                group * 10 + 4.5, 2.4 - path, f"split {split}", ha="center", va="center",
                color="white",
            )  # fmt: skip
    for path in range(splitter.n_paths):
        axes.text(-1.5, 2.4 - path, f"path {path}", ha="right", va="center")
    for group in range(4):
        axes.text(group * 10 + 4.5, -0.4, f"group {group}", ha="center", va="center")
    axes.set_xlim(-6, DATES)


def draw_stacking(axes: Axes) -> None:
    """Draw what the stacker's train rows know of its test rows."""
    for fold in range(4):
        color = TEST if fold == 2 else TRAIN
        axes.bar(fold * 10 + 4.5, 0.8, bottom=0, width=9.6, color=color)
        axes.text(fold * 10 + 4.5, 0.4, f"OOF of fold {fold}", ha="center", va="center",
                  color="white")  # fmt: skip
    for fold in (0, 1, 3):
        axes.annotate(
            "", (fold * 10 + 4.5, 0.9), (24.5, 2.0),
            arrowprops={"arrowstyle": "-|>", "color": PURGED, "ls": "--", "lw": 1.5},
        )  # fmt: skip
    axes.text(
        20, 2.2, "the base models that made these predictions trained on labels of fold 2",
        ha="center",
    )  # fmt: skip
    _legend(axes, {"stacker trains": TRAIN, "stacker is tested": TEST}, -1.2)
    axes.set(xlim=(-1, DATES), ylim=(-1.4, 2.8))


def _edges() -> list[tuple[str, str]]:
    """Return which asset is made from which, less what follows from other edges."""
    definitions = build_definitions(load_config(), Store("memory://graph"))
    graph = definitions.resolve_asset_graph()
    parents = {
        key.path[-1]: {parent.path[-1] for parent in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }

    def ancestors(asset: str) -> set[str]:
        return parents[asset].union(*(ancestors(parent) for parent in parents[asset]))

    return [
        (parent, asset)
        for asset, direct in sorted(parents.items())
        for parent in sorted(direct)
        if not any(parent in ancestors(other) for other in direct)
    ]


COLUMNS: tuple[tuple[str, ...], ...] = (
    ("market_data",),
    ("labels", "features"),
    ("cv_splits", "model_settings"),
    ("fitted_models",),
    ("oof_predictions", "feature_importance"),
    ("stacking_frame", "oof_paths", "final_models"),
    ("cv_scores", "", "live_predictions"),
    ("leaderboard", "tear_sheet"),
    ("region_report",),
)
"""Assets by their place in the graph, from left to right."""

COMPARING = ("stacking_frame", "leaderboard", "region_report")


def draw_graph(axes: Axes) -> None:
    """Draw the assets, and which is made from which."""
    boxes = {}
    for column, assets in enumerate(COLUMNS):
        for row, asset in enumerate(reversed(assets)):
            if not asset:
                continue
            color = INK if column < 3 else TEST if asset in COMPARING else TRAIN
            style = {"boxstyle": "round,pad=0.4", "facecolor": color, "edgecolor": "none"}
            place = (column, 1.2 * (row - (len(assets) - 1) / 2))
            boxes[asset] = axes.text(
                *place, asset.replace("_", "\n"), ha="center", va="center", color="white",
                size=9, bbox=style,
            )  # fmt: skip
    axes.set(xlim=(-0.6, len(COLUMNS) - 0.4), ylim=(-1.8, 1.8))
    axes.figure.draw_without_rendering()  # boxes get their sizes
    for source, target in _edges():
        start, end = boxes[source], boxes[target]
        axes.annotate(
            "", end.get_position(), start.get_position(), zorder=0,
            arrowprops={
                "arrowstyle": "-|>", "color": PURGED, "lw": 1.2, "shrinkA": 0, "shrinkB": 2,
                "patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch(),
            },
        )  # fmt: skip


PICTURES: dict[str, tuple[Callable[[Axes], None], float]] = {
    "graph": (draw_graph, 3.2),
    "leak": (draw_leak, 2.2),
    "purge": (draw_purge, 2.0),
    "embargo": (partial(draw_splits, n_test_groups=1), 2.6),
    "cpcv": (partial(draw_splits, n_test_groups=2), 3.2),
    "paths": (draw_paths, 2.2),
    "stacking": (draw_stacking, 2.2),
}
