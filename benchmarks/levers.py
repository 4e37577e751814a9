"""Ways to train XGBoost faster, each alone against the exact profile."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Lever:
    """One change to the exact profile.

    Attributes
    ----------
    text : str
        What it does, for the table.
    options : mapping
        Options of `benchmarks.ours_models.run`.
    """

    text: str
    options: Mapping[str, Any] = field(default_factory=dict)


def _params(text: str, **params: Any) -> Lever:
    return Lever(text, {"params": params})


def _strides(text: str, short: int, long: int) -> Lever:
    overrides = {"21d": {"date_stride": short}, "63d": {"date_stride": long}}
    return Lever(text, {"overrides": overrides})


LEVERS = {
    "stride_2": _params("every 2nd date", date_stride=2),
    "stride_5": _params("every 5th date", date_stride=5),
    "stride_10": _params("every 10th date", date_stride=10),
    "stride_quarter": _strides("dates a quarter of the horizon apart (5, 15)", 5, 15),
    "stride_half": _strides("dates half of the horizon apart (10, 31)", 10, 31),
    "bins_128": _params("128 bins", max_bin=128),
    "bins_64": _params("64 bins", max_bin=64),
    "bins_32": _params("32 bins", max_bin=32),
    "even_bins": _params("64 bins of equal width, known beforehand", max_bin=64, bins="even"),
    "depth_3": _params("depth 3", max_depth=3),
    "dense": _params("missing values become the middle rank", missing_as=0.0),
    "leaf_2": _params("leaves of at least 2% of the rows", min_child_weight_fraction=0.02),
    "leaf_10": _params("leaves of at least 10% of the rows", min_child_weight_fraction=0.10),
    "rows_half": _params("half of the rows drawn for each tree", subsample=0.5),
    "columns_half": _params("half of the features drawn for each tree", colsample_bytree=0.5),
}
"""Every lever by name."""
