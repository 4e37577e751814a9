import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model2_assets.errors import TrainingError
from model2_assets.training import (
    RidgeTrainer,
    XGBoostTrainer,
    estimate_training_bytes,
    fit_n_jobs_to_memory,
    fit_split,
    measure_resources,
)
from model2_assets_tests.training.panels import make_data

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resets the mark on Linux")

MB = 1_000_000


def touch(megabytes):
    return np.ones(megabytes * MB // 8)


def test_wall_time_is_measured():
    with measure_resources() as usage:
        time.sleep(0.05)
    assert 0.05 <= usage.seconds < 5


@linux
def test_each_block_has_its_own_peak():
    with measure_resources() as large:
        touch(200)
    with measure_resources() as small:
        touch(10)
    assert large.peak_rss_bytes > small.peak_rss_bytes + 150 * MB


@linux
def test_an_inner_block_does_not_hide_a_peak_from_the_outer_one():
    with measure_resources() as outer:
        touch(200)
        with measure_resources() as inner:
            touch(10)
    assert outer.peak_rss_bytes > inner.peak_rss_bytes + 150 * MB
    with measure_resources() as outer, measure_resources() as inner:
        touch(100)
    assert outer.peak_rss_bytes >= inner.peak_rss_bytes


def test_a_block_that_fails_is_measured_too():
    with pytest.raises(KeyError), measure_resources() as usage:
        raise KeyError("x")
    assert usage.peak_rss_bytes > 10 * MB
    assert usage.seconds > 0


def test_without_proc_the_peak_since_the_start_is_taken(monkeypatch, tmp_path):
    monkeypatch.setattr("model2_assets.training.resources._STATUS", tmp_path / "none")
    monkeypatch.setattr("model2_assets.training.resources._CLEAR_REFS", tmp_path / "no" / "file")
    with measure_resources() as usage:
        pass
    assert usage.peak_rss_bytes > 10 * MB


def test_the_estimate_by_hand():
    # 400 MB, 300 bytes a row, the matrix in float32, and three fits of 10 bytes a value.
    expected = 400 * MB + 5000 * 300 + 5000 * 20 * (4 + 3 * 10)
    assert estimate_training_bytes(5000, 20, 3, fit_bytes_per_value=10) == expected


@linux
@pytest.mark.parametrize("trainer_class", [RidgeTrainer, XGBoostTrainer])
def test_a_fit_stays_under_its_estimate(trainer_class):
    params = {} if trainer_class is RidgeTrainer else {"n_estimators": 3}
    data = make_data(n_dates=400, n_instruments=100, n_features=60, n_groups=10)
    with measure_resources() as before:
        pass
    with measure_resources() as during:
        fit_split(lambda: trainer_class(params=params, seed=0), data, 0)
    values = data.n_rows * len(data.feature_names)
    grown = during.peak_rss_bytes - before.peak_rss_bytes
    assert grown < trainer_class.fit_bytes_per_value * values + 20 * MB


def test_where_the_memory_is_unknown_nothing_is_lowered(monkeypatch):
    monkeypatch.setattr("model2_assets.training.resources.usable_memory", lambda: None)
    assert fit_n_jobs_to_memory(8, n_rows=10**9, n_features=158, max_rss_gb=None) == 8


@pytest.mark.parametrize(("memory_gb", "n_jobs"), [(16, 4), (8, 2), (5, 1)])
def test_without_a_limit_three_quarters_of_the_memory_are_used(
    monkeypatch, caplog, memory_gb, n_jobs
):
    # By hand: 0.4 + 0.3 + 0.4 GB and 2.4 GB a fit; the limits are 12, 6 and 3.75 GB.
    monkeypatch.setattr("model2_assets.training.resources.usable_memory", lambda: memory_gb * 10**9)
    assert n_jobs == fit_n_jobs_to_memory(
        4, n_rows=1_000_000, n_features=100, max_rss_gb=None, fit_bytes_per_value=24
    )
    assert ("splits are fitted at once instead of 4" in caplog.text) == (n_jobs < 4)


def test_splits_that_take_turns_at_the_end_count_as_well():
    # By hand: 0.4 + 0.3 + 0.4 GB and 2.4 GB a fit; of five splits on two threads, three are
    # begun at once, which takes 8.3 GB.
    settings = {"n_rows": 1_000_000, "n_features": 100, "fit_bytes_per_value": 24, "n_splits": 5}
    assert fit_n_jobs_to_memory(2, max_rss_gb=8.2, **settings) == 1
    assert fit_n_jobs_to_memory(2, max_rss_gb=8.4, **settings) == 2


def test_a_machine_that_is_too_small_is_refused_with_the_numbers(monkeypatch):
    monkeypatch.setattr("model2_assets.training.resources.usable_memory", lambda: 4 * 10**9)
    with pytest.raises(TrainingError) as caught:
        fit_n_jobs_to_memory(
            4, n_rows=1_000_000, n_features=100, max_rss_gb=None, fit_bytes_per_value=24
        )
    assert str(caught.value).startswith(
        "training on 1000000 rows of 100 features needs about 3.5 GB, and 75% of the memory of "
        "this machine or container is 3.0 GB (execution.max_rss_gb sets another limit); raise"
    )


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(1, 64), st.integers(1, 10**7), st.floats(0.5, 500))
def test_the_largest_number_of_jobs_that_fits_is_taken(n_jobs, n_rows, limit):
    def fits(jobs):
        return estimate_training_bytes(n_rows, 158, jobs, fit_bytes_per_value=24) <= limit * 1e9

    if not fits(1):
        with pytest.raises(TrainingError, match=r"execution\.max_rss_gb allows"):
            fit_n_jobs_to_memory(
                n_jobs, n_rows=n_rows, n_features=158, max_rss_gb=limit, fit_bytes_per_value=24
            )
        return
    jobs = fit_n_jobs_to_memory(
        n_jobs, n_rows=n_rows, n_features=158, max_rss_gb=limit, fit_bytes_per_value=24
    )
    assert 1 <= jobs <= n_jobs
    assert fits(jobs)
    assert jobs == n_jobs or not fits(jobs + 1)


def test_what_does_not_fit_is_refused_with_the_numbers():
    with pytest.raises(TrainingError) as caught:
        fit_n_jobs_to_memory(
            4, n_rows=1_000_000, n_features=100, max_rss_gb=2, fit_bytes_per_value=24
        )
    assert str(caught.value).startswith(
        "training on 1000000 rows of 100 features needs about 3.5 GB, and "
        "execution.max_rss_gb allows 2 GB; raise the limit"
    )
