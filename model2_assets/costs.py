"""What the steps of a region cost together."""

from dataclasses import dataclass

import pandas as pd

COLUMNS = ("asset", "partition", "load_seconds", "seconds", "write_seconds", "peak_rss_mb")
"""Columns of a table of costs, a row for every asset and partition: wall seconds of loading the
inputs, of the work itself and of publishing; peak resident memory, 10^6 bytes. The partition is
empty where an asset has none, costs are NaN where they are not known."""


@dataclass(frozen=True)
class RegionCosts:
    """Costs of a region's steps, executed one after another in one process.

    Attributes
    ----------
    hours : float
        Sum of the wall time of all steps.
    peak_rss_gb : float
        Largest resident memory of any step, 10^9 bytes.
    unknown : tuple of str
        What is not counted, such as ``features`` or ``oof_paths (2 partitions)``.
    """

    hours: float
    peak_rss_gb: float
    unknown: tuple[str, ...]


def total_costs(costs: pd.DataFrame) -> RegionCosts:
    """Add up the costs of a region.

    Parameters
    ----------
    costs : DataFrame of shape (n_results, 6)
        See `COLUMNS`.

    Returns
    -------
    RegionCosts
        Of the steps whose costs are known; 0 where none is.
    """
    seconds = costs[["load_seconds", "seconds", "write_seconds"]].sum().sum()
    peak = costs["peak_rss_mb"].max()
    missing = costs[costs["seconds"].isna()]
    return RegionCosts(
        hours=float(seconds) / 3600,
        peak_rss_gb=0.0 if pd.isna(peak) else float(peak) / 1e3,
        unknown=tuple(
            f"{asset} ({len(rows)} partitions)" if (rows["partition"] != "").all() else str(asset)
            for asset, rows in missing.groupby("asset", sort=False)
        ),
    )
