"""Points of a normal quantile-quantile plot."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike


def normal_quantiles(values: ArrayLike, *, most_points: int = 200) -> pd.DataFrame:
    """Return ordered values, standardized, beside the normal quantiles of their ranks.

    The quantiles are those of Filliben's [1]_ medians of uniform order statistics, as
    `scipy.stats.probplot` places them. Long series are thinned where points would lie on one
    another: kept are those nearest to an even grid of normal quantiles, so both tails stay
    whole.

    Parameters
    ----------
    values : array-like of shape (n,), float
        In any order; those that are not finite are left out.
    most_points : int, default 200
        Points of the grid.

    Returns
    -------
    DataFrame of shape (n_points, 2), float64
        ``normal``: quantile of the standard normal distribution; ``value``: the ordered value
        less the mean, over the standard deviation (ddof 1). Empty without at least two
        different values.

    References
    ----------
    .. [1] J. J. Filliben, "The Probability Plot Correlation Coefficient Test for Normality",
       Technometrics 17(1), 1975.

    Examples
    --------
    >>> normal_quantiles([3.0, 1.0, 2.0])["value"].tolist()
    [-1.0, 0.0, 1.0]
    """
    from scipy.stats import probplot

    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if len(known) < 2 or known.min() == known.max():
        return pd.DataFrame({"normal": [], "value": []}, dtype="float64")
    normal, ordered = probplot(known, fit=False)
    grid = np.linspace(normal[0], normal[-1], most_points)
    nearest = np.searchsorted((normal[:-1] + normal[1:]) / 2, grid)
    kept = np.unique(nearest) if len(known) > most_points else np.arange(len(known))
    value = (ordered - known.mean()) / known.std(ddof=1)
    return pd.DataFrame({"normal": normal[kept], "value": value[kept]})
