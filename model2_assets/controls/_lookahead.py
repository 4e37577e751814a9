"""The look-ahead control: features must not change when the future is unknown."""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd

from model2_assets.builders import make_features
from model2_assets.config import FeaturesConfig
from model2_assets.controls._table_difference import compare_tables
from model2_assets.errors import FeatureError, Model2Error

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LookaheadControl:
    """What changed when history was cut.

    Attributes
    ----------
    dates : tuple of Timestamp
        Dates that history was made to end at, ascending.
    n_values : int
        Feature values compared.
    n_different : int
        Of these, values that differ.
    first_difference : str
        Names the first difference: feature, instrument, date, and where history ended. A
        row or a feature that one side lacks is a difference too. Empty where there is none.
    seed : int
        Seed of the choice of dates.
    """

    dates: tuple[pd.Timestamp, ...]
    n_values: int
    n_different: int
    first_difference: str
    seed: int


def lookahead_control(
    features: pd.DataFrame,
    panel: pd.DataFrame,
    config: FeaturesConfig,
    *,
    n_dates: int = 3,
    seed: int = 7,
) -> LookaheadControl:
    """Recompute features on history that ends at sampled dates, and compare to the bit.

    Parameters
    ----------
    features : DataFrame of shape (n_rows, n_features)
        What was computed on the whole history, in canonical order.
    panel : DataFrame of shape (n_bars, n_columns)
        The market data that it was computed from.
    config : FeaturesConfig
        Settings; names the builder, ours or a team's own.
    n_dates : int, default 3
        How many dates to sample, of those that have features and later bars.
    seed : int, default 7
        Seed of the choice.

    Returns
    -------
    LookaheadControl
        Rows of the date that history ends at and all earlier rows are compared, every
        feature of them. A missing value equals a missing value.

    Raises
    ------
    FeatureError
        If the builder fails on a shorter history; names the date that it ended at.

    Notes
    -----
    A feature that looks k dates ahead changes in the k dates before the end, so the last
    date shows it whatever k is. Earlier rows cost nothing more, and show what the last date
    may miss, such as a gap that was filled from the future. The start of history stays where
    it is: a builder may look back as far as it likes.
    """
    ends = _sample_dates(features, panel, n_dates=n_dates, seed=seed)
    bar_dates = panel.index.get_level_values("datetime")
    feature_dates = features.index.get_level_values("datetime")
    n_values = n_different = 0
    first_difference = ""
    for end in ends:
        stored = features.iloc[: int(feature_dates.searchsorted(end, side="right"))]
        # Not by a name: the next one is made only once this one is out of memory.
        found = compare_tables(stored, _recompute(panel[bar_dates <= end], config, end))
        n_values += found.n_values
        n_different += found.n_different
        if found.first_difference and not first_difference:
            first_difference = f"{found.first_difference} when history ends on {end:%Y-%m-%d}"
        logger.info(
            "look-ahead control: history up to %s, %s of %s values differ",
            f"{end:%Y-%m-%d}",
            f"{found.n_different:,}",
            f"{found.n_values:,}",
        )
    return LookaheadControl(
        dates=ends,
        n_values=n_values,
        n_different=n_different,
        first_difference=first_difference,
        seed=seed,
    )


def _sample_dates(
    features: pd.DataFrame, panel: pd.DataFrame, *, n_dates: int, seed: int
) -> tuple[pd.Timestamp, ...]:
    dates = features.index.get_level_values("datetime").unique()
    candidates = dates[dates < panel.index.get_level_values("datetime").max()].sort_values()
    size = min(n_dates, len(candidates))
    chosen = np.random.default_rng(seed).choice(len(candidates), size=size, replace=False)
    return tuple(candidates[np.sort(chosen)])


def _recompute(history: pd.DataFrame, config: FeaturesConfig, end: pd.Timestamp) -> pd.DataFrame:
    try:
        return make_features(history, config)
    except Exception as error:
        where = config.builder or "the feature builder"
        kind = "" if isinstance(error, Model2Error) else f"{type(error).__name__}: "
        raise FeatureError(
            f"features.builder: {where} fails on history that ends on {end:%Y-%m-%d} ({kind}"
            f"{error}); it must work on history up to any date that has features"
        ) from error
