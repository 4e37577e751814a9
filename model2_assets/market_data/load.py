"""Market data of one region, from the source that its configuration names."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import pandas as pd

from model2_assets.config import MarketDataConfig
from model2_assets.errors import MarketDataError
from model2_assets.market_data.columns import first_row
from model2_assets.market_data.files import InputFile, list_files
from model2_assets.market_data.read import (
    CSV_SUFFIXES,
    PARQUET_SUFFIXES,
    ColumnReader,
    read_bars,
    read_csv_columns,
    read_parquet_columns,
)
from model2_assets.market_data.synthetic import synthetic_panel_from_params
from model2_assets.market_data.universe import mark_universe, read_universe
from model2_assets.market_data.validate import validate_panel
from model2_assets.storage.data_version import document_digest


@dataclass(frozen=True)
class InputFingerprint:
    """State of the files that market data are read from.

    Attributes
    ----------
    digest : str
        Differs once a file is added, removed, or of another size, time of change or entity
        tag.
    n_files : int
        How many files there are.
    """

    digest: str
    n_files: int


def fingerprint_inputs(config: MarketDataConfig) -> InputFingerprint | None:
    """Return the state of the files that market data are read from.

    Parameters
    ----------
    config : MarketDataConfig
        The source; the universe file counts too.

    Returns
    -------
    InputFingerprint or None
        None where the source reads no file.

    Raises
    ------
    MarketDataError
        If a path cannot be reached, or no file is there.
    """
    files = []
    if config.path is not None:
        suffixes = {"parquet": PARQUET_SUFFIXES, "csv": CSV_SUFFIXES}[config.source]
        files += list_files(config.path, suffixes=suffixes)
    if config.universe is not None:
        suffixes = (*CSV_SUFFIXES, *PARQUET_SUFFIXES)
        files += list_files(config.universe, suffixes=suffixes, key="market_data.universe")
    if not files:
        return None
    return InputFingerprint(
        digest=document_digest({file.name: file.stamp for file in files}), n_files=len(files)
    )


def read_demo() -> tuple[pd.DataFrame, str]:
    """Read the closes of 20 S&P 500 stocks, 1990 to 2022.

    The 20 names are large companies that survived to 2022, so a score on them says
    nothing about a strategy. The closes are adjusted already and come without open, high,
    low and volume.

    Returns
    -------
    bars : DataFrame of shape (n_rows, 3)
        Columns instrument, datetime, close (US dollars).
    source : str
        What was read.

    Raises
    ------
    MarketDataError
        If skfolio is not installed.

    References
    ----------
    ``skfolio.datasets.load_sp500_dataset``.
    """
    try:
        from skfolio.datasets import load_sp500_dataset
    except ImportError as error:
        raise MarketDataError(
            f"market_data.source: demo needs the library skfolio ({error}); install the extra: "
            f'pip install "model2-assets[demo]"'
        ) from error
    return bars_of_wide_closes(load_sp500_dataset()), (
        f"closes of 20 S&P 500 stocks, 1990 to 2022, shipped with skfolio {version('skfolio')}"
    )


def bars_of_wide_closes(closes: pd.DataFrame) -> pd.DataFrame:
    """Turn a table of dates by instruments of closes into bars.

    Parameters
    ----------
    closes : DataFrame of shape (n_dates, n_instruments)
        Dates in the index, instruments in the columns; NaN where there is no bar.

    Returns
    -------
    DataFrame of shape (n_rows, 3)
        Columns instrument, datetime, close, instrument by instrument.

    Examples
    --------
    >>> closes = pd.DataFrame({"A": [1.0, 2.0]}, index=pd.to_datetime(["2024-01-02", "2024-01-03"]))
    >>> bars_of_wide_closes(closes)["close"].tolist()
    [1.0, 2.0]
    """
    long = closes.rename_axis(index="datetime", columns="instrument").melt(
        value_name="close", ignore_index=False
    )
    return long.dropna().reset_index()[["instrument", "datetime", "close"]]


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
