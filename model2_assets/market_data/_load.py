"""Market data of one region, from the source that its configuration names."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd

from model2_assets.config import MarketDataConfig
from model2_assets.errors import MarketDataError
from model2_assets.market_data._csv import CSV_SUFFIXES, read_csv_columns
from model2_assets.market_data._demo import read_demo
from model2_assets.market_data._files import InputFile, list_files
from model2_assets.market_data._parquet import PARQUET_SUFFIXES, read_parquet_columns
from model2_assets.market_data._shown import first_row
from model2_assets.market_data._synthetic import synthetic_panel_from_params
from model2_assets.market_data._tables import ColumnReader, read_bars
from model2_assets.market_data._universe import mark_universe, read_universe
from model2_assets.market_data._validation import validate_panel

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


def load_market_data(config: MarketDataConfig) -> MarketData:
    """Read, check and order the bars that a configuration names.

    Parameters
    ----------
    config : MarketDataConfig
        The source; relative paths start at the working directory.

    Returns
    -------
    MarketData
        The market_data table, what was found in it, and where it came from.

    Raises
    ------
    MarketDataError
        If a file cannot be read or its bars cannot be used (see `validate_panel`).
    ConfigError
        If ``params`` of the synthetic source are unknown or impossible.

    Examples
    --------
    >>> config = MarketDataConfig(source="synthetic", params={"n_instruments": 3, "n_dates": 70})
    >>> load_market_data(config).counts["rows"]
    210
    """
    bars, source = _read(config)
    panel, counts = validate_panel(bars, origin=source)
    if config.universe:
        panel, members = mark_universe(
            panel, read_universe(config.universe), origin=config.universe
        )
        counts.update(members)
        source = f"{source}; universe {config.universe}"
    logger.info(
        "market data: %d rows, %d instruments, %d dates from %s",
        counts["rows"],
        counts["instruments"],
        counts["dates"],
        source,
    )
    return MarketData(panel=panel, counts=counts, source=source)


def _read(config: MarketDataConfig) -> tuple[pd.DataFrame, str]:
    if config.source == "demo":
        return read_demo()
    if config.source == "synthetic":
        return synthetic_panel_from_params(config.params)
    if config.source == "parquet":
        return _read_files(config, read_parquet_columns, PARQUET_SUFFIXES)
    return _read_files(config, read_csv_columns, CSV_SUFFIXES)


def _read_files(
    config: MarketDataConfig, read_columns: ColumnReader, suffixes: Sequence[str]
) -> tuple[pd.DataFrame, str]:
    assert config.path is not None
    files = list_files(config.path, suffixes=suffixes)
    bars = read_bars(
        files,
        read_columns,
        config.columns,
        instrument_from_filename=config.instrument_from_filename,
    )
    source = _describe(files, config.path)
    _refuse_future(bars, origin=source)
    return bars, source


def _refuse_future(bars: pd.DataFrame, *, origin: str) -> None:
    """Refuse sessions that cannot have been: one such date would be the newest to trade on."""
    # Tomorrow in UTC has begun in the Pacific.
    tomorrow = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1)
    later = (bars["datetime"] > pd.Timestamp(tomorrow)).to_numpy(dtype=bool)
    if later.any():
        first = bars.iloc[first_row(later) - 1]
        raise MarketDataError(
            f"{origin}: {first['instrument']} has a bar on {first['datetime']:%Y-%m-%d}, which is "
            f"in the future; correct the date, or remove the row"
        )


def _describe(files: Sequence[InputFile], path: str) -> str:
    if len(files) == 1:
        return files[0].name
    return f"{len(files)} files of {path}"
