import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from model2_assets.evaluation import daily_ic, mean_ic_inference
from model2_assets.evaluation import ic as _date_blocks
from model2_assets.evaluation.ic import fold_rank_ic
from model2_assets_tests.evaluation.paths_example import ragged


def oracle(x, y, index):
    """Return scipy's correlations date by date."""
    frame = pd.DataFrame({"x": x, "y": y}, index=index)
    rows = []
    for _, date in frame.groupby("datetime"):
        defined = len(date) >= 3 and (np.ptp(date, axis=0) > 0).all()
        ic = stats.pearsonr(date["x"], date["y"]).statistic if defined else np.nan
        rank_ic = stats.spearmanr(date["x"], date["y"]).statistic if defined else np.nan
        rows.append((ic, rank_ic, len(date)))
    return np.array(rows)


def test_hand_worked_dates():
    index, _ = ragged([3, 4, 3, 2, 3])
    prediction = [1, 2, 3, 1, 1, 2, 3, 3, 2, 1, 0, 1, 5, 5, 5]
    label = [10, 30, 20, 0, 4, 4, 8, 1, 2, 9, 1, 2, 1, 2, 3]
    found = daily_ic(prediction, label, index)
    assert list(found.columns) == ["ic", "rank_ic", "n"]
    assert found.index.name == "datetime"
    assert found["n"].tolist() == [3, 4, 3, 2, 3]
    assert found["n"].dtype == np.int64
    # Ranks of date 2 are (1.5, 1.5, 3, 4) and (1, 2.5, 2.5, 4): covariance 3.75, squares 4.5.
    expected = [0.5, 3.75 / 4.5, -1.0, np.nan, np.nan]
    np.testing.assert_allclose(found["rank_ic"], expected, rtol=1e-14)
    assert found["ic"].iloc[0] == pytest.approx(0.5)
    # Date 3: deviations (1, 0, -1) and (-3, -2, 5): -8 over sqrt(2 * 38).
    assert found["ic"].iloc[2] == pytest.approx(-8 / np.sqrt(76))


@pytest.mark.parametrize("ties", [False, True])
def test_ragged_dates_agree_with_scipy(ties):
    index, rng = ragged([40, 3, 1, 25, 2, 60, 40, 33] * 4)
    x, y = rng.normal(size=(2, len(index))) * 100
    if ties:
        x, y = x.round(-2), y.round(-2)
    found = daily_ic(x, y, index)
    np.testing.assert_allclose(found.to_numpy(), oracle(x, y, index), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("cells", [1, 7, 50, 1000])
def test_chunks_do_not_matter(cells, monkeypatch):
    index, rng = ragged([5, 9, 3, 0, 12, 1, 4])
    x, y = rng.integers(0, 6, size=(2, len(index)))
    expected = daily_ic(x, y, index)
    monkeypatch.setattr(_date_blocks, "_CHUNK_CELLS", cells)
    pd.testing.assert_frame_equal(daily_ic(x, y, index), expected)


def test_row_order_does_not_matter():
    index, rng = ragged([5, 9, 3, 12, 4] * 3)
    x, y = rng.normal(size=(2, len(index)))
    order = rng.permutation(len(index))
    found = daily_ic(x[order], y[order], index[order])
    pd.testing.assert_frame_equal(found, daily_ic(x, y, index), rtol=1e-13)


def test_rows_that_are_not_finite_are_left_out():
    index, rng = ragged([6, 4, 5])
    x, y = rng.normal(size=(2, len(index)))
    faulty_x, faulty_y = x.copy(), y.copy()
    faulty_x[[1, 7]], faulty_y[[0, 6, 8, 9]] = np.inf, np.nan
    found = daily_ic(faulty_x, faulty_y, index)
    kept = np.setdiff1d(np.arange(15), [0, 1, 6, 7, 8, 9])
    expected = daily_ic(x[kept], y[kept], index[kept])
    assert found["n"].tolist() == [4, 0, 5]
    pd.testing.assert_frame_equal(found.iloc[[0, 2]], expected)
    assert found.iloc[1][["ic", "rank_ic"]].isna().all()


def test_no_finite_row_at_all():
    index, _ = ragged([3, 3])
    found = daily_ic(np.full(6, np.nan), np.zeros(6), index)
    assert found["n"].tolist() == [0, 0]
    assert found[["ic", "rank_ic"]].isna().all(axis=None)


@pytest.mark.parametrize("scale", [1e-200, 1e-3, 1e150, 1e300])
def test_magnitude_does_not_matter(scale):
    index, rng = ragged([8, 5])
    x, y = rng.normal(size=(2, len(index)))
    found = daily_ic(x * scale, y / scale, index)
    np.testing.assert_allclose(found.to_numpy(), daily_ic(x, y, index).to_numpy(), rtol=1e-12)


def test_a_constant_that_does_not_sum_exactly_has_no_correlation():
    index, rng = ragged([7])
    found = daily_ic(np.full(7, 0.1), rng.normal(size=7), index)
    assert found[["ic", "rank_ic"]].isna().all(axis=None)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(
    counts=st.lists(st.integers(1, 8), min_size=1, max_size=5),
    data=st.data(),
)
def test_rank_ic_is_scipys_and_bounded(counts, data):
    index, _ = ragged(counts)
    values = hnp.arrays(np.int64, len(index), elements=st.integers(-3, 3))
    x, y = data.draw(values).astype(float), data.draw(values).astype(float)
    found = daily_ic(x, y, index)
    np.testing.assert_allclose(found.to_numpy(), oracle(x, y, index), rtol=1e-12, atol=1e-12)
    assert found["rank_ic"].dropna().between(-1, 1).all()
    np.testing.assert_allclose(
        daily_ic(np.exp(x), y, index)["rank_ic"], found["rank_ic"], rtol=1e-12, atol=1e-12
    )


def test_every_fold_has_its_own_mean_error_and_dates():
    index, rng = ragged([6] * 40)
    dates = index.get_level_values("datetime")
    fold = (dates >= dates[6 * 15]).astype("int16")
    oof = pd.DataFrame({"prediction": rng.normal(size=240), "fold_id": fold}, index=index)
    label = pd.Series(rng.normal(size=240), index=index)
    order = rng.permutation(240)
    found = fold_rank_ic(oof.iloc[order], label.iloc[order], lag=3)
    assert found.index.tolist() == [0, 1]
    assert found["n_dates"].tolist() == [15, 25]
    assert found["first_date"].tolist() == [dates[0], dates[90]]
    assert found["last_date"].tolist() == [dates[89], dates[-1]]
    for each in (0, 1):
        part = fold == each
        daily = daily_ic(oof["prediction"][part], label[part], index[part])["rank_ic"]
        expected = mean_ic_inference(daily, lag=3)
        np.testing.assert_allclose(found["mean"][each], expected.mean)
        np.testing.assert_allclose(found["standard_error"][each], expected.standard_error)


def test_a_fold_of_two_names_has_no_rank_ic():
    index, _ = ragged([2, 2])
    oof = pd.DataFrame({"prediction": range(4), "fold_id": [3, 3, 3, 3]}, index=index)
    found = fold_rank_ic(oof, pd.Series(range(4), index=index), lag=1)
    assert found["n_dates"].tolist() == [0]
    assert found[["mean", "standard_error"]].isna().all(axis=None)
