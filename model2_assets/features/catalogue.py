"""The Alpha158 catalogue: names, needed columns and meaning, in Qlib's order."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from model2_assets.features.kernels import WINDOWS


@dataclass(frozen=True)
class FeatureSpec:
    """One feature of a set.

    Attributes
    ----------
    name : str
        Column name, such as ``ROC20``.
    columns : tuple of str
        Columns of the market data that it is made from.
    window : int
        The ``d`` of its definition: length of the rolling window, or for ``ROC`` the
        distance looked back, in own bars of the instrument; 0 where it looks at the
        row's own bar only.
    description : str
        One line on its meaning.
    """

    name: str
    columns: tuple[str, ...]
    window: int
    description: str


_CLOSE = ("close",)
_VOLUME = ("volume",)
_CLOSE_VOLUME = ("close", "volume")
_OHLC = ("open", "high", "low", "close")

_BAR_FEATURES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("KMID", ("open", "close"), "body of the bar, close less open, over the open"),
    ("KLEN", ("open", "high", "low"), "range of the bar, high less low, over the open"),
    ("KMID2", _OHLC, "body of the bar over its range"),
    ("KUP", ("open", "high", "close"), "upper shadow of the bar over the open"),
    ("KUP2", _OHLC, "upper shadow of the bar over its range"),
    ("KLOW", ("open", "low", "close"), "lower shadow of the bar over the open"),
    ("KLOW2", _OHLC, "lower shadow of the bar over its range"),
    ("KSFT", _OHLC, "twice the close less high and low, over the open"),
    ("KSFT2", _OHLC, "twice the close less high and low, over the range of the bar"),
    ("OPEN0", ("open", "close"), "open over the close"),
    ("HIGH0", ("high", "close"), "high over the close"),
    ("LOW0", ("low", "close"), "low over the close"),
    ("VWAP0", ("vwap", "close"), "volume-weighted average price over the close"),
)

_ROLLING_FEATURES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("ROC", _CLOSE, "close {d} bars ago over the close"),
    ("MA", _CLOSE, "mean close of {d} bars over the close"),
    ("STD", _CLOSE, "standard deviation (ddof 1) of the close over {d} bars, over the close"),
    ("BETA", _CLOSE, "least-squares slope of the close per bar over {d} bars, over the close"),
    ("RSQR", _CLOSE, "R squared of the least-squares line through {d} closes"),
    ("RESI", _CLOSE, "close less its least-squares line through {d} closes, over the close"),
    ("MAX", ("high", "close"), "highest high of {d} bars over the close"),
    ("MIN", ("low", "close"), "lowest low of {d} bars over the close"),
    ("QTLU", _CLOSE, "80% quantile of the close over {d} bars, over the close"),
    ("QTLD", _CLOSE, "20% quantile of the close over {d} bars, over the close"),
    ("RANK", _CLOSE, "average rank of the close among {d} closes, as a fraction of them"),
    ("RSV", ("high", "low", "close"), "position of the close between low and high of {d} bars"),
    ("IMAX", ("high",), "position of the highest high in the window, 1 the oldest, over {d}"),
    ("IMIN", ("low",), "position of the lowest low in the window, 1 the oldest, over {d}"),
    ("IMXD", ("high", "low"), "bars from the lowest low to the highest high, over {d}"),
    ("CORR", _CLOSE_VOLUME, "correlation of close and log(volume + 1) over {d} bars"),
    ("CORD", _CLOSE_VOLUME, "correlation of close ratio and log(volume ratio + 1) over {d} bars"),
    ("CNTP", _CLOSE, "share of {d} bars that closed up"),
    ("CNTN", _CLOSE, "share of {d} bars that closed down"),
    ("CNTD", _CLOSE, "share of {d} bars that closed up less share that closed down"),
    ("SUMP", _CLOSE, "sum of gains over sum of absolute changes of the close, {d} bars"),
    ("SUMN", _CLOSE, "sum of losses over sum of absolute changes of the close, {d} bars"),
    ("SUMD", _CLOSE, "gains less losses over sum of absolute changes of the close, {d} bars"),
    ("VMA", _VOLUME, "mean volume of {d} bars over the volume"),
    ("VSTD", _VOLUME, "standard deviation (ddof 1) of the volume over {d} bars, over the volume"),
    ("WVMA", _CLOSE_VOLUME, "variation coefficient of volume-weighted absolute return, {d} bars"),
    ("VSUMP", _VOLUME, "sum of rises over sum of absolute changes of the volume, {d} bars"),
    ("VSUMN", _VOLUME, "sum of falls over sum of absolute changes of the volume, {d} bars"),
    ("VSUMD", _VOLUME, "rises less falls over sum of absolute changes of the volume, {d} bars"),
)


@cache
def alpha158_features() -> tuple[FeatureSpec, ...]:
    """Return the 158 features of the Alpha158 set, in Qlib's order.

    Returns
    -------
    tuple of FeatureSpec, of length 158
        Nine shapes of the bar, four prices over the close, then 29 rolling features for
        each of the windows 5, 10, 20, 30 and 60.

    Notes
    -----
    Names and definitions are those of Qlib [1]_: ``qlib.contrib.data.loader.Alpha158DL``
    for the expressions, ``qlib.data.ops`` for what their operators mean.

    References
    ----------
    .. [1] X. Yang, W. Liu, D. Zhou, J. Bian, T.-Y. Liu, "Qlib: An AI-oriented
       Quantitative Investment Platform", 2020, arXiv:2009.11189.

    Examples
    --------
    >>> specs = alpha158_features()
    >>> len(specs), specs[0].name, specs[-1].name
    (158, 'KMID', 'VSUMD60')
    >>> sum(set(spec.columns) <= {"close"} for spec in specs)
    75
    """
    bars = [
        FeatureSpec(name=name, columns=columns, window=0, description=description)
        for name, columns, description in _BAR_FEATURES
    ]
    rolling = [
        FeatureSpec(
            name=f"{name}{window}",
            columns=columns,
            window=window,
            description=description.format(d=window),
        )
        for name, columns, description in _ROLLING_FEATURES
        for window in WINDOWS
    ]
    return (*bars, *rolling)


def missing_columns(columns: Collection[str]) -> dict[str, list[str]]:
    """Return what each feature lacks that some columns of market data do not suffice for.

    >>> missing_columns(["open", "high", "low", "close", "volume"])
    {'VWAP0': ['vwap']}
    """
    lacks = {
        spec.name: [column for column in spec.columns if column not in columns]
        for spec in alpha158_features()
    }
    return {name: missing for name, missing in lacks.items() if missing}
