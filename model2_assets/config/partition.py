"""Names of regions, models and horizons, and the partition of one horizon and model."""

import re
from typing import NamedTuple

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_HORIZON = re.compile(r"[1-9][0-9]{0,3}d")
_RESERVED = {"con", "prn", "aux", "nul"} | {
    f"{port}{number}" for port in ("com", "lpt") for number in range(10)
}

NAME_RULE = (
    "up to 40 lower-case letters, digits and underscores, a letter first, and none of the names "
    "that Windows reserves, such as con and com1"
)
"""What a name has to be, in words."""


def is_name(text: str) -> bool:
    """Tell whether a text can name a region, an asset or a model.

    Two such names never differ in case alone, none leads out of its folder, and every file
    system takes it.
    """
    return _NAME.fullmatch(text) is not None and text not in _RESERVED


def is_horizon(text: str) -> bool:
    """Tell whether a text can be the partition key of a horizon, such as ``21d``."""
    return _HORIZON.fullmatch(text) is not None


def horizon_days(horizon: str) -> int:
    """Return the trading days of a horizon's name: 21 of ``21d``."""
    return int(horizon.removesuffix("d"))


class Partition(NamedTuple):
    """One horizon and model of a region.

    Attributes
    ----------
    horizon : str
        Such as ``21d``.
    model : str
        Such as ``ridge``.

    Examples
    --------
    >>> Partition.parse("21d|ridge").days
    21
    >>> Partition("63d", "xgboost").key
    '63d|xgboost'
    """

    horizon: str
    model: str

    @classmethod
    def parse(cls, key: str) -> "Partition":
        """Return the partition of a key such as ``21d|ridge``."""
        horizon, _, model = key.partition("|")
        return cls(horizon, model)

    @property
    def key(self) -> str:
        """Its key, as Dagster writes it: dimensions in the order of their names."""
        return f"{self.horizon}|{self.model}"

    @property
    def days(self) -> int:
        """Trading days from entry to exit."""
        return horizon_days(self.horizon)
