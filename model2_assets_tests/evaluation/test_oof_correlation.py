import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model2_assets.evaluation import ic as _date_blocks
from model2_assets.evaluation import oof_rank_correlation
from model2_assets.panel import panel_index

DATES = pd.bdate_range("2024-01-01", periods=6)


def column(prediction, index):
    return pd.DataFrame({"prediction": np.asarray(prediction, dtype=float)}, index=index)


def dates_by_names(n_dates, n_names):
    names = [f"S{i:02}" for i in range(n_names)]
    return panel_index(names * n_dates, np.repeat(DATES[:n_dates], n_names))


def oracle(oof):
    """Return pandas' own Spearman correlation of every date, averaged."""
    wide = pd.concat({key: frame["prediction"] for key, frame in oof.items()}, axis=1).dropna()
    daily = [date.corr("spearman") for _, date in wide.groupby("datetime") if len(date) >= 3]
    nothing = pd.DataFrame(np.nan, index=list(oof), columns=list(oof))
    return pd.concat([*daily, nothing]).groupby(level=0).mean()


def test_hand_worked_dates():
    # On the first date the ranks 123 and 132 correlate by 1/2, on the second 123 and 321 by -1.
    index = dates_by_names(2, 3)
    oof = {
        "21d|ridge": column([1, 2, 3, 10, 20, 30], index),
        "21d|xgboost": column([1, 9, 2, 3, 2, 1], index),
    }
    found = oof_rank_correlation(oof)
    expected = [[1.0, -0.25], [-0.25, 1.0]]
    np.testing.assert_allclose(found.matrix, expected, atol=1e-15)
    assert list(found.matrix.index) == list(found.matrix.columns) == list(oof)
    assert (found.n_rows, found.n_dates) == (6, 2)
    assert found.mean_between == pytest.approx(-0.25)


def test_a_drift_common_to_all_names_is_no_agreement():
    index = dates_by_names(2, 3)
    first, second = np.array([1, 2, 3]), np.array([3, 2, 1])
    oof = {
        "a": column(np.concatenate([first, first + 1000]), index),
        "b": column(np.concatenate([second, second + 1000]), index),
    }
    assert oof_rank_correlation(oof).mean_between == pytest.approx(-1.0)
    pooled = np.corrcoef(oof["a"]["prediction"], oof["b"]["prediction"])[0, 1]
    assert pooled > 0.99


def test_only_rows_that_all_have_count():
    index = dates_by_names(2, 4)
    short = index[[0, 1, 2, 4, 5]]
    oof = {
        "21d": column([1, 2, 3, 0, 5, 6, 7, 8], index),
        "63d": column([1, 3, 2, 9, 9], short),
    }
    found = oof_rank_correlation(oof)
    assert (found.n_rows, found.n_dates) == (5, 2)
    # The second date has two common names, which say nothing.
    np.testing.assert_allclose(found.matrix, [[1.0, 0.5], [0.5, 1.0]], atol=1e-15)


def test_one_partition_correlates_with_itself_alone():
    found = oof_rank_correlation({"21d|ridge": column(range(6), dates_by_names(2, 3))})
    np.testing.assert_allclose(found.matrix, [[1.0]])
    assert np.isnan(found.mean_between)


def test_without_partitions_or_common_rows_there_is_nothing():
    assert oof_rank_correlation({}).matrix.shape == (0, 0)
    assert np.isnan(oof_rank_correlation({}).mean_between)
    index = dates_by_names(2, 3)
    found = oof_rank_correlation(
        {"a": column(range(3), index[:3]), "b": column(range(3), index[3:])}
    )
    assert found.matrix.isna().all(axis=None)
    assert (found.n_rows, found.n_dates) == (0, 0)


def test_a_date_where_a_column_is_constant_does_not_count_for_its_pairs():
    index = dates_by_names(2, 3)
    oof = {
        "a": column([1, 2, 3, 1, 2, 3], index),
        "b": column([7, 7, 7, 1, 2, 3], index),
        "c": column([3, 2, 1, 1, 2, 3], index),
    }
    matrix = oof_rank_correlation(oof).matrix
    assert matrix.loc["a", "b"] == pytest.approx(1.0)
    assert matrix.loc["a", "c"] == pytest.approx(0.0)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    counts=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    n_columns=st.integers(1, 4),
    seed=st.integers(0, 2**16),
    data=st.data(),
)
def test_agrees_with_pandas_in_any_row_order(counts, n_columns, seed, data):
    rng = np.random.default_rng(seed)
    dates = DATES[: len(counts)]
    index = panel_index([f"S{i}" for n in counts for i in range(n)], np.repeat(dates, counts))
    ints = hnp.arrays(np.int64, len(index), elements=st.integers(-9, 9))
    oof = {}
    for position in range(n_columns):
        rows = rng.permutation(len(index))[: max(1, len(index) - rng.integers(0, 4))]
        oof[str(position)] = column(data.draw(ints)[rows], index[rows])
    found = oof_rank_correlation(oof).matrix
    expected = oracle(oof)
    np.testing.assert_allclose(found, expected.loc[found.index, found.columns], atol=1e-12)


@pytest.mark.parametrize("cells", [1, 30])
def test_chunks_do_not_matter(cells, monkeypatch):
    rng = np.random.default_rng(0)
    index = dates_by_names(6, 9)
    oof = {key: column(rng.integers(0, 9, size=len(index)), index) for key in "abc"}
    expected = oof_rank_correlation(oof).matrix
    monkeypatch.setattr(_date_blocks, "_CHUNK_CELLS", cells)
    pd.testing.assert_frame_equal(oof_rank_correlation(oof).matrix, expected)
