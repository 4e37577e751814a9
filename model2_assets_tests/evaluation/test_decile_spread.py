import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model2_assets.evaluation import decile_spread
from model2_assets.evaluation import ic as _date_blocks
from model2_assets.panel import panel_index


def ragged(counts, seed=0):
    """Return an index with the given number of names on each date, in canonical order."""
    dates = pd.bdate_range("2020-01-01", periods=len(counts))
    names = [f"S{i:03}" for count in counts for i in range(count)]
    return panel_index(names, np.repeat(dates, counts)), np.random.default_rng(seed)


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
