"""What came from a file, as messages show it: on one line, and not too long."""

import numpy as np
from numpy.typing import NDArray

_LONGEST = 60
_LONGEST_REASON = 300


def shown(text: str, *, longest: int = _LONGEST) -> str:
    r"""Return a text without what a terminal would act on, cut where it is long.

    Parameters
    ----------
    text : str
        Anything that a file holds.
    longest : int, default 60
        Characters that are kept.

    Returns
    -------
    str

    Examples
    --------
    >>> shown("A\nB")
    'A\\nB'
    """
    cut = text if len(text) <= longest else f"{text[:longest]}…"
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in cut)


def reason(error: Exception) -> str:
    """Return what another package says is wrong, on one line.

    Parameters
    ----------
    error : Exception
        It may quote the bytes of a damaged file.

    Returns
    -------
    str
    """
    return shown(" ".join(str(error).split()), longest=_LONGEST_REASON)


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
