"""What came from a file, as messages show it: on one line, and not too long."""

import numpy as np
from numpy.typing import NDArray

_LONGEST = 60


def shown(text: str) -> str:
    r"""Return a text without what a terminal would act on, cut where it is long.

    Parameters
    ----------
    text : str
        Anything that a file holds.

    Returns
    -------
    str

    Examples
    --------
    >>> shown("A\nB")
    'A\\nB'
    """
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in cut)


def first_row(mask: NDArray[np.bool_]) -> int:
    """Return the number of the first row that is marked; the first data row is 1.

    Parameters
    ----------
    mask : ndarray of shape (n_rows,), bool
        At least one is True.

    Returns
    -------
    int
    """
    return int(np.flatnonzero(mask)[0]) + 1
