"""How often the best model of one half of history is below the median in the other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import nan

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.config import LabelsConfig
from model2_assets.errors import Model2Error
from model2_assets.evaluation.ic import Grid, Values, average_ranks, daily_ic
from model2_assets.evaluation.inference import (
    deflated_sharpe_ratio,
    label_overlap_days,
    require_count,
)
from model2_assets.labels import realized_returns
from model2_assets.storage.data_version import INPUTS, data_versions_of, facts_of
from model2_assets.storage.models import Search
from model2_assets.training.data import panel_rows

MOST_BLOCKS = 24
"""C(24, 12) is 2.7 million combinations; more blocks take gigabytes."""


@dataclass(frozen=True, eq=False)
class BacktestOverfitting:
    """The probability of backtest overfitting, and what it was estimated from.

    `pbo` is the share of the combinations in which the model that was best in sample ranks below
    the median out of sample, those at the exact median counted as halves (0.5 is chance);
    `logits`, shape (n_combinations,), the log odds of its relative rank there.
    """

    pbo: float
    logits: Values


def probability_of_backtest_overfitting(
    performance: ArrayLike, *, n_blocks: int = 16, overlap_days: int = 0
) -> BacktestOverfitting:
    """Estimate the probability of backtest overfitting by CSCV.

    Combinatorially symmetric cross-validation (D. H. Bailey, J. M. Borwein, M. López de Prado and
    Q. J. Zhu, "The Probability of Backtest Overfitting", Journal of Computational Finance 20(4),
    2017): dates are cut into an even number of contiguous blocks; in every choice of half of
    them, the model whose mean is best on the chosen half (in sample) is ranked among all models by
    its mean on the other (out of sample).

    The authors integrate the distribution of logits, log(ω / (1 − ω)) with ω = rank /
    (n_models + 1), up to 0. Of an odd number of models, or with ties, the chosen one can be at
    the exact median, whose logit is 0. It is no evidence either way, so it counts as a half:
    for worthless models the probability is then 0.5 for any number of them. Leaving it out
    would read (n_models − 1) / (2 n_models) for an odd number, counting it as a whole as much
    above 0.5.

    Parameters
    ----------
    performance : array-like of shape (n_dates, n_models), float
        Daily performance, larger is better, such as rank ICs; dates in order.
    n_blocks : int, default 16
        Even number of blocks; sizes differ by one date at most.
    overlap_days : int, default 0
        Dates left out at the end of every block. With as many as labels overlap, no label of
        one block touches the next block.

    Returns
    -------
    BacktestOverfitting
        Equal performances share their average rank; the first of equally good models counts
        as the best in sample. Model2Error is raised for what is no table of finite numbers with
        two models or more, or has too few dates for the blocks.

    Examples
    --------
    One of two models is better on every date, so choosing it never fails:

    >>> performance = [[0.1, 0.2], [0.0, 0.1], [-0.1, 0.0], [0.3, 0.4]]
    >>> probability_of_backtest_overfitting(performance, n_blocks=4).pbo
    0.0
    """
    table = _checked(performance, n_blocks, overlap_days)
    blocks = [block[: len(block) - overlap_days] for block in np.array_split(table, n_blocks)]
    in_sample = _half_of_blocks(n_blocks)
    best = _means(blocks, in_sample).argmax(axis=1)
    ranks = average_ranks(_means(blocks, ~in_sample))
    n_models = table.shape[1]
    rank = ranks[np.arange(len(best)), best] + 1
    share = rank / (n_models + 1)
    below = np.sign(n_models + 1 - 2 * rank)
    return BacktestOverfitting(
        pbo=float(np.mean(1 + below) / 2), logits=np.log(share / (1 - share))
    )


def _checked(performance: ArrayLike, n_blocks: int, overlap_days: int) -> Values:
    table = np.asarray(performance, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 2:
        raise Model2Error(
            f"performance must be of shape (n_dates, n_models) with two models or more, got "
            f"{table.shape}"
        )
    if not np.isfinite(table).all():
        date, model = np.argwhere(~np.isfinite(table))[0]
        raise Model2Error(
            f"performance of model {model} on date {date} is {table[date, model]}; leave out "
            f"dates that not all models have"
        )
    if n_blocks % 2 or not 2 <= n_blocks <= MOST_BLOCKS:
        raise Model2Error(f"n_blocks must be even, from 2 to {MOST_BLOCKS}, got {n_blocks!r}")
    require_count("overlap_days", overlap_days, least=0)
    if len(table) < n_blocks * (overlap_days + 1):
        raise Model2Error(
            f"{len(table)} dates are too few for {n_blocks} blocks of which {overlap_days} dates "
            f"each are left out; lower n_blocks"
        )
    return table


def _half_of_blocks(n_blocks: int) -> NDArray[np.bool_]:
    """Return every choice of half of the blocks, shape (n_combinations, n_blocks)."""
    chosen = np.array(list(combinations(range(n_blocks), n_blocks // 2)))
    mask = np.zeros((len(chosen), n_blocks), dtype=bool)
    np.put_along_axis(mask, chosen, True, axis=1)
    return mask


def _means(blocks: Sequence[Values], chosen: NDArray[np.bool_]) -> Values:
    """Return every model's mean over the chosen blocks, shape (n_combinations, n_models).

    Blocks are added up in their order: equal models get equal bits, as no matrix product gives.
    """
    total = np.zeros((len(chosen), blocks[0].shape[1]))
    for in_block, block in zip(chosen.T, blocks, strict=True):
        total += in_block[:, np.newaxis] * block.sum(axis=0)
    dates = chosen @ np.array([len(block) for block in blocks], dtype=np.float64)
    mean: Values = total / dates[:, np.newaxis]
    return mean


FEWEST_MODELS = 4
"""Models below which a rank among them says next to nothing."""

BLOCKS = 16
FEWEST_BLOCKS = 6
"""Six blocks make 20 combinations; fewer are too coarse a share."""


@dataclass(frozen=True)
class HorizonOverfitting:
    """The probability (NaN where it is withheld), and what it is from or why it is withheld."""

    pbo: float
    description: str


def overfitting_by_horizon(
    oof: Mapping[str, pd.DataFrame], labels: pd.DataFrame, config: LabelsConfig
) -> dict[str, HorizonOverfitting]:
    """Estimate it for the models of every horizon, leaving out predictions of other labels.

    Compared are daily rank ICs on realized returns, on the dates that all models have, by their
    mean, as the leaderboard orders them. As many dates as labels overlap are left out between
    blocks, which are at least twice as long.
    """
    version = data_versions_of(labels=labels)["labels"]
    current: dict[str, list[pd.DataFrame]] = {}
    for frame in oof.values():
        of_horizon = current.setdefault(facts_of(frame)["horizon"], [])
        if facts_of(frame).get(INPUTS, {}).get("labels", version) == version:
            of_horizon.append(frame)
    return {
        horizon: _of_models(frames, labels, horizon, config) for horizon, frames in current.items()
    }


def _of_models(
    frames: list[pd.DataFrame], labels: pd.DataFrame, horizon: str, config: LabelsConfig
) -> HorizonOverfitting:
    if len(frames) < FEWEST_MODELS:
        models = "1 model was" if len(frames) == 1 else f"{len(frames)} models were"
        return _withheld(
            f"{models} made from the present labels, and it takes {FEWEST_MODELS} to be informative"
        )
    return overfitting_of(daily_rank_ics(frames, labels, horizon, config), horizon, config)


def overfitting_of(daily: pd.DataFrame, horizon: str, config: LabelsConfig) -> HorizonOverfitting:
    """Estimate it for the models of a horizon from their `daily_rank_ics`."""
    daily = daily.dropna()
    overlap = label_overlap_days(horizon, execution_lag_days=config.execution_lag_days)
    n_blocks = min(BLOCKS, len(daily) // max(2 * overlap, 1)) // 2 * 2
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
        description=f"{found.pbo:.2f}: {daily.shape[1]} models, {n_blocks} blocks of "
        f"{len(daily):,} dates, {len(found.logits):,} combinations",
    )


def overfitting_of_search(search: Search) -> tuple[float, float]:
    """Return PBO and deflated Sharpe ratio of the trials of a search, by their inner scores.

    In place of dates are the halves of the inner folds, which share no day of a label. The ratio is
    that of the best trial, for as many as there were; PBO is of the complete ones. NaN: too few.
    """
    performance = np.transpose(search.blocks)
    pbo, n_blocks = nan, min(BLOCKS, len(performance))
    if len(search.blocks) >= FEWEST_MODELS and n_blocks >= FEWEST_BLOCKS:
        pbo = probability_of_backtest_overfitting(performance, n_blocks=n_blocks).pbo
    best = search.blocks[0] if search.blocks else ()
    return pbo, deflated_sharpe_ratio(best, n_trials=search.trials)


def _withheld(reason: str) -> HorizonOverfitting:
    return HorizonOverfitting(nan, f"withheld: {reason}")


def daily_rank_ics(
    frames: Iterable[pd.DataFrame], labels: pd.DataFrame, horizon: str, config: LabelsConfig
) -> pd.DataFrame:
    """Return daily rank ICs on realized returns: dates by predictions, NaN where undefined."""
    grid = Grid.of(panel_rows(labels))
    earned = realized_returns(labels, horizon, excess=config.excess)
    realized = grid.laid_out(earned, grid.cells(panel_rows(labels)))
    daily = [
        daily_ic(frame["prediction"], realized[grid.cells(index)], index)["rank_ic"]
        for frame, index in ((frame, panel_rows(frame)) for frame in frames)
    ]
    return pd.concat(daily, axis=1, keys=range(len(daily)), sort=True)
