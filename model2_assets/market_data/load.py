"""Market data of one region, from the source that its configuration names."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

import pandas as pd

from model2_assets.config import MarketDataConfig
from model2_assets.config.load import parse_section
from model2_assets.errors import MarketDataError
from model2_assets.market_data.bars import first_row
from model2_assets.market_data.synthetic import synthetic_panel
from model2_assets.market_data.table import read_bars
from model2_assets.market_data.universe import mark_universe, read_universe
from model2_assets.market_data.validate import validate_panel

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MarketData:
    """Daily bars of one market, checked.

    Attributes
    ----------
    panel : DataFrame of shape (n_rows, n_columns)
        The market_data table, in canonical order.
    counts : dict of str to int
        What was found and handled; see `validate_panel` and, with a universe,
        ``outsider_rows``, ``outsider_instruments``, ``universe_instruments_without_data``.
    source : str
        What was read, in words.
    """

    panel: pd.DataFrame
    counts: dict[str, int]
    source: str


def load_market_data(config: MarketDataConfig | Mapping[str, Any]) -> MarketData:
    """Read, check and order the bars that a configuration names.

    Parameters
    ----------
    config : MarketDataConfig or mapping
        The source; of a mapping, what differs from the defaults. Relative paths start at the
        working directory.

    Returns
    -------
    MarketData
        The market_data table, what was found in it, and where it came from.

    Raises
    ------
    MarketDataError
        If a file or database cannot be read or its bars cannot be used (see `validate_panel`).
    ConfigError
        If ``params`` of the synthetic source are unknown or impossible.

    Examples
    --------
    >>> config = {"source": "synthetic", "params": {"n_instruments": 3, "n_dates": 70}}
    >>> load_market_data(config).counts["rows"]
    210
    """
    config = parse_section(MarketDataConfig, config, origin="market_data")
    readers = {"demo": _read_demo, "synthetic": _generate}
    bars, source = readers.get(config.source, read_bars)(config)
    if config.source in ("csv", "parquet", "sql"):
        _refuse_future(bars, origin=source)
    panel, counts = validate_panel(bars, origin=source, max_gap_days=config.max_gap_days)
    if config.universe:
        stints = read_universe(config.universe)
        panel, members = mark_universe(panel, stints, origin=config.universe)
        counts |= members
        source = f"{source}; universe {config.universe}"
    logger.info(
        "market data: %d rows, %d instruments, %d dates from %s",
        counts["rows"],
        counts["instruments"],
        counts["dates"],
        source,
    )
    return MarketData(panel=panel, counts=counts, source=source)


def _read_demo(_: MarketDataConfig) -> tuple[pd.DataFrame, str]:
    """Read closes, adjusted already, of 20 large companies that survived to 2022.

    So a score on them says nothing about a strategy.
    """
    try:
        library = distribution("skfolio")
    except PackageNotFoundError as error:
        raise MarketDataError(
            f"market_data.source: demo needs the library skfolio ({error}); install the extra: "
            f'pip install "model2-assets[demo]"'
        ) from error
    # The library itself, which is not needed, loads many others.
    file = library.locate_file("skfolio/datasets/data/sp500_dataset.csv.gz")
    closes = pd.read_csv(str(file), index_col=0, parse_dates=True)
    bars = closes.rename_axis(index="datetime", columns="instrument").melt(
        value_name="close", ignore_index=False
    )
    return bars.dropna().reset_index()[["instrument", "datetime", "close"]], (
        f"closes of 20 S&P 500 stocks, 1990 to 2022, shipped with skfolio {library.version}"
    )


def _generate(config: MarketDataConfig) -> tuple[pd.DataFrame, str]:
    listed = ", ".join(f"{name}={value!r}" for name, value in sorted(config.params.items()))
    bars = synthetic_panel(**config.params)
    return bars, f"synthetic market ({listed or 'default settings'})"


def _refuse_future(bars: pd.DataFrame, *, origin: str) -> None:
    """Refuse sessions that cannot have been: one such date would be the newest to trade on."""
    # Tomorrow in UTC has begun in the Pacific.
    tomorrow = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1)
    later = bars["datetime"] > pd.Timestamp(tomorrow)
    if later.any():
        first = bars.iloc[first_row(later) - 1]
        raise MarketDataError(
            f"{origin}: {first['instrument']} has a bar on {first['datetime']:%Y-%m-%d}, which is "
            f"in the future; correct the date, or remove the row"
        )
