"""Prices on the scale of the adjusted close.

Apart from the rest of the bars, so that labels and features are outdated by nothing else there.
"""

import pandas as pd

_ADJUSTABLE = ("open", "high", "low", "close", "volume", "vwap")


def adjusted_close(panel: pd.DataFrame) -> "pd.Series[float]":
    """Return the adjusted close where the panel has one, else the close.

    Parameters
    ----------
    panel : DataFrame of shape (n_rows, n_columns)
        The market_data table.

    Returns
    -------
    Series of shape (n_rows,), float64
        Named ``close``, in the currency of the market.
    """
    name = "adjusted_close" if "adjusted_close" in panel else "close"
    return panel[name].rename("close")


def adjusted_prices(panel: pd.DataFrame) -> pd.DataFrame:
    """Return prices from which simple returns can be taken across splits and dividends.

    ``close`` is the adjusted close where the panel has one. Open, high, low and vwap are
    multiplied by the row's ratio of adjusted close to close. Volume stays in the shares of
    the day: only a source's own split factors could restate it, and a dividend must not.
    Without an adjusted close all prices are taken as adjusted already.

    Parameters
    ----------
    panel : DataFrame of shape (n_rows, n_columns)
        The market_data table.

    Returns
    -------
    DataFrame of shape (n_rows, n_price_columns)
        The same rows; those of the float64 columns open, high, low, close, volume and vwap that
        the panel has.

    Examples
    --------
    >>> panel = pd.DataFrame({"open": [9.0], "close": [10.0], "adjusted_close": [5.0]})
    >>> adjusted_prices(panel)
       open  close
    0   4.5    5.0
    """
    names = [name for name in _ADJUSTABLE if name in panel]
    prices = panel[names]
    if "adjusted_close" not in panel:
        return prices
    # Divided by the close first: a price equal to the close stays equal to it, to the bit.
    scaled = {
        name: prices[name] / panel["close"] * panel["adjusted_close"]
        for name in names
        if name not in ("close", "volume")
    }
    return prices.assign(close=panel["adjusted_close"], **scaled)
