"""Over how many dates labels overlap."""


def label_overlap_days(horizon: str, *, execution_lag_days: int) -> int:
    """Return the largest distance of two dates whose labels' windows overlap.

    Parameters
    ----------
    horizon : str
        Such as ``21d``.
    execution_lag_days : int
        Trading bars from signal to entry.

    Returns
    -------
    int
        Trading days. The wait for the entry counts as part of the window: the lag of
        standard errors and the gaps between blocks are on the safe side by it.

    Examples
    --------
    >>> label_overlap_days("21d", execution_lag_days=1)
    21
    """
    return int(horizon.removesuffix("d")) - 1 + execution_lag_days
