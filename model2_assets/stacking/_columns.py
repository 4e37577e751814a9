"""Names of the columns of predictions in a stacking frame."""

import re
from dataclasses import dataclass

import pandas as pd

from model2_assets.provenance import facts_of

PURGE = "purge"
"""Fact of the frame's file: how the splits behind its columns were purged."""

_BASE_COLUMN = re.compile(r"oof_([1-9][0-9]*d)_([a-z][a-z0-9_]*)")


@dataclass(frozen=True)
class BaseColumn:
    """One column of out-of-fold predictions.

    Attributes
    ----------
    horizon, model : str
        Such as ``21d`` and ``ridge``.
    """

    horizon: str
    model: str

    @classmethod
    def of_partition(cls, key: str) -> "BaseColumn":
        """Return the column of a partition such as ``21d|ridge``."""
        horizon, _, model = key.partition("|")
        return cls(horizon, model)

    @property
    def name(self) -> str:
        """Name of the column, such as ``oof_21d_ridge``."""
        return f"oof_{self.horizon}_{self.model}"

    @property
    def partition(self) -> str:
        """Key of the partition that it comes from, such as ``21d|ridge``."""
        return f"{self.horizon}|{self.model}"


def base_columns(frame: pd.DataFrame) -> tuple[BaseColumn, ...]:
    """Return the columns of predictions that a stacking frame has, in their order."""
    matches = [_BASE_COLUMN.fullmatch(str(name)) for name in frame.columns]
    return tuple(BaseColumn(match[1], match[2]) for match in matches if match)


def stackable_columns(frame: pd.DataFrame, horizon: str) -> tuple[str, ...]:
    """Return the columns that a model of one horizon may be stacked on side by side.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        A stacking frame with its provenance.
    horizon : str
        Horizon of the label to predict, such as ``21d``.

    Returns
    -------
    tuple of str
        All columns of predictions where the file states ``purge: longest_horizon``; else
        those of the horizon alone.
    """
    columns = base_columns(frame)
    if facts_of(frame).get(PURGE) == "longest_horizon":
        return tuple(column.name for column in columns)
    return tuple(column.name for column in columns if column.horizon == horizon)
