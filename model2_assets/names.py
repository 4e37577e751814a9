"""Names that become folders, file names and parts of asset keys."""

import re

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
