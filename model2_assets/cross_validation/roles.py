"""Roles that a row can play in a split, and the columns that store them."""

import re
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config.partition import horizon_days
from model2_assets.errors import CrossValidationError

LONGEST = "longest"
"""Stands for a horizon where rows are purged with the longest label that they have."""

_COLUMN = re.compile(r"split_(0|[1-9][0-9]*)(?:_([1-9][0-9]*d))?")


class Role(IntEnum):
    """What a row does in a split.

    Attributes
    ----------
    TRAIN, TEST : int
        The row is fitted on, or predicted.
    PURGED_BEFORE, PURGED_AFTER : int
        The row's interval [datetime, label end] touches the interval of a test block that
        lies after it, or before it. A row that does both is purged after.
    EMBARGOED : int
        The row's date is one of those that follow the latest label end of a test block.
    UNUSED : int
        The row lies outside the train window of a walk-forward split: after its test
        group, or before a rolling window. Or it has no label of the horizon that the
        column is purged for.
    """

    TRAIN = 0
    TEST = 1
    PURGED_BEFORE = 2
    PURGED_AFTER = 3
    EMBARGOED = 4
    UNUSED = 5


class RoleColumn(NamedTuple):
    """One column of roles in a cv_splits table: of one horizon's models, or of all (None)."""

    horizon: str | None
    split_id: int

    @property
    def name(self) -> str:
        """Name of the column: ``split_3``, or ``split_3_21d``."""
        return f"split_{self.split_id}" + (f"_{self.horizon}" if self.horizon else "")

    @property
    def purged_with(self) -> str:
        """Horizon of the label that rows are purged with; ``longest`` where it is for all."""
        return self.horizon or LONGEST

    def roles(self, splits: pd.DataFrame) -> NDArray[np.int8]:
        """Return the role of every row of a cv_splits table, shape (n_rows,)."""
        roles: NDArray[np.int8] = splits[self.name].to_numpy(dtype=np.int8)
        return roles


def role_columns(splits: pd.DataFrame) -> tuple[RoleColumn, ...]:
    """Return the columns of roles in a cv_splits table, by horizon, then split.

    All are for one horizon each, with the same splits, or for all.
    """
    names = [str(column) for column in splits.columns]
    matches = [match for match in map(_COLUMN.fullmatch, names) if match]
    columns = [RoleColumn(horizon=match[2], split_id=int(match[1])) for match in matches]
    if not columns:
        raise CrossValidationError(
            f"the cv_splits table has no column split_0, only {', '.join(names)}; materialize "
            f"cv_splits again"
        )
    ids = range(len({column.split_id for column in columns}))
    horizons = sorted({column.horizon for column in columns}, key=lambda h: horizon_days(h or "0d"))
    expected = [RoleColumn(horizon, split_id) for horizon in horizons for split_id in ids]
    absent = [column.name for column in expected if column not in columns]
    if absent or (None in horizons and len(horizons) > 1):
        culprit = absent[0] if absent else f"split_{ids[0]} beside others per horizon"
        raise CrossValidationError(
            f"the cv_splits table has {'no ' if absent else ''}column {culprit}; every horizon "
            f"needs every split: materialize cv_splits again"
        )
    return tuple(expected)


def split_ids(splits: pd.DataFrame) -> tuple[int, ...]:
    """Return the numbers of the splits in a cv_splits table, ascending."""
    return tuple(dict.fromkeys(column.split_id for column in role_columns(splits)))


def split_horizons(splits: pd.DataFrame) -> tuple[str, ...]:
    """Return the horizons that have roles of their own; empty where all share the same."""
    horizons = dict.fromkeys(column.horizon for column in role_columns(splits))
    return tuple(horizon for horizon in horizons if horizon is not None)


def horizon_columns(splits: pd.DataFrame, horizon: str | None) -> tuple[RoleColumn, ...]:
    """Return the columns of roles for the models of a horizon, by split: its own, or those of all.

    None stands for any horizon where all share one set of splits.
    """
    columns = tuple(c for c in role_columns(splits) if c.horizon in (None, horizon))
    if not columns:
        raise CrossValidationError(
            f"the cv_splits table has roles per horizon ({', '.join(split_horizons(splits))}), "
            f"none for {horizon!r}; name one of them"
        )
    return columns


def count_roles(roles: NDArray[np.int8]) -> dict[str, int]:
    """Return the number of rows in each role, keyed by the role's lower-case name."""
    return {role.name.lower(): int(np.count_nonzero(roles == role)) for role in Role}
