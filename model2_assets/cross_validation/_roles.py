"""Roles that a row can play in a split, and the columns that store them."""

from enum import IntEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.errors import CrossValidationError

SPLIT_PREFIX = "split_"


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
    """

    TRAIN = 0
    TEST = 1
    PURGED_BEFORE = 2
    PURGED_AFTER = 3
    EMBARGOED = 4


def split_ids(splits: pd.DataFrame) -> tuple[int, ...]:
    """Return the numbers of the splits in a cv_splits table, ascending.

    Raises
    ------
    CrossValidationError
        If the table has no column ``split_<number>``.
    """
    names = [str(column) for column in splits.columns]
    numbers = [name.removeprefix(SPLIT_PREFIX) for name in names if name.startswith(SPLIT_PREFIX)]
    found = tuple(sorted(int(number) for number in numbers if number.isdecimal()))
    if not found:
        raise CrossValidationError(
            f"the cv_splits table has no column {SPLIT_PREFIX}0, only {', '.join(names)}; "
            f"materialize cv_splits again"
        )
    return found


def split_roles(splits: pd.DataFrame, split_id: int) -> NDArray[np.int8]:
    """Return the role of every row in one split, shape (n_rows,)."""
    roles: NDArray[np.int8] = splits[f"{SPLIT_PREFIX}{split_id}"].to_numpy(dtype=np.int8)
    return roles


def count_roles(roles: NDArray[np.int8]) -> dict[str, int]:
    """Return the number of rows in each role, keyed by the role's lower-case name."""
    return {role.name.lower(): int(np.count_nonzero(roles == role)) for role in Role}
