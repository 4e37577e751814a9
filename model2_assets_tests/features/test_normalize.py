import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata

from model2_assets.features import build_features_from_config, normalize_cross_sections
from model2_assets_tests.features.sample_panels import random_panel

FEW_VALUES = st.sampled_from([np.nan, -0.0, 0.0, 1.0, -1.0, 1e-45, -1e-45, 3e38, -3e38, 2.5])
ANY_VALUES = st.floats(width=32, allow_infinity=False)


def normalized(columns, starts, method, n_threads=1):
    values = np.array(columns, dtype=np.float32).T.copy()
    normalize_cross_sections(values, np.array(starts), method=method, n_threads=n_threads)
    return values.T


def test_ranks_by_hand():
    first, second = normalized(
        [[30.0, 10.0, 20.0, 20.0, 7.0], [np.nan, 1.0, np.nan, -1.0, np.nan]], [0, 4, 5], "rank"
    )
    assert first.tolist() == [0.375, -0.375, 0.0, 0.0, 0.0]
    np.testing.assert_array_equal(second, [np.nan, 0.25, np.nan, -0.25, np.nan])


def test_zscores_by_hand():
    first, second = normalized(
        [[1.0, 3.0, 1.0, 3.0, 7.0], [0.1, 0.1, 0.1, np.nan, np.nan]], [0, 4, 5], "zscore"
    )
    assert first.tolist() == [-1.0, 1.0, -1.0, 1.0, 0.0]
    np.testing.assert_array_equal(second, [0.0, 0.0, 0.0, np.nan, np.nan])


def test_none_changes_nothing():
    values = [[3.0, np.nan, -1e30]]
    np.testing.assert_array_equal(normalized(values, [0, 3], "none"), np.float32(values))


@pytest.mark.parametrize("elements", [FEW_VALUES, ANY_VALUES])
def test_ranks_equal_scipys(elements):
    @settings(deadline=None, derandomize=True, max_examples=80)
    @given(values=arrays(np.float32, st.integers(1, 150), elements=elements))
    def check(values):
        (got,) = normalized([values], [0, len(values)], "rank")
        known = ~np.isnan(values)
        np.testing.assert_array_equal(np.isnan(got), ~known)
        if known.any():
            want = (rankdata(values[known]) - 0.5) / known.sum() - 0.5
            np.testing.assert_allclose(got[known], want, rtol=1e-6, atol=1e-8)
            assert np.abs(got[known]).max() < 0.5
            assert got[known].mean(dtype=float) == pytest.approx(0.0, abs=1e-7)

    check()


@settings(deadline=None, derandomize=True, max_examples=60)
@given(values=arrays(np.float32, st.integers(1, 150), elements=ANY_VALUES))
def test_zscores_are_finite_and_standard(values):
    (got,) = normalized([values], [0, len(values)], "zscore")
    known = ~np.isnan(values)
    np.testing.assert_array_equal(np.isnan(got), ~known)
    if known.any():
        assert np.isfinite(got[known]).all()
        exact = values[known].astype(np.longdouble)
        sd = exact.std()
        want = (exact - exact.mean()) / sd if np.ptp(exact) > 0 else np.zeros(known.sum())
        np.testing.assert_allclose(got[known], want.astype(float), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n_instruments", [5, 120])
@pytest.mark.parametrize("method", ["rank", "zscore"])
def test_built_features_equal_pandas_by_date(n_instruments, method):
    panel = random_panel(n_instruments, 14, seed=31, missing=0.05, gaps=0.1)
    raw, got = (
        build_features_from_config(panel, {"normalization": name, "min_history_bars": 5})
        for name in ("none", method)
    )
    by_date = raw.astype(float).groupby(level="datetime")
    if method == "rank":
        want = (by_date.rank() - 0.5) / by_date.transform("count") - 0.5
    else:
        sd = by_date.transform("std", ddof=0)
        want = ((raw - by_date.transform("mean")) / sd.where(sd > 1e-12)).fillna(0.0)
        want = want.where(raw.notna())
    np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-5, equal_nan=True)


def test_ties_are_decided_in_float32():
    close_pair = np.array([1.0, 1.0 + 1e-9, 2.0])
    (got,) = normalized([close_pair], [0, 3], "rank")
    assert got[0] == got[1]


@pytest.mark.parametrize("n_rows", [3, 97, 4999])
def test_a_constant_column_standardizes_to_zero(n_rows):
    for value in (0.1, 1 / 3, -7e-30, 3e38):
        assert not normalized([[value] * n_rows], [0, n_rows], "zscore").any()


def test_a_date_of_one_row_is_neutral():
    for method in ("rank", "zscore"):
        assert normalized([[5.0]], [0, 1], method).tolist() == [[0.0]]


def test_many_dates_on_many_threads_equal_one_thread():
    rng = np.random.default_rng(4)
    values = rng.normal(size=(6, 4000)).round(1)
    starts = np.concatenate([[0], np.sort(rng.choice(np.arange(1, 4000), 150, False)), [4000]])
    for method in ("rank", "zscore"):
        one, four = (normalized(values, starts, method, n_threads=n) for n in (1, 4))
        assert np.array_equal(one, four)
    ranks = pd.DataFrame(values.T).groupby(np.repeat(np.arange(151), np.diff(starts)))
    want = (ranks.rank() - 0.5) / ranks.transform("count") - 0.5
    np.testing.assert_allclose(normalized(values, starts, "rank").T, want, rtol=1e-6, atol=1e-8)
