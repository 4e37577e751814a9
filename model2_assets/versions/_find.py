"""From what a person types to the version that is meant."""

import re
from collections.abc import Sequence

from model2_assets.errors import StoreError
from model2_assets.versions._version import Version

MIN_PREFIX = 6
"""Digits that name a version; fewer are too easily mistaken."""


def find_version(versions: Sequence[Version], prefix: str, *, what: str) -> Version:
    """Return the kept version whose data version starts with a prefix.

    Parameters
    ----------
    versions : sequence of Version
        Those kept, the last published first.
    prefix : str
        At least `MIN_PREFIX` hexadecimal digits, in either case.
    what : str
        What the versions are of, for messages.

    Returns
    -------
    Version
        Where equal values were kept with different origins, the last published of them.

    Raises
    ------
    StoreError
        If the prefix is no version, fits none or several; names those that there are.
    """
    digits = digits_of(prefix, what=what)
    found = [version for version in versions if version.data_version.startswith(digits)]
    distinct = {version.data_version for version in found}
    if len(distinct) > 1:
        raise StoreError(
            f"{what}: {digits} fits {_listed(found)}; give more digits of the one that is meant"
        )
    if not found:
        kept = f"kept are {_listed(versions)}" if versions else "none is kept"
        raise StoreError(f"{what}: there is no version {digits}; {kept}")
    return found[0]


def digits_of(prefix: str, *, what: str) -> str:
    """Return the digits that a person gave for a version, in lower case.

    Raises
    ------
    StoreError
        If they are too few or not hexadecimal.
    """
    digits = prefix.strip().lower()
    if not re.fullmatch(rf"[0-9a-f]{{{MIN_PREFIX},}}", digits):
        raise StoreError(
            f"{what}: {prefix!r} is no version; give at least {MIN_PREFIX} hexadecimal digits of "
            f"one, as shown by model2 versions"
        )
    return digits


def _listed(versions: Sequence[Version]) -> str:
    return ", ".join(
        f"{version.short} ({version.published:%Y-%m-%d %H:%M})" for version in versions
    )
