"""A generated market with a planted signal of known strength."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from model2_assets.config.load import parse_section
from model2_assets.config.sections import Section, refuse

FloatArray = NDArray[np.float64]

_HALT_DAYS = 40
_VARIABLES = (
    *("market", "drift", "noise", "volatility"),
    *("bar_shape", "volume", "listing", "gaps", "halts"),
)


def _iso_date(value: object) -> object:
    try:
        is_date = isinstance(value, str) and bool(date.fromisoformat(value))
    except ValueError:
        is_date = False
    refuse(not is_date, "it must be an ISO date in quotes such as '2010-01-04'")
    return value


class SyntheticConfig(Section):
    """Settings of the generated market: ``market_data.params`` of source synthetic."""

    n_instruments: int = Field(50, ge=1, le=100_000)
    """Instruments, named ``S000``, ``S001``, ..."""
    n_dates: int = Field(500, ge=1, le=50_000)
    """Trading days."""
    days_a_week: Literal[5, 7] = 5
    """5: Monday to Friday; 7: every day."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Seed of every draw."""
    signal: float = Field(0.05, ge=0, le=0.99)
    """Correlation of the drift with the next day's return in excess of the market. At 0.05 the
    return of the last 60 days has a correlation of about 0.05 with that of the next 21, at 0.1
    about 0.15."""
    half_life_days: float = Field(60, ge=0.1, le=10_000)
    """Trading days in which the drift loses half of itself."""
    volatility: float = Field(0.02, gt=0, le=0.2)
    """Standard deviation of an instrument's own daily log return, on average over instruments, of
    which each has 0.5 to 1.5 times that; the market's is half of it."""
    tail_df: float = Field(4, ge=2.1, le=1000)
    """Degrees of freedom of the Student-t draws: the smaller, the heavier the tails."""
    late_listings: float = Field(0, ge=0, le=1)
    """Probability that an instrument lists on a random day of the first half."""
    missing_days: float = Field(0, ge=0, le=0.49)
    """Probability that a bar is missing."""
    halts: float = Field(0, ge=0, le=0.1)
    """Probability that an instrument is halted on a day: its next 40 bars are missing."""
    start: Annotated[str, BeforeValidator(_iso_date)] = "2010-01-04"
    """First day, ISO date."""


def synthetic_panel(**settings: Any) -> pd.DataFrame:
    r"""Generate daily bars of a market.

    The log return of instrument i on day t is a market return plus

    .. math:: \sigma_i \left( s\, m_{i,t-1} + \sqrt{1 - s^2}\, \epsilon_{i,t} \right)

    where :math:`s` is the signal, :math:`m` an unseen drift (a stationary first-order
    autoregression of variance one) and :math:`\epsilon` Student-t noise of variance one. As
    the drift is slow, past returns betray it: momentum predicts forward returns. With
    s = 0 nothing does.

    Parameters
    ----------
    **settings
        Those of `SyntheticConfig` that differ from its defaults.

    Returns
    -------
    DataFrame of shape (n_rows, 7)
        Columns instrument, datetime, open, high, low, close (currency), volume (shares),
        date by date. At most n_dates times n_instruments rows, fewer with late listings,
        missing days or halts.

    Raises
    ------
    ConfigError
        If a setting is unknown, of a wrong type or outside its range.

    Examples
    --------
    >>> bars = synthetic_panel(n_instruments=2, n_dates=3)
    >>> bars.shape
    (6, 7)
    """
    market = parse_section(SyntheticConfig, settings, origin="market_data.params")
    close = 100.0 * np.exp(np.cumsum(_log_returns(market), axis=0))
    columns = {
        **_bar_shapes(market, close),
        "volume": np.round(_stream(market, "volume").lognormal(13.0, 1.0, close.shape)),
    }
    frequency = "B" if market.days_a_week == 5 else "D"
    dates = pd.date_range(market.start, periods=market.n_dates, freq=frequency)
    return _bars(columns, _existing_bars(market), dates)


def _stream(market: SyntheticConfig, variable: str) -> np.random.Generator:
    """Return the random stream of a variable: a setting moves its own variable only."""
    return np.random.default_rng([market.seed, _VARIABLES.index(variable)])


def _log_returns(market: SyntheticConfig) -> FloatArray:
    shape, signal, tail_df = (market.n_dates, market.n_instruments), market.signal, market.tail_df
    unit = np.sqrt((tail_df - 2.0) / tail_df)
    together = _stream(market, "market").standard_t(tail_df, (shape[0], 1))
    common = 0.5 * market.volatility * unit * together
    noise = unit * _stream(market, "noise").standard_t(tail_df, shape)
    low, high = 0.5 * market.volatility, 1.5 * market.volatility
    volatility = _stream(market, "volatility").uniform(low, high, shape[1])
    drift = _stream(market, "drift").standard_normal(shape)
    persistence = 0.5 ** (1.0 / market.half_life_days)
    drift[1:] *= np.sqrt(1.0 - persistence**2)
    for day in range(1, len(drift)):
        drift[day] += persistence * drift[day - 1]
    own: FloatArray = volatility * (signal * drift + np.sqrt(1.0 - signal**2) * noise)
    returns: FloatArray = common + own
    return returns


def _bar_shapes(market: SyntheticConfig, close: FloatArray) -> dict[str, FloatArray]:
    generator = _stream(market, "bar_shape")
    overnight, above, below = 0.005 * generator.standard_normal((3, *close.shape))
    before = np.vstack([np.full((1, close.shape[1]), 100.0), close[:-1]])
    opening = before * np.exp(overnight)
    return {
        "open": opening,
        "high": np.maximum(opening, close) * np.exp(np.abs(above)),
        "low": np.minimum(opening, close) * np.exp(-np.abs(below)),
        "close": close,
    }


def _existing_bars(market: SyntheticConfig) -> NDArray[np.bool_]:
    n_dates, n_instruments = market.n_dates, market.n_instruments
    generator = _stream(market, "listing")
    is_late = generator.random(n_instruments) < market.late_listings
    first_day = np.where(is_late, (generator.random(n_instruments) * n_dates / 2).astype(int), 0)
    is_listed = np.arange(n_dates)[:, None] >= first_day
    is_missing = _stream(market, "gaps").random((n_dates, n_instruments)) < market.missing_days
    begins = _stream(market, "halts").random((n_dates, n_instruments)) < market.halts
    days = np.arange(n_dates)[:, None]
    # The day of the latest halt so far; where there is none, it is long ago.
    latest = np.maximum.accumulate(np.where(begins, days, -_HALT_DAYS), axis=0)
    exists: NDArray[np.bool_] = is_listed & ~is_missing & (days - latest >= _HALT_DAYS)
    return exists


def _bars(
    columns: Mapping[str, FloatArray], exists: NDArray[np.bool_], dates: pd.DatetimeIndex
) -> pd.DataFrame:
    n_instruments = exists.shape[1]
    width = max(3, len(str(n_instruments - 1)))
    names = pd.Index([f"S{number:0{width}d}" for number in range(n_instruments)], dtype="str")
    date_of_row, instrument_of_row = np.nonzero(exists)
    return pd.DataFrame(
        {
            "instrument": names.take(instrument_of_row),
            "datetime": dates.as_unit("us").take(date_of_row),
            **{name: values[exists] for name, values in columns.items()},
        }
    )
