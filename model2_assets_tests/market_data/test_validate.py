import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model2_assets.errors import MarketDataError
from model2_assets.market_data import synthetic_panel, validate_panel
from model2_assets.panel import is_canonical, panel_index
from model2_assets_tests.market_data.small_bars import DAY, bars, with_value


def test_clean_bars_come_out_canonical_with_types_and_zero_counts():
    panel, counts = validate_panel(bars())
    assert panel.index.tolist()[:2] == [("A", DAY), ("B", DAY)]
    assert is_canonical(panel.index)
    prices = ["open", "high", "low", "close", "volume"]
    assert list(panel.columns) == [*prices, "in_universe", "history"]
    assert [str(kind) for kind in panel.dtypes] == ["float64"] * 5 + ["bool", "int16"]
    assert [str(level.dtype) for level in panel.index.levels] == ["str", "datetime64[us]"]
    assert panel["in_universe"].all()
    assert counts == {
        "rows": 6,
        "instruments": 2,
        "dates": 3,
        "rows_without_close_dropped": 0,
        "duplicate_rows_dropped": 0,
        "times_floored": 0,
        "missing_open": 0,
        "missing_high": 0,
        "missing_low": 0,
        "missing_volume": 0,
        "zero_volume": 0,
        "high_below_low": 0,
        "close_outside_range": 0,
        "open_outside_range": 0,
        "large_moves": 0,
        "short_instruments": 2,
        "instruments_spelled_alike": 0,
        "new_histories": 0,
        "frozen_instruments": 0,
        "mixed_adjustments": 0,
        "same_bars": 0,
    }


def test_index_equals_one_built_from_columns():
    panel, _ = validate_panel(bars())
    expected = panel_index(["A", "B"] * 3, np.repeat(pd.bdate_range(DAY, periods=3), 2))
    pd.testing.assert_index_equal(panel.index, expected)


def test_a_delisting_return_is_kept_and_counted():
    given = bars(delisting_return=[np.nan] * 5 + [-1])
    panel, counts = validate_panel(given)
    assert panel["delisting_return"].dropna().tolist() == [-1.0]
    assert counts["delistings"] == 1


@pytest.mark.parametrize("value", [-1.01, -30.0, 10.5, np.inf])
def test_a_delisting_return_in_percent_is_refused_by_name(value):
    given = bars(delisting_return=[np.nan] * 5 + [value])
    with pytest.raises(MarketDataError, match=r"'delisting_return' is .* for B .* -0\.3 for"):
        validate_panel(given)


def test_a_delisting_return_without_a_close_is_not_dropped_in_silence():
    given = with_value("close", 5, np.nan).assign(delisting_return=[np.nan] * 5 + [-0.4])
    with pytest.raises(MarketDataError, match=r"B on .* has a delisting_return but no close; give"):
        validate_panel(given)


def test_a_name_used_again_after_a_delisting_return_makes_no_large_move():
    rows = [("A", day, 0.01 if day < 3 else 99.0) for day in range(6)]
    given = pd.DataFrame(rows, columns=["instrument", "datetime", "close"])
    given["datetime"] = pd.Timestamp(DAY) + pd.to_timedelta(given["datetime"], unit="D")
    with pytest.raises(MarketDataError, match="moves by a factor"):
        validate_panel(given)
    given["delisting_return"] = np.where(given.index == 2, -0.9, np.nan)
    assert validate_panel(given)[1]["large_moves"] == 0


def test_no_rows_are_refused():
    with pytest.raises(MarketDataError, match="none of 0 rows has a close"):
        validate_panel(bars().iloc[:0])
    with pytest.raises(MarketDataError, match="none of 6 rows has a close"):
        validate_panel(bars(close=np.nan))


@pytest.mark.parametrize("column", ["open", "high", "low", "close"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.inf, -np.inf])
def test_impossible_price_names_column_instrument_and_date(column, value):
    with pytest.raises(MarketDataError, match=f"'{column}' is .* for B on 2024-01-03.*positive"):
        validate_panel(with_value(column, 4, value))


@pytest.mark.parametrize("column", ["adjusted_close", "vwap"])
def test_optional_prices_are_held_to_the_same_rule(column):
    with pytest.raises(MarketDataError, match=f"'{column}' is 0 for A on 2024-01-02"):
        validate_panel(bars(**{column: [0.0, 1, 1, 1, 1, 1]}))


@pytest.mark.parametrize("value", [-1.0, np.inf])
def test_impossible_volume_is_refused(value):
    with pytest.raises(MarketDataError, match=r"'volume' is .* for A on 2024-01-04.*zero or more"):
        validate_panel(with_value("volume", 2, value))


def test_exact_duplicates_are_dropped_also_with_missing_values():
    frame = with_value("open", 1, np.nan)
    panel, counts = validate_panel(pd.concat([frame, frame.iloc[[1, 1, 4]]]))
    assert counts["duplicate_rows_dropped"] == 3
    pd.testing.assert_frame_equal(panel, validate_panel(frame)[0])


def test_two_different_bars_of_one_date_are_refused():
    frame = bars()
    other = frame.iloc[[4]].assign(volume=101.0)
    with pytest.raises(
        MarketDataError, match=r"B on 2024-01-03 differ.*'volume' \(100.0 and 101.0"
    ):
        validate_panel(pd.concat([frame, other]))


def test_row_without_close_is_dropped_before_it_conflicts():
    frame = bars()
    other = frame.iloc[[4]].assign(close=np.nan, open=-1.0)
    panel, counts = validate_panel(pd.concat([other, frame]))
    assert counts["rows_without_close_dropped"] == 1
    assert len(panel) == 6


def test_row_without_adjusted_close_is_dropped():
    panel, counts = validate_panel(bars(adjusted_close=[1.0, np.nan, 1, 1, 1, 1]))
    assert counts["rows_without_adjusted_close_dropped"] == 1
    assert len(panel) == 5


def test_times_of_day_are_cut_off_where_one_bar_a_date_remains():
    frame = bars()
    frame["datetime"] += pd.Timedelta(hours=16)
    panel, counts = validate_panel(frame)
    assert counts["times_floored"] == 6
    pd.testing.assert_frame_equal(panel, validate_panel(bars())[0])


def test_intraday_bars_are_refused():
    frame = bars()
    later = frame.iloc[[0]].assign(datetime=DAY + pd.Timedelta(hours=16))
    with pytest.raises(
        MarketDataError, match=r"A on 2024-01-02 differ in column 'datetime'.*one bar"
    ):
        validate_panel(pd.concat([frame, later]))


def test_times_before_1970_are_floored_downwards():
    frame = bars()
    frame["datetime"] = pd.DatetimeIndex(
        ["1969-12-30T23:59", "1969-12-31T16:00", "1970-01-01T00:00"] * 2
    )
    panel, counts = validate_panel(frame)
    assert counts["times_floored"] == 4
    assert list(panel.index.levels[1]) == list(pd.date_range("1969-12-30", periods=3))


def test_inverted_range_becomes_missing_and_everything_else_stays():
    frame = with_value("high", 4, 8.0)
    panel, counts = validate_panel(frame)
    row = panel.loc[("B", DAY + pd.Timedelta(days=1))]
    assert row[["high", "low"]].isna().all()
    assert row["close"] == 11.0
    assert counts["high_below_low"] == 1
    assert counts["missing_high"] == 0
    assert counts["close_outside_range"] == 0
    assert frame.loc[4, "high"] == 8.0


def test_prices_outside_the_range_and_zero_volume_are_kept_and_counted():
    frame = bars(
        close=[11.0, 12.5, 8.0, 12.0, 9.0, 11.0],
        open=[10.0, 13.0, np.nan, 9.0, 12.0, 10.0],
        volume=[0.0, 0.0, np.nan, 1.0, 1.0, 1.0],
    )
    panel, counts = validate_panel(frame)
    assert counts["close_outside_range"] == 2
    assert counts["open_outside_range"] == 1
    assert counts["zero_volume"] == 2
    assert counts["missing_volume"] == 1
    assert sorted(panel["close"]) == sorted(frame["close"])


def test_large_moves_are_counted_and_named_in_the_log(caplog):
    frame = bars(n_days=4, close=[10.0, 50.0, 251.0, 50.0, 1000.0, 1000.0, 1000.0, 1000.0])
    with caplog.at_level(logging.WARNING):
        _, counts = validate_panel(frame)
    # 50 -> 251 and back exceed a factor of 5; 10 -> 50 does not, nor A's end to B's start.
    assert counts["large_moves"] == 2
    assert "A on 2024-01-04 (factor 5.02), A on 2024-01-05 (factor 0.199)" in caplog.text


def test_a_split_that_is_adjusted_for_is_no_large_move(caplog):
    frame = bars(close=[70.0, 7.0, 7.0, 10.0, 10.0, 10.0], adjusted_close=7.0)
    with caplog.at_level(logging.WARNING):
        assert validate_panel(frame)[1]["large_moves"] == 0
    assert not caplog.records


def test_short_histories_are_counted():
    frame = pd.concat([bars(65, ("A",)), bars(64, ("B",))])
    assert validate_panel(frame)[1]["short_instruments"] == 1


def test_validated_panel_passes_again_unchanged():
    frame = bars(in_universe=[True, False, True, True, True, False], vwap=10.5)
    panel, _ = validate_panel(frame)
    assert not panel.loc[("A", DAY + pd.Timedelta(days=1)), "in_universe"]
    pd.testing.assert_frame_equal(validate_panel(panel)[0], panel)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(seed=st.integers(0, 1000))
def test_row_order_does_not_matter(seed):
    frame = synthetic_panel(n_instruments=5, n_dates=30, missing_days=0.2, seed=seed)
    frame.loc[[3, 40], "low"] = 1e6
    frame = pd.concat([frame, frame.iloc[:10]], ignore_index=True)
    shuffled = frame.sample(frac=1.0, random_state=seed)
    one, other = validate_panel(frame), validate_panel(shuffled)
    pd.testing.assert_frame_equal(one[0], other[0])
    assert one[1] == other[1]
    assert is_canonical(one[0].index)
