"""Real daily closes that the library skfolio ships: no download, no account."""

from importlib.metadata import version

import pandas as pd

from model2_assets.errors import MarketDataError


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
