from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from model2_assets.engines import LocalEngine
from model2_assets.errors import TrainingError
from model2_assets.storage.cache import WorkingFiles, note_working_files
from model2_assets.training import Tables, cross_validate
from model2_assets.training import data as row_blocks
from model2_assets.training import sums as adding
from model2_assets.training.fit import FitResources, fit_split, fit_splits
from model2_assets.training.sums import (
    ColumnSums,
    add_in_order,
    add_up_blocks,
    add_up_splits,
    count_spans,
)
from model2_assets_tests.training.panels import make_data, make_tables
from model2_assets_tests.training.trainers import make_ridge


@pytest.fixture(autouse=True)
def short_runs(monkeypatch):
    """Have several runs of dates in small panels."""
    monkeypatch.setattr(row_blocks, "RUN_ROWS", 50)


def digests(models):
    return [model.trainer.digest() for model in models]


def two_horizons(folder=None, **shape):
    """Tables whose latest rows, and some others, lack a label of the longer horizon."""
    features, labels, cv_splits = make_tables(**shape)
    longer = labels["label_21d"].to_numpy() + np.random.default_rng(9).normal(size=len(labels))
    longer[-60:] = np.nan
    longer[7::41] = np.nan
    shorter = labels["label_21d"].to_numpy().copy()
    shorter[11::53] = np.nan
    labels = labels.assign(
        label_21d=shorter, label_63d=longer, label_end_63d=labels["label_end_21d"]
    )
    note_working_files(features, WorkingFiles(folder))
    return Tables(features, labels, cv_splits)


def kept_sums(tables, horizon="21d"):
    return tables.sums(horizon, LocalEngine())


def by_kept_sums(data, tables, horizon="21d", **settings):
    models = fit_splits(
        make_ridge,
        data,
        range(data.n_splits),
        resources=FitResources(known_sums=kept_sums(tables, horizon), **settings),
    )
    return digests(sorted(models, key=lambda model: model.split_id))


@pytest.mark.parametrize("n_test_groups", [1, 2])
def test_all_horizons_from_one_kept_pass_are_each_alone_to_the_bit(tmp_path, n_test_groups):
    tables = two_horizons(tmp_path, n_test_groups=n_test_groups)
    for horizon in ("21d", "63d"):
        data = tables.of_horizon(horizon)
        alone = digests(cross_validate(make_ridge, data))
        assert by_kept_sums(data, tables, horizon, n_jobs=2, n_threads=2) == alone
        assert fit_split(make_ridge, data, 2).trainer.digest() == alone[2]
    assert len(list((tmp_path / "ridge_sums").iterdir())) == 1


def test_the_second_horizon_needs_no_pass(tmp_path, monkeypatch):
    tables = two_horizons(tmp_path)
    first = kept_sums(tables)
    monkeypatch.setattr("model2_assets.training.task.add_up_blocks", None)
    again, other = (kept_sums(tables, horizon) for horizon in ("21d", "63d"))
    for block, sums in first.items():
        np.testing.assert_array_equal(sums.moments, again[block].moments)
        assert sums.gram.tobytes() == again[block].gram.tobytes() == other[block].gram.tobytes()


def test_other_data_have_another_file(tmp_path):
    tables = two_horizons(tmp_path)
    kept_sums(tables)
    doubled = tables.labels.assign(label_21d=tables.labels["label_21d"] * 2)
    kept_sums(replace(tables, labels=doubled))
    assert len(list((tmp_path / "ridge_sums").iterdir())) == 2


def test_without_a_place_they_are_added_up_each_time():
    tables = two_horizons()
    data = tables.of_horizon("63d")
    assert by_kept_sums(data, tables, "63d") == digests(cross_validate(make_ridge, data))


def test_a_refit_reads_the_rows_and_not_the_file(tmp_path):
    tables = two_horizons(tmp_path)
    data = tables.of_horizon("21d")
    stale = replace(data, X=data.X[:] + np.float32(0.5))
    kept = by_kept_sums(data, tables)
    assert by_kept_sums(stale, tables) == kept
    assert fit_split(make_ridge, stale, 0).trainer.digest() != kept[0]


def assert_same_bits(sums, others):
    assert list(sums) == list(others)
    for block, one in sums.items():
        for name in ("gram", "moments", "squares"):
            assert getattr(one, name).tobytes() == getattr(others[block], name).tobytes()


@pytest.mark.parametrize("span_runs", [1, 3, 64])
def test_neither_threads_nor_where_spans_are_added_up_change_a_bit_of_any_sum(
    monkeypatch, span_runs
):
    monkeypatch.setattr(adding, "SPAN_RUNS", span_runs)
    tables = two_horizons(n_dates=120, n_features=20)
    one, three = (tables.add_up(LocalEngine(n)) for n in (1, 3))
    assert_same_bits(one, three)

    *_, blocks = rows = tables.rows_to_add_up(5)
    n_runs = len(np.unique(blocks.runs))
    assert count_spans(blocks) == -(-n_runs // span_runs)
    spans = [add_up_blocks(*rows, span=span) for span in range(count_spans(blocks))]
    assert_same_bits(one, add_in_order(spans))
    assert set(spans[0]) == set(blocks.ids[blocks.runs < span_runs].tolist())


def test_rows_are_added_up_on_one_blas_thread_whoever_asks(monkeypatch):
    own, seen = ColumnSums.of.__func__, set()

    def of(cls, *arguments):
        pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        seen.update(pool["num_threads"] for pool in pools)
        return own(cls, *arguments)

    monkeypatch.setattr(ColumnSums, "of", classmethod(of))
    with threadpool_limits(limits=2, user_api="blas"):
        two_horizons().add_up(LocalEngine())
    assert seen == {1}


def test_blocks_of_other_roles_are_refused():
    data = make_data()
    with pytest.raises(TrainingError, match="the blocks are of other roles"):
        add_up_splits(replace(data, roles=np.roll(data.roles, 20, axis=0)), (0,))


@pytest.mark.parametrize("value", [1e9, np.nan])
def test_a_row_reaches_the_models_that_train_on_it_and_no_other(value):
    data = make_data(n_test_groups=2)
    before = digests(cross_validate(make_ridge, data))
    row = 200
    X = data.X.copy()
    X[row, 1] = value
    after = digests(cross_validate(make_ridge, replace(data, X=X)))
    trained = data.roles[row] == 0
    assert trained.any()
    assert not trained.all()
    assert [a != b for a, b in zip(before, after, strict=True)] == trained.tolist()


def test_sums_are_those_of_the_train_rows_by_hand():
    data = make_data(n_dates=40, n_instruments=5, missing=0.3)
    sums = add_up_splits(data, (1,)).of_split(1).total()
    rows = data.train_rows(1)
    X, y = data.X[rows].astype(np.float64), data.y[rows]
    columns = sums.columns
    there = ~np.isnan(X)
    values = np.hstack(
        [
            np.where(there, X - columns.shift, 0.0),
            there[:, columns.missing],
            np.ones((len(rows), 1)),
        ]
    )
    np.testing.assert_allclose(sums.gram, values.T @ values, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(sums.moments[:, 0], values.T @ y, rtol=1e-12, atol=1e-7)
    np.testing.assert_allclose(sums.squares, [y @ y])


@pytest.mark.parametrize("groups", [{}, {"n_groups": 8, "n_test_groups": 3}])
def test_rows_with_equal_marks_are_one_block_and_runs_are_whole_dates(groups):
    tables = two_horizons(**groups)
    data = tables.of_horizon("21d")
    blocks = data.blocks
    known = tables.labels.reindex(data.index).notna().to_numpy()
    inner = np.column_stack(list(data.inner.marks()))
    roles = np.minimum(data.roles, 2)
    marks = pd.DataFrame(np.hstack([known, roles, data.group_id[:, None], inner]))
    distinct = marks.groupby(blocks.ids).nunique()
    assert (distinct == 1).all(axis=None)
    assert len(distinct) == len(marks.drop_duplicates())
    assert (np.diff(blocks.runs) >= 0).all()
    runs_of_date = pd.Series(blocks.runs).groupby(data.date_codes).nunique()
    assert (runs_of_date == 1).all()
    assert blocks.runs.max() > 5
