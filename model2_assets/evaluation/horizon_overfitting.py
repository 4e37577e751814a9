"""Probability of backtest overfitting of a horizon's models, or why it is withheld."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd

from model2_assets.evaluation._label_overlap import label_overlap_days
from model2_assets.evaluation._label_panel import NO_LABEL, LabelPanel, label_panel
from model2_assets.evaluation._metrics import daily_ic
from model2_assets.evaluation._overfitting import probability_of_backtest_overfitting
from model2_assets.provenance import INPUTS, data_versions_of, facts_of

FEWEST_MODELS = 4
"""Models below which a rank among them says next to nothing."""

MOST_BLOCKS = 16
FEWEST_BLOCKS = 6
"""Six blocks make 20 combinations; fewer are too coarse a share."""


@dataclass(frozen=True)
class HorizonOverfitting:
    """What is known of overfitting by choosing among a horizon's models.

    Attributes
    ----------
    pbo : float
        Probability of backtest overfitting; NaN where it is withheld.
    description : str
        What it was estimated from, or why it is withheld.
    """

    pbo: float
    description: str


def overfitting_by_horizon(
    oof: Mapping[str, pd.DataFrame], labels: pd.DataFrame, *, execution_lag_days: int
) -> dict[str, HorizonOverfitting]:
    """Estimate the probability of backtest overfitting for the models of every horizon.

    The performance compared is the daily rank IC on the dates that all models of the horizon
    have; models are chosen by its mean, as the leaderboard orders them. As many dates as
    labels overlap are left out between blocks, which are at least twice as long.

    Parameters
    ----------
    oof : mapping of str to DataFrame
        Out-of-fold predictions by partition key, with their provenance.
    labels : DataFrame of shape (n_labels, 3 * n_horizons)
        Stored labels, with their provenance. Predictions made from other labels are left
        out.
    execution_lag_days : int
        Trading bars from signal to entry.

    Returns
    -------
    dict of str to HorizonOverfitting
        By horizon, such as ``21d``. Withheld below four models, or where history is shorter
        than six blocks.
    """
    version = data_versions_of(labels=labels)["labels"]
    current: dict[str, list[pd.DataFrame]] = {}
    for frame in oof.values():
        of_horizon = current.setdefault(facts_of(frame)["horizon"], [])
        if facts_of(frame).get(INPUTS, {}).get("labels", version) == version:
            of_horizon.append(frame)
    return {
        horizon: _of_models(frames, labels[f"label_{horizon}"], horizon, execution_lag_days)
        for horizon, frames in current.items()
    }


def _of_models(
    frames: list[pd.DataFrame], label: pd.Series, horizon: str, execution_lag_days: int
) -> HorizonOverfitting:
    if len(frames) < FEWEST_MODELS:
        models = "1 model was" if len(frames) == 1 else f"{len(frames)} models were"
        return _withheld(
            f"{models} made from the present labels, and it takes {FEWEST_MODELS} to be informative"
        )
    panel = label_panel(label)
    daily = pd.concat([_daily_rank_ic(frame, panel) for frame in frames], axis=1).dropna()
    overlap = label_overlap_days(horizon, execution_lag_days=execution_lag_days)
    n_blocks = min(MOST_BLOCKS, len(daily) // max(2 * overlap, 1)) // 2 * 2
    if n_blocks < FEWEST_BLOCKS:
        return _withheld(
            f"{len(daily)} common dates make {n_blocks} blocks of at least {2 * overlap}, and it "
            f"takes {FEWEST_BLOCKS}"
        )
    found = probability_of_backtest_overfitting(
        daily.to_numpy(), n_blocks=n_blocks, overlap_days=overlap
    )
    return HorizonOverfitting(
        pbo=found.pbo,
        description=f"{found.pbo:.2f}: {found.n_models} models, {found.n_blocks} blocks of "
        f"{len(daily):,} dates, {len(found.logits):,} combinations",
    )


def _withheld(reason: str) -> HorizonOverfitting:
    return HorizonOverfitting(nan, f"withheld: {reason}")


def _daily_rank_ic(oof: pd.DataFrame, panel: LabelPanel) -> pd.Series:
    index = oof.index
    assert isinstance(index, pd.MultiIndex)
    position = panel.positions_of_index(index)
    realized = np.where(position == NO_LABEL, nan, panel.label[position])
    return daily_ic(oof["prediction"].to_numpy(), realized, index)["rank_ic"]
