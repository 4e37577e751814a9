"""The null control of every horizon."""

from collections.abc import Sequence

import pandas as pd

from model2_assets.config import ChecksConfig
from model2_assets.controls._null import NullControl, null_control
from model2_assets.training import assemble_training_data


def null_control_by_horizon(
    features: pd.DataFrame,
    labels: pd.DataFrame,
    splits: pd.DataFrame,
    *,
    horizons: Sequence[str],
    settings: ChecksConfig,
    n_threads: int | None = None,
) -> dict[str, NullControl]:
    """Run the null control on the rows of every horizon.

    Parameters
    ----------
    features, labels, splits : DataFrame
        The tables that models are trained on.
    horizons : sequence of str
        Such as ``("21d", "63d")``.
    settings : ChecksConfig
        Number of permutations, and their seed.
    n_threads : int, optional
        Threads; the usable cores by default. The result does not depend on it.

    Returns
    -------
    dict of str to NullControl
        By horizon.
    """
    return {
        horizon: null_control(
            assemble_training_data(features, labels, splits, horizon=horizon),
            n_permutations=settings.null_control_permutations,
            seed=settings.controls_seed,
            n_threads=n_threads,
        )
        for horizon in horizons
    }
