import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model2_assets.errors import Model2Error
from model2_assets.evaluation import ic as _date_blocks
from model2_assets.evaluation import top_quantile_turnover
from model2_assets.panel import panel_index

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


def oracle(prediction, index, period=1):
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


def test_hand_worked_dates():
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
    expected = oracle(prediction, index, period)
    found = top_quantile_turnover(prediction, index, period_dates=period)
    np.testing.assert_array_equal(found, expected)
    order = np.random.default_rng(0).permutation(len(index))
    shuffled = top_quantile_turnover(prediction[order], index[order], period_dates=period)
    pd.testing.assert_series_equal(shuffled, found, check_exact=True)


@pytest.mark.parametrize("cells", [1, 30, 500])
def test_chunks_do_not_matter(cells, monkeypatch):
    rng = np.random.default_rng(0)
    counts = [12, 50, 9, 25, 40]
    index = panel_index(
        [f"S{i:03}" for n in counts for i in range(n)], np.repeat(DATES[:5], counts)
    )
    prediction = rng.integers(0, 9, size=len(index)).astype(float)
    expected = top_quantile_turnover(prediction, index)
    monkeypatch.setattr(_date_blocks, "_CHUNK_CELLS", cells)
    pd.testing.assert_series_equal(top_quantile_turnover(prediction, index), expected)
