"""Daily statistics of a region's partitions, computed once for all parts of its report."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from model2_assets.evaluation import cumulative_quantile_spread, daily_ic, decile_spread
from model2_assets.provenance import INPUTS, data_versions_of, facts_of
from model2_assets.reports._partition_statistics import labels_of


@dataclass(frozen=True, eq=False)
class DailyHistory:
    """Daily statistics of one horizon and model.

    Attributes
    ----------
    rank_ic : Series of shape (n_dates,)
        Daily rank IC.
    spread : Series of shape (n_dates,)
        What the top quantile earned over the bottom one, as the share of it that a date adds to
        the mean of the books of `cumulative_quantile_spread`, bps.
    """

    rank_ic: pd.Series
    spread: pd.Series


def daily_histories(
    oof: Mapping[str, pd.DataFrame], labels: pd.DataFrame
) -> dict[str, DailyHistory]:
    """Return the daily statistics of every partition that was made from the labels at hand.

    Parameters
    ----------
    oof : mapping of str to DataFrame
        Out-of-fold predictions by partition key, with their provenance.
    labels : DataFrame of shape (n_labels, 3 * n_horizons)
        Stored labels, with their provenance.

    Returns
    -------
    dict of str to DailyHistory
        In the order of `oof`.
    """
    version = data_versions_of(labels=labels)["labels"]
    return {
        key: _history(frame, labels)
        for key, frame in oof.items()
        if facts_of(frame).get(INPUTS, {}).get("labels", version) == version
    }


def _history(oof: pd.DataFrame, labels: pd.DataFrame) -> DailyHistory:
    horizon = str(facts_of(oof)["horizon"])
    label, index = labels_of(oof, labels, horizon), oof.index
    assert isinstance(index, pd.MultiIndex)
    spread = decile_spread(oof["prediction"], label, index)
    books = cumulative_quantile_spread(spread, horizon_days=int(horizon.removesuffix("d")))
    return DailyHistory(
        rank_ic=daily_ic(oof["prediction"], label, index)["rank_ic"],
        spread=books["mean"].diff().fillna(books["mean"]),
    )
