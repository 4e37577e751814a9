import numpy as np
import pandas as pd

from model2_assets.market_data import adjusted_close, adjusted_prices, validate_panel


def panel(**columns):
    frame = pd.DataFrame(
        {
            "instrument": "A",
            "datetime": pd.bdate_range("2024-01-02", periods=2),
            "open": [10.0, np.nan],
            "high": [12.0, 6.0],
            "low": [8.0, 4.0],
            "close": [10.0, 5.0],
            "volume": [100.0, 200.0],
            "vwap": [11.0, 5.5],
            **columns,
        }
    )
    return validate_panel(frame)[0]


def test_all_prices_move_by_the_ratio_of_the_closes_and_volume_does_not():
    prices = adjusted_prices(panel(adjusted_close=[5.0, 5.0]))
    expected = {
        "open": [5.0, np.nan],
        "high": [6.0, 6.0],
        "low": [4.0, 4.0],
        "close": [5.0, 5.0],
        "volume": [100.0, 200.0],
        "vwap": [5.5, 5.5],
    }
    assert list(prices.columns) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(prices[name], values)


def test_without_an_adjusted_close_prices_stay():
    plain = panel()
    prices = plain.drop(columns=["in_universe", "history"])
    pd.testing.assert_frame_equal(adjusted_prices(plain), prices)


def test_adjusted_close_is_named_close():
    assert adjusted_close(panel(adjusted_close=[5.0, 6.0])).tolist() == [5.0, 6.0]
    assert adjusted_close(panel()).tolist() == [10.0, 5.0]
    assert adjusted_close(panel(adjusted_close=[5.0, 6.0])).name == "close"


def test_the_panel_itself_is_not_changed():
    before = panel(adjusted_close=[5.0, 5.0])
    copy = before.copy(deep=True)
    adjusted_prices(before)
    pd.testing.assert_frame_equal(before, copy)
