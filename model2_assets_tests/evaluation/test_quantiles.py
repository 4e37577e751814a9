import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from scipy.stats import spearmanr

from model2_assets.errors import Model2Error
from model2_assets.evaluation import (
    calibration,
    cumulative_quantile_spread,
    decile_spread,
    mean_ic_inference,
    mean_quantile_returns,
    quantile_returns,
    rank_autocorrelation,
    top_quantile_turnover,
)
from model2_assets.evaluation import ic as _date_blocks
from model2_assets.panel import panel_index
from model2_assets_tests.evaluation.paths_example import ragged


def oracle(prediction, label, index):
    """Return the spreads from the definition, date by date, in plain Python."""
    frame = pd.DataFrame({"x": prediction, "y": label}, index=index)
    spreads = []
    for _, date in frame.groupby("datetime"):
        n = len(date)
        n_quantiles = min(10, n // 5)
        if n_quantiles < 2 or date["x"].min() == date["x"].max():
            spreads.append(np.nan)
            continue
        ranked = sorted(
            zip(date["x"], date.index.get_level_values("instrument"), date["y"], strict=True)
        )
        labels = [row[2] for row in ranked]
        size = n // n_quantiles
        spreads.append(np.mean(labels[-size:]) - np.mean(labels[:size]))
    return spreads


def test_hand_worked_dates():
    # 10 names make halves; 9 names none; 17 names thirds of 5, the 7 in the middle unused.
    index, _ = ragged([10, 9, 17])
    prediction = np.concatenate([np.arange(10), np.arange(9), -np.arange(17.0)])
    label = np.concatenate([np.arange(10) ** 2, np.arange(9), np.arange(17)])
    found = decile_spread(prediction, label, index)
    assert found.index.name == "datetime"
    expected = [(25 + 36 + 49 + 64 + 81 - 0 - 1 - 4 - 9 - 16) / 5, np.nan, 2.0 - 14.0]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    ("n_names", "size"), [(10, 5), (14, 7), (15, 5), (19, 6), (49, 5), (50, 5), (99, 9), (305, 30)]
)
def test_sizes_of_quantiles(n_names, size):
    index, _ = ragged([n_names])
    place = np.arange(float(n_names))
    (found,) = decile_spread(place, place, index)
    assert found == n_names - size


def test_equal_predictions_rank_by_instrument_in_any_row_order():
    index, rng = ragged([12, 60])
    prediction = np.repeat([1.0, 2.0, 3.0], 24)
    label = rng.normal(size=72)
    expected = decile_spread(prediction, label, index)
    np.testing.assert_allclose(expected, oracle(prediction, label, index))
    order = rng.permutation(72)
    found = decile_spread(prediction[order], label[order], index[order])
    pd.testing.assert_series_equal(found, expected, check_exact=True)


def test_a_date_of_equal_predictions_has_none():
    index, rng = ragged([20, 20])
    prediction = np.concatenate([np.full(20, 0.1), np.arange(20)])
    found = decile_spread(prediction, rng.normal(size=40), index)
    assert found.isna().tolist() == [True, False]


def test_rows_that_are_not_finite_are_left_out():
    index, rng = ragged([12, 11])
    x, y = rng.normal(size=(2, 23))
    faulty_x, faulty_y = x.copy(), y.copy()
    faulty_x[[1, 13]], faulty_y[[5, 20]] = np.nan, np.inf
    kept = np.setdiff1d(np.arange(12), [1, 5])
    found = decile_spread(faulty_x, faulty_y, index)
    assert found.iloc[0] == decile_spread(x[kept], y[kept], index[kept]).iloc[0]
    assert np.isnan(found.iloc[1])


@pytest.mark.parametrize("cells", [1, 30, 500])
def test_chunks_do_not_matter(cells, monkeypatch):
    index, rng = ragged([12, 50, 9, 25, 10])
    x, y = rng.integers(0, 6, size=(2, len(index)))
    expected = decile_spread(x, y, index)
    monkeypatch.setattr(_date_blocks, "_CHUNK_CELLS", cells)
    pd.testing.assert_series_equal(decile_spread(x, y, index), expected)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(counts=st.lists(st.integers(1, 70), min_size=1, max_size=4), data=st.data())
def test_agrees_with_the_definition_and_changes_sign_with_the_predictions(counts, data):
    index, rng = ragged(counts)
    values = hnp.arrays(np.int64, len(index), elements=st.integers(-30, 30))
    x, y = data.draw(values).astype(float), data.draw(values).astype(float)
    found = decile_spread(x, y, index)
    np.testing.assert_allclose(found, oracle(x, y, index), atol=1e-12)
    distinct = x + rng.permutation(len(x)) * 1e-6
    np.testing.assert_allclose(
        decile_spread(-distinct, y, index), -decile_spread(distinct, y, index), atol=1e-12
    )


def quantile_returns_oracle(prediction, label, index):
    """Return the means from the definition, date by date, in plain Python."""
    frame = pd.DataFrame({"x": prediction, "y": label}, index=index).dropna()
    sizes = frame.groupby("datetime").size()
    count = min(10, int(sizes.median()) // 5) if len(sizes) else 0
    if count < 2:
        return []
    rows = []
    for date in index.levels[1]:
        on_date = frame[frame.index.get_level_values("datetime") == date]
        ranked = sorted(
            zip(
                on_date["x"],
                on_date.index.get_level_values("instrument"),
                on_date["y"],
                strict=True,
            )
        )
        n = len(ranked)
        if n < count or ranked[0][0] == ranked[-1][0]:
            rows.append([np.nan] * count)
            continue
        size = n // count
        labels = [row[2] for row in ranked]
        inside = labels[size : n - size]
        middle = [[] for _ in range(count - 2)]
        for place, value in enumerate(inside):
            if middle:
                middle[place * (count - 2) // len(inside)].append(value)
        rows.append([np.mean(part) for part in [labels[:size], *middle, labels[n - size :]]])
    return rows


def test_hand_worked_quantiles():
    # Median 15 names: thirds. 15 names: 5 each; 17: 5, 7, 5; 2 names: none.
    index, _ = ragged([15, 17, 2])
    prediction = np.concatenate([np.arange(15), -np.arange(17.0), [1, 2]])
    label = np.concatenate([np.arange(15) ** 2, np.arange(17), [5, 6]])
    found = quantile_returns(prediction, label, index)
    assert found.index.name == "datetime"
    assert found.columns.tolist() == [1, 2, 3]
    expected = [[30 / 5, 255 / 5, 730 / 5], [14, 8, 2], [np.nan] * 3]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(("n_names", "count"), [(9, 0), (10, 2), (24, 4), (49, 9), (500, 10)])
def test_number_of_quantiles(n_names, count):
    index, rng = ragged([n_names, n_names])
    assert quantile_returns(*rng.normal(size=(2, 2 * n_names)), index).shape == (2, count)


def test_halves_leave_an_odd_name_out():
    index, _ = ragged([11])
    found = quantile_returns(np.arange(11), [0.0] * 5 + [99.0] + [1.0] * 5, index)
    assert found.to_numpy().tolist() == [[0, 1]]


def test_highest_less_lowest_is_the_decile_spread():
    index, rng = ragged([53] * 5)
    x, y = rng.normal(size=(2, len(index)))
    found = quantile_returns(x, y, index)
    np.testing.assert_allclose(found[10] - found[1], decile_spread(x, y, index))


def test_equal_predictions_have_no_quantiles_and_missing_values_no_place():
    index, rng = ragged([12, 12])
    x, y = rng.normal(size=(2, 24))
    x[:12] = 3.0
    y[12] = np.nan
    found = quantile_returns(x, y, index)
    assert found.iloc[0].isna().all()
    np.testing.assert_allclose(
        found.iloc[1], quantile_returns(x[13:], y[13:], index[13:]).iloc[0], atol=1e-12
    )


def test_nothing_finite_gives_no_columns():
    index, _ = ragged([12])
    assert quantile_returns([np.nan] * 12, [1.0] * 12, index).shape == (1, 0)


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    data=st.data(),
)
def test_against_the_definition_in_any_row_order(counts, data):
    index, rng = ragged(counts)
    values = hnp.arrays(float, len(index), elements=st.integers(-4, 4).map(float))
    x, y = data.draw(values), data.draw(values)
    x[rng.random(len(x)) < 0.1] = np.nan
    order = rng.permutation(len(index))
    found = quantile_returns(x[order], y[order], index[order])
    expected = quantile_returns_oracle(x, y, index)
    assert found.shape == (len(counts), len(expected[0]) if expected else 0)
    if expected:
        np.testing.assert_allclose(found.to_numpy(), expected, atol=1e-12)


def test_means_over_dates_have_overlap_correct_errors():
    returns = pd.DataFrame({1: [1.0, 3.0, np.nan, -1.0, 5.0], 2: [np.nan] * 5})
    found = mean_quantile_returns(returns, lag=1)
    assert found["mean"].tolist()[0] == 2.0
    expected = mean_ic_inference([1.0, 3.0, np.nan, -1.0, 5.0], lag=1).standard_error
    assert found["standard_error"].tolist()[0] == expected
    assert found.loc[2].isna().all()
    assert mean_quantile_returns(returns[[]], lag=1).shape == (0, 2)


def daily(values):
    return pd.Series(values, index=pd.bdate_range("2024-01-01", periods=len(values)), dtype=float)


def test_hand_worked_books():
    # Books of dates {0, 3}, {1, 4} and {2}; the missing date 4 adds nothing.
    found = cumulative_quantile_spread(daily([3, 6, -9, 12, np.nan]), horizon_days=3)

    assert found["mean"].tolist() == [1, 3, 0, 4, 4]
    assert found["low"].tolist() == [0, 0, -9, -9, -9]
    assert found["high"].tolist() == [3, 6, 6, 15, 15]


def test_a_constant_spread_is_earned_once_a_window():
    # 40 dates of 10 bps a window of 5 dates are 8 windows, not 40.
    found = cumulative_quantile_spread(daily([10.0] * 40), horizon_days=5)

    assert found["mean"].iloc[-1] == pytest.approx(80)
    assert found["low"].iloc[-1] == found["high"].iloc[-1] == 80


def test_windows_of_one_date_are_added_up():
    values = [1.0, -2.0, 4.0]

    found = cumulative_quantile_spread(daily(values), horizon_days=1)

    for column in ("mean", "low", "high"):
        assert found[column].tolist() == [1, -1, 3]


@settings(deadline=None, derandomize=True, max_examples=50)
@given(values=st.lists(st.integers(-99, 99), max_size=30), horizon_days=st.integers(1, 8))
def test_each_book_is_the_sum_of_every_so_many_dates(values, horizon_days):
    found = cumulative_quantile_spread(daily(values), horizon_days=horizon_days)

    for last in range(len(values)):
        books = [sum(values[: last + 1][start::horizon_days]) for start in range(horizon_days)]
        row = found.iloc[last]
        assert row["low"] == min(books)
        assert row["high"] == max(books)
        assert row["mean"] == pytest.approx(sum(books) / horizon_days)


def test_horizon_below_one_is_refused():
    with pytest.raises(Model2Error, match="horizon_days must be a number of dates, 1 or more"):
        cumulative_quantile_spread(daily([1.0]), horizon_days=0)


def test_hand_worked_bins_and_slope():
    # Deciles of 10 rows hold a row each; two bins hold five.
    index, _ = ragged([5, 5])
    x = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    y = 2 * x + np.tile([1.0, -1.0], 5)
    found = calibration(x, y, index, lag=0, n_bins=2)
    assert found.bins["rows"].tolist() == [5, 5]
    assert found.bins["prediction"].tolist() == [3, 8]
    assert found.bins["label"].tolist() == [6.2, 15.8]
    assert found.slope == pytest.approx(stats.linregress(x, y).slope)


def test_errors_are_those_of_sums_by_date():
    # A bin of all rows. Deviations from the mean 2 by date: -2, 0, +2, 0; sums of two names each.
    index, _ = ragged([2, 2, 2, 2])
    y = np.array([0.0, 0, 2, 2, 4, 4, 2, 2])
    found = calibration(np.ones(8), y, index, lag=0, n_bins=1)
    sums = np.array([-4.0, 0, 4, 0])
    expected = np.sqrt((sums**2).sum() / 4 / 3) * 4 / 8
    assert found.bins["standard_error"].tolist() == [pytest.approx(expected)]
    # One name a date is the ordinary standard error of a mean.
    index, _ = ragged([1] * 6)
    y = np.array([3.0, 1, 4, 1, 5, 9])
    found = calibration(np.ones(6), y, index, lag=0, n_bins=1)
    assert found.bins["standard_error"][0] == pytest.approx(stats.sem(y))


def test_slope_error_is_whites_where_every_date_has_one_name():
    index, rng = ragged([1] * 400)
    x = rng.normal(size=400)
    y = 0.3 * x + rng.normal(size=400) * (1 + np.abs(x))
    found = calibration(x, y, index, lag=0)
    centered = x - x.mean()
    residual = y - y.mean() - found.slope * centered
    white = np.sqrt(((centered * residual) ** 2).sum()) / (centered**2).sum()
    assert found.slope_standard_error == pytest.approx(white * np.sqrt(400 / 399))


def test_overlapping_labels_widen_the_errors():
    index, rng = ragged([1] * 2000)
    y = np.convolve(rng.normal(size=2020), np.ones(21), mode="valid")
    short, long = (
        calibration(np.ones(2000), y, index, lag=lag, n_bins=1).bins["standard_error"][0]
        for lag in (0, 40)
    )
    assert 3 < long / short < 5  # the square root of 21, less what Bartlett weights miss


def test_equal_predictions_share_a_bin_and_have_no_slope():
    index, _ = ragged([4, 4])
    found = calibration(np.full(8, 5.0), np.arange(8.0), index, lag=0)
    assert found.bins["rows"].tolist() == [8]
    assert np.isnan(found.slope)
    mixed = calibration([0.0] * 6 + [1.0, 2.0], np.arange(8.0), index, lag=0, n_bins=4)
    assert mixed.bins["rows"].tolist() == [6, 2]


def test_rows_in_any_order_and_missing_values_left_out():
    index, rng = ragged([20] * 30)
    x, y = rng.normal(size=(2, 600))
    order = rng.permutation(600)
    whole = calibration(x, y, index, lag=5)
    shuffled = calibration(x[order], y[order], index[order], lag=5)
    np.testing.assert_allclose(shuffled.bins, whole.bins)
    assert shuffled.slope == pytest.approx(whole.slope)
    y[:40] = np.nan
    part = calibration(x, y, index, lag=5)
    np.testing.assert_allclose(part.bins, calibration(x[40:], y[40:], index[40:], lag=5).bins)
    assert part.bins["rows"].sum() == 560


def test_no_rows_give_no_bins():
    found = calibration(
        [np.nan], [1.0], panel_index(["A"], np.array(["2024-01-02"], "M8[us]")), lag=0
    )
    assert found.bins.empty
    assert np.isnan(found.slope)


DATES = pd.bdate_range("2024-01-01", periods=6)


def panel(*predictions_of_dates):
    """Return predictions and index of dates given as one letter a name, best name last."""
    rows = [
        (name, date, place)
        for date, ranking in zip(DATES, predictions_of_dates, strict=False)
        for place, name in enumerate(ranking)
    ]
    names, dates, prediction = zip(*rows, strict=True)
    return np.array(prediction, dtype=float), panel_index(names, dates)


def turnover_oracle(prediction, index, period=1):
    """Return the turnover from the definition, date by date, in sets of plain Python."""
    tops = []
    for _, date in pd.Series(prediction, index=index).dropna().groupby("datetime"):
        q = min(10, len(date) // 5)
        ranked = sorted(zip(date, date.index.get_level_values("instrument"), strict=True))
        defined = q >= 2 and date.min() < date.max()
        tops.append({name for _, name in ranked[-(len(date) // q) :]} if defined else set())
    found = [np.nan] * min(period, len(tops))
    for before, now in zip(tops, tops[period:], strict=False):
        found.append(len(now - before) / len(now) if before and now else np.nan)
    return found


def test_turnover_hand_worked_dates():
    # Of ten names the top half: FGHIJ, then AGHIJ (one new), then BCDEF (all new).
    found = top_quantile_turnover(*panel("ABCDEFGHIJ", "BCDEFAGHIJ", "AGHIJBCDEF"))
    assert found.index.name == "datetime"
    assert found.index.tolist() == DATES[:3].tolist()
    np.testing.assert_array_equal(found, [np.nan, 0.2, 1.0])


def test_a_longer_period_compares_with_the_date_so_far_back():
    rankings = ("ABCDEFGHIJ", "AGHIJBCDEF", "ABCDFEGHIJ")
    np.testing.assert_array_equal(
        top_quantile_turnover(*panel(*rankings), period_dates=2), [np.nan, np.nan, 0.2]
    )
    assert top_quantile_turnover(*panel(*rankings), period_dates=9).isna().all()


def test_share_is_of_the_present_quantile_when_sizes_differ():
    # 10 names have halves of 5, 15 names thirds of 5, 14 names halves of 7.
    found = top_quantile_turnover(*panel("ABCDEFGHIJ", "KLMNABCDEFGHIJ"))
    np.testing.assert_array_equal(found, [np.nan, 2 / 7])
    found = top_quantile_turnover(*panel("ABCDEFGHIJ", "ABCDEFGHIJKLMNO"))
    np.testing.assert_array_equal(found, [np.nan, 1.0])


def test_dates_without_quantiles_have_no_turnover_and_neither_has_the_next():
    prediction, index = panel("ABCDEFGHIJ", "BCDEFGHIJ", "ABCDEFGHIJ", "ABCDEFGHIJ", "ABCDEFGHIJ")
    prediction[-20:-10] = 0.5
    found = top_quantile_turnover(prediction, index)
    assert found.isna().tolist() == [True] * 5
    prediction[-20:-10] = np.arange(10)
    assert top_quantile_turnover(prediction, index).tolist()[3:] == [0.0, 0.0]


def test_a_missing_prediction_leaves_its_name_out():
    prediction, index = panel("ABCDEFGHIJK", "ABCDEFGHIJK")
    prediction[-1] = np.nan
    np.testing.assert_array_equal(top_quantile_turnover(prediction, index), [np.nan, 0.2])


@pytest.mark.parametrize("period", [0, -1, 1.0, True])
def test_period_is_a_positive_number_of_dates(period):
    with pytest.raises(Model2Error, match="period_dates must be"):
        top_quantile_turnover(*panel("ABCDEFGHIJ"), period_dates=period)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(
    counts=st.lists(st.integers(1, 70), min_size=1, max_size=5),
    period=st.integers(1, 3),
    data=st.data(),
)
def test_agrees_with_the_definition_in_any_row_order(counts, period, data):
    dates = pd.bdate_range("2020-01-01", periods=len(counts))
    names = [f"S{i * step % 97:03}" for step, n in enumerate(counts, start=1) for i in range(n)]
    index = panel_index(names, np.repeat(dates, counts))
    ints = hnp.arrays(np.int64, len(index), elements=st.integers(-20, 20))
    prediction = data.draw(ints).astype(float)
    expected = turnover_oracle(prediction, index, period)
    found = top_quantile_turnover(prediction, index, period_dates=period)
    np.testing.assert_array_equal(found, expected)
    order = np.random.default_rng(0).permutation(len(index))
    shuffled = top_quantile_turnover(prediction[order], index[order], period_dates=period)
    pd.testing.assert_series_equal(shuffled, found, check_exact=True)


@pytest.mark.parametrize("cells", [1, 30, 500])
def test_turnover_chunks_do_not_matter(cells, monkeypatch):
    rng = np.random.default_rng(0)
    counts = [12, 50, 9, 25, 40]
    index = panel_index(
        [f"S{i:03}" for n in counts for i in range(n)], np.repeat(DATES[:5], counts)
    )
    prediction = rng.integers(0, 9, size=len(index)).astype(float)
    expected = top_quantile_turnover(prediction, index)
    monkeypatch.setattr(_date_blocks, "_CHUNK_CELLS", cells)
    pd.testing.assert_series_equal(top_quantile_turnover(prediction, index), expected)


NAN = np.nan


def rank_autocorrelation_panel(wide):
    """Return the finite cells of a dates by names array as rows, and their index."""
    wide = np.asarray(wide, dtype=float)
    dates = pd.bdate_range("2024-01-01", periods=len(wide))
    row, column = np.nonzero(np.isfinite(wide))
    return wide[row, column], panel_index([f"S{i:02}" for i in column], dates[row])


def rank_autocorrelation_oracle(wide, lag):
    """Return the definition, pair of dates by pair of dates, by pandas and scipy."""
    frame = pd.DataFrame(wide)
    found = [NAN] * min(lag, len(frame))
    for date in range(lag, len(frame)):
        pair = frame.iloc[[date, date - lag]].T.dropna()
        fits = len(pair) >= 3 and (pair.min() < pair.max()).all()
        found.append(spearmanr(pair.iloc[:, 0], pair.iloc[:, 1]).statistic if fits else NAN)
    return found


def test_rank_autocorrelation_hand_worked_dates():
    # Ranks 1234 then 1243: 1 − 6·2/(4·15) = 0.8. Then 4321: reversed against 1234.
    wide = [[1, 2, 3, 4], [10, 20, 40, 30], [4, 3, 2, 1]]
    values, index = rank_autocorrelation_panel(wide)
    np.testing.assert_allclose(rank_autocorrelation(values, index, lag=1), [NAN, 0.8, -0.8])
    np.testing.assert_allclose(rank_autocorrelation(values, index, lag=2), [NAN, NAN, -1.0])


def test_names_of_both_dates_are_ranked_among_themselves():
    # S00 and S04 drop out; the three common names stand in reverse.
    values, index = rank_autocorrelation_panel([[5, 1, 2, 3, NAN], [NAN, 3, 2, 1, 9]])
    np.testing.assert_allclose(rank_autocorrelation(values, index, lag=1), [NAN, -1.0])


def test_two_common_names_or_a_constant_side_have_none():
    values, index = rank_autocorrelation_panel(
        [[1, 2, 3, NAN], [NAN, 2, 3, 4], [7, 7, 7, 7], [1, 2, 3, 4]]
    )
    assert rank_autocorrelation(values, index, lag=1).isna().all()


@pytest.mark.parametrize("lag", [2, 3, 50])
def test_a_history_no_longer_than_the_lag_has_none(lag):
    values, index = rank_autocorrelation_panel([[1, 2, 3], [3, 2, 1]])
    found = rank_autocorrelation(values, index, lag=lag)
    assert found.index.name == "datetime"
    assert found.isna().tolist() == [True, True]


@pytest.mark.parametrize("lag", [0, -1, 1.5, True])
def test_lag_must_be_a_number_of_dates(lag):
    values, index = rank_autocorrelation_panel([[1, 2, 3], [3, 2, 1]])
    with pytest.raises(Model2Error, match="lag must be a number of dates, 1 or more"):
        rank_autocorrelation(values, index, lag=lag)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    wide=hnp.arrays(
        np.float64,
        st.tuples(st.integers(2, 6), st.integers(3, 9)),
        elements=st.one_of(st.just(NAN), st.integers(-4, 4).map(float)),
    ).filter(lambda wide: np.isfinite(wide).any(axis=1).all()),
    lag=st.integers(1, 3),
    seed=st.integers(0, 9),
)
def test_rank_autocorrelation_agrees_with_the_definition_in_any_row_order(wide, lag, seed):
    values, index = rank_autocorrelation_panel(wide)
    order = np.random.default_rng(seed).permutation(len(values))
    found = rank_autocorrelation(values[order], index[order], lag=lag)
    np.testing.assert_allclose(found, rank_autocorrelation_oracle(wide, lag), atol=1e-12)


def test_rank_autocorrelation_rows_that_are_not_finite_are_left_out():
    values, index = rank_autocorrelation_panel([[1, 2, 3, 4, 8], [4, 3, 2, 1, 9]])
    values[[4, 9]] = [np.inf, NAN]
    np.testing.assert_allclose(rank_autocorrelation(values, index, lag=1), [NAN, -1.0])
