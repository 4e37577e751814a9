"""The kept versions of out-of-fold predictions as a table for the terminal."""

import math
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from model2_assets.storage import Address, Store
from model2_assets.versions import Version, scores_of

if TYPE_CHECKING:
    import pandas as pd


def versions_table(store: Store, predictions: Address) -> Table | None:
    """Return the kept versions of one model and horizon, the last published first.

    Parameters
    ----------
    store : Store
        Where results are.
    predictions : Address
        Of the out-of-fold predictions.

    Returns
    -------
    rich.table.Table or None
        None if no version is kept. The rank IC is that of the scores kept with a version, and
        a dash where they are not kept or cannot be read.
    """
    versions = store.archive.versions(predictions)
    if not versions:
        return None
    table = Table(
        title=f"{predictions.region} {predictions.horizon} {predictions.model}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for heading in ("version", "", "published (UTC)", "first published"):
        table.add_column(heading, no_wrap=True)
    for heading in ("rows", "rank IC"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in _MADE_FROM:
        table.add_column(heading.replace("fitted_", ""), no_wrap=True)
    current = store.current_version(predictions)
    scores = scores_of(store, predictions, versions)
    for version in versions:
        is_current = current is not None and version.file == current.file
        rank_ic = _rank_ic(store, predictions, scores.get(version.file))
        table.add_row(
            version.short,
            "current" if is_current else "",
            f"{version.published:%Y-%m-%d %H:%M:%S}",
            f"{version.first_published:%Y-%m-%d %H:%M:%S}",
            "–" if version.rows is None else f"{version.rows:,}",
            "–" if math.isnan(rank_ic) else f"{rank_ic:+.4f}",
            *(version.inputs.get(name, "–")[:12] for name in _MADE_FROM),
        )
    return table


_MADE_FROM = ("fitted_models", "labels", "features")


def _rank_ic(store: Store, predictions: Address, scores: Version | None) -> float:
    from model2_assets.errors import Model2Error

    if scores is None:
        return math.nan
    address = Address(predictions.region, "cv_scores", predictions.horizon, predictions.model)
    try:
        frame: pd.DataFrame = store.read_version(address, scores)
    except Model2Error:
        return math.nan
    found = frame.loc[(frame["scope"] == "all") & (frame["metric"] == "rank_ic"), "value"]
    return float(found.iloc[0]) if len(found) else math.nan
