"""A generated market with a planted signal of known strength."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.errors import ConfigError

FloatArray = NDArray[np.float64]

_MARKET_VOLATILITY = 0.01
_VOLATILITY_RANGE = (0.01, 0.03)
_VARIABLES = ("market", "drift", "noise", "volatility", "bar_shape", "volume", "listing", "gaps")


@dataclass(frozen=True)
class _Streams:
    """One random stream per variable, so that a setting moves its own variable only."""

    seed: int

    def of(self, variable: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, _VARIABLES.index(variable)])


def synthetic_panel(
    *,
    n_instruments: int = 50,
    n_dates: int = 500,
    seed: int = 0,
    signal: float = 0.05,
    half_life_days: float = 60.0,
    tail_df: float = 4.0,
    late_listings: float = 0.0,
    missing_days: float = 0.0,
    start: str = "2010-01-04",
) -> pd.DataFrame:
    r"""Generate daily bars of a market.

    The log return of instrument i on day t is a market return plus

    .. math:: \sigma_i \left( s\, m_{i,t-1} + \sqrt{1 - s^2}\, \epsilon_{i,t} \right)

    where :math:`s` is the signal, :math:`m` an unseen drift (a stationary first-order
    autoregression of variance one) and :math:`\epsilon` Student-t noise of variance one. As
    the drift is slow, past returns betray it: momentum predicts forward returns. With
    s = 0 nothing does.

    Parameters
    ----------
    n_instruments : int, default 50
        Instruments, named ``S000``, ``S001``, ...
    n_dates : int, default 500
        Trading days (Monday to Friday).
    seed : int, default 0
        Seed of every draw.
    signal : float, default 0.05
        Correlation, at least 0 and below 1, of the drift with the next day's return in
        excess of the market. At 0.05 the return of the last 60 days has a correlation
        of about 0.05 with that of the next 21, at 0.1 about 0.15.
    half_life_days : float, default 60
        Trading days in which the drift loses half of itself.
    tail_df : float, default 4
        Degrees of freedom, above 2, of the Student-t draws: the smaller, the heavier the tails.
    late_listings : float, default 0
        Probability that an instrument lists on a random day of the first half.
    missing_days : float, default 0
        Probability, below 0.5, that a bar is missing.
    start : str, default "2010-01-04"
        First day, ISO date.

    Returns
    -------
    DataFrame of shape (n_rows, 7)
        Columns instrument, datetime, open, high, low, close (currency), volume (shares),
        date by date. At most n_dates times n_instruments rows, fewer with late listings or
        missing days.

    Raises
    ------
    ConfigError
        If a setting is of a wrong type or outside its range.

    Examples
    --------
    >>> bars = synthetic_panel(n_instruments=2, n_dates=3)
    >>> bars.shape
    (6, 7)
    """
    settings = dict(locals())
    _refuse_bad_settings(settings)
    streams = _Streams(int(seed))
    shape = (n_dates, n_instruments)
    close = 100.0 * np.exp(
        np.cumsum(_log_returns(streams, shape, signal, half_life_days, tail_df), axis=0)
    )
    columns = {
        **_bar_shapes(streams, close),
        "volume": np.round(streams.of("volume").lognormal(13.0, 1.0, shape)),
    }
    exists = _existing_bars(streams, shape, late_listings, missing_days)
    return _bars(columns, exists, start)


def synthetic_panel_from_params(params: Mapping[str, Any]) -> tuple[pd.DataFrame, str]:
    """Generate the market that ``market_data.params`` describes.

    Parameters
    ----------
    params : mapping of str to object
        Settings of `synthetic_panel`.

    Returns
    -------
    bars : DataFrame of shape (n_rows, 7)
        See `synthetic_panel`.
    source : str
        The settings in words.

    Raises
    ------
    ConfigError
        If a setting is unknown or impossible.
    """
    known = list(inspect.signature(synthetic_panel).parameters)
    for name in params:
        if name not in known:
            raise ConfigError(
                f"market_data.params: unknown setting {name!r}; known: {', '.join(known)}"
            )
    listed = ", ".join(f"{name}={value!r}" for name, value in sorted(params.items()))
    return synthetic_panel(**params), f"synthetic market ({listed or 'default settings'})"


def _refuse_bad_settings(settings: Mapping[str, Any]) -> None:
    limits: dict[str, tuple[type, float, float]] = {
        "n_instruments": (int, 1, 100_000),
        "n_dates": (int, 1, 50_000),
        "seed": (int, 0, 2**31 - 1),
        "signal": (float, 0, 0.99),
        "half_life_days": (float, 0.1, 10_000),
        "tail_df": (float, 2.1, 1000),
        "late_listings": (float, 0, 1),
        "missing_days": (float, 0, 0.49),
    }
    for name, (kind, low, high) in limits.items():
        value = settings[name]
        allowed = (int, np.integer) if kind is int else (int, float, np.number)
        if isinstance(value, bool) or not isinstance(value, allowed) or not low <= value <= high:
            number = "a whole number" if kind is int else "a number"
            raise ConfigError(
                f"market_data.params: {name} must be {number} from {low:g} to {high:g}, "
                f"got {value!r}"
            )
    if not isinstance(settings["start"], str) or not _is_iso_date(settings["start"]):
        raise ConfigError(
            f"market_data.params: start must be an ISO date in quotes such as '2010-01-04', got "
            f"{settings['start']!r}"
        )


def _is_iso_date(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def _log_returns(
    streams: _Streams, shape: tuple[int, int], signal: float, half_life: float, tail_df: float
) -> FloatArray:
    unit = np.sqrt((tail_df - 2.0) / tail_df)
    market = _MARKET_VOLATILITY * unit * streams.of("market").standard_t(tail_df, (shape[0], 1))
    noise = unit * streams.of("noise").standard_t(tail_df, shape)
    volatility = streams.of("volatility").uniform(*_VOLATILITY_RANGE, shape[1])
    drift = _drift(streams.of("drift"), shape, half_life)
    own: FloatArray = volatility * (signal * drift + np.sqrt(1.0 - signal**2) * noise)
    returns: FloatArray = market + own
    return returns


def _drift(generator: np.random.Generator, shape: tuple[int, int], half_life: float) -> FloatArray:
    # Imported here: scipy.signal takes long to load, and only generated markets need it.
    from scipy.signal import lfilter

    persistence = 0.5 ** (1.0 / half_life)
    shocks = generator.standard_normal(shape)
    shocks[1:] *= np.sqrt(1.0 - persistence**2)
    drift: FloatArray = lfilter([1.0], [1.0, -persistence], shocks, axis=0)
    return drift


def _bar_shapes(streams: _Streams, close: FloatArray) -> dict[str, FloatArray]:
    generator = streams.of("bar_shape")
    overnight, above, below = 0.005 * generator.standard_normal((3, *close.shape))
    before = np.vstack([np.full((1, close.shape[1]), 100.0), close[:-1]])
    opening = before * np.exp(overnight)
    return {
        "open": opening,
        "high": np.maximum(opening, close) * np.exp(np.abs(above)),
        "low": np.minimum(opening, close) * np.exp(-np.abs(below)),
        "close": close,
    }


def _existing_bars(
    streams: _Streams, shape: tuple[int, int], late_listings: float, missing_days: float
) -> NDArray[np.bool_]:
    n_dates, n_instruments = shape
    generator = streams.of("listing")
    is_late = generator.random(n_instruments) < late_listings
    first_day = np.where(is_late, (generator.random(n_instruments) * n_dates / 2).astype(int), 0)
    is_listed = np.arange(n_dates)[:, None] >= first_day
    is_missing = streams.of("gaps").random(shape) < missing_days
    exists: NDArray[np.bool_] = is_listed & ~is_missing
    return exists


def _bars(columns: Mapping[str, FloatArray], exists: NDArray[np.bool_], start: str) -> pd.DataFrame:
    n_dates, n_instruments = exists.shape
    width = max(3, len(str(n_instruments - 1)))
    names = pd.Index([f"S{number:0{width}d}" for number in range(n_instruments)], dtype="str")
    dates = pd.bdate_range(start, periods=n_dates).as_unit("us")
    date_of_row, instrument_of_row = np.nonzero(exists)
    return pd.DataFrame(
        {
            "instrument": names.take(instrument_of_row),
            "datetime": dates.take(date_of_row),
            **{name: values[exists] for name, values in columns.items()},
        }
    )
