"""Cores and memory that may be used, and what steps cost."""

import os
import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model2_assets.errors import ConfigError, TrainingError
from model2_assets.training import RidgeTrainer, XGBoostTrainer
from model2_assets.training import resources as module
from model2_assets.training.fit import fit_split
from model2_assets.training.resources import (
    COLUMNS,
    LEAST_BYTES,
    cgroup_cpu_quota,
    cgroup_memory_limit,
    estimate_training_bytes,
    fit_n_jobs_to_memory,
    measure_resources,
    require_address_space,
    total_costs,
    usable_cores,
    usable_memory,
)
from model2_assets_tests.training.panels import make_data

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resets the mark on Linux")

MB = 1_000_000


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


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


def test_the_tightest_quota_of_a_version_2_group_and_its_ancestors_counts(tmp_path):
    membership, root = tmp_path / "cgroup", tmp_path / "fs"
    write(membership, "0::/slice/job\n")
    write(root / "slice/job/cpu.max", "max 100000\n")
    write(root / "slice/cpu.max", "150000 100000\n")
    write(root / "cpu.max", "400000 100000\n")
    assert cgroup_cpu_quota(membership=membership, root=root) == 1.5


def test_a_quota_of_version_1_counts(tmp_path):
    membership, root = tmp_path / "cgroup", tmp_path / "fs"
    write(membership, "4:memory:/docker/x\n2:cpu,cpuacct:/docker/x\n")
    write(root / "cpu,cpuacct/docker/x/cpu.cfs_quota_us", "250000\n")
    write(root / "cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000\n")
    write(root / "memory/docker/x/cpu.max", "1 100000\n")
    assert cgroup_cpu_quota(membership=membership, root=root) == 2.5


def test_a_container_that_sees_its_own_group_as_the_root_is_limited(tmp_path):
    membership, root = tmp_path / "cgroup", tmp_path / "fs"
    write(membership, "2:cpu:/docker/not-visible-here\n")
    write(root / "cpu/cpu.cfs_quota_us", "50000\n")
    write(root / "cpu/cpu.cfs_period_us", "100000\n")
    assert cgroup_cpu_quota(membership=membership, root=root) == 0.5


@pytest.mark.parametrize("quota", ["-1\n", "0\n"])
def test_no_quota_is_no_limit(tmp_path, quota):
    membership, root = tmp_path / "cgroup", tmp_path / "fs"
    write(membership, "0::/\n")
    write(root / "cpu.max", "max 100000\n")
    write(root / "cpu/cpu.cfs_quota_us", quota)
    write(root / "cpu/cpu.cfs_period_us", "100000\n")
    assert cgroup_cpu_quota(membership=membership, root=root) is None


def test_a_system_without_control_groups_has_no_limit(tmp_path):
    assert cgroup_cpu_quota(membership=tmp_path / "none", root=tmp_path / "none") is None


@pytest.mark.parametrize(("quota", "cores"), [(None, 3), (1.5, 2), (0.2, 1), (64.0, 3)])
def test_affinity_and_quota_are_both_respected(monkeypatch, quota, cores):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 5}, raising=False)
    monkeypatch.setattr(module, "cgroup_cpu_quota", lambda: quota)
    assert usable_cores() == cores


def limit(tmp_path):
    return cgroup_memory_limit(membership=tmp_path / "cgroup", root=tmp_path / "fs")


def test_the_tightest_limit_of_a_version_2_group_and_its_ancestors_counts(tmp_path):
    write(tmp_path / "cgroup", "0::/slice/job\n")
    write(tmp_path / "fs/slice/job/memory.max", "max\n")
    write(tmp_path / "fs/slice/memory.max", "2000000\n")
    write(tmp_path / "fs/memory.max", "4000000\n")
    assert limit(tmp_path) == 2_000_000


def test_a_limit_of_version_1_counts(tmp_path):
    write(tmp_path / "cgroup", "2:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n")
    write(tmp_path / "fs/memory/docker/x/memory.limit_in_bytes", "3000000\n")
    write(tmp_path / "fs/memory/memory.limit_in_bytes", "9223372036854771712\n")
    write(tmp_path / "fs/cpu,cpuacct/docker/x/memory.limit_in_bytes", "1\n")
    assert limit(tmp_path) == 3_000_000


def test_memory_of_a_container_that_sees_its_own_group_as_the_root_is_limited(tmp_path):
    write(tmp_path / "cgroup", "4:memory:/docker/not-visible-here\n")
    write(tmp_path / "fs/memory/memory.limit_in_bytes", "5000000\n")
    assert limit(tmp_path) == 5_000_000


def test_no_limit_is_none(tmp_path):
    write(tmp_path / "cgroup", "0::/\n")
    write(tmp_path / "fs/memory.max", "max\n")
    assert limit(tmp_path) is None
    assert cgroup_memory_limit(membership=tmp_path / "no", root=tmp_path / "none") is None


@pytest.mark.parametrize(("group", "usable"), [(None, 8 * 4096), (4096, 4096), (10**9, 8 * 4096)])
def test_the_smaller_of_machine_and_group_counts(monkeypatch, group, usable):
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 8}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
    monkeypatch.setattr(module, "cgroup_memory_limit", lambda: group)
    assert usable_memory() == usable


def test_a_system_that_does_not_tell_has_no_known_memory(monkeypatch):
    def unknown(name):
        raise ValueError(name)

    monkeypatch.setattr(os, "sysconf", unknown)
    monkeypatch.setattr(module, "cgroup_memory_limit", lambda: None)
    assert usable_memory() is None


PROGRAM = """
import numpy as np, pyarrow as pa
from model2_assets.training.resources import measure_resources, release_unused_memory

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

blocks = [np.ones(2_000) for _ in range(20_000)]
keep = blocks[::100]
before = resident()
del blocks
release_unused_memory()
print(before - resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's heap")
def test_freed_memory_goes_back_to_the_system():
    shown = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    # 320 MB were allocated in small blocks, and all but a hundredth were freed.
    assert int(shown.stdout) > 200e6


def limited_to(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, resource.RLIM_INFINITY))


@pytest.mark.parametrize("limit", [resource.RLIM_INFINITY, LEAST_BYTES])
def test_no_limit_or_a_wide_one_is_fine(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    limited_to(monkeypatch, limit)
    require_address_space()


def test_a_narrow_limit_is_refused_with_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    limited_to(monkeypatch, 3_100_000_000)
    with pytest.raises(ConfigError) as refusal:
        require_address_space()
    assert str(refusal.value) == (
        "the address space of this process is limited to 3.1 GB (ulimit -v), and a retrain maps "
        "4 GB, most of which it never uses; raise the limit, and limit memory by a control group "
        "or execution.max_rss_gb instead"
    )


def costs(*rows):
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype(dict.fromkeys(COLUMNS[2:], "float64"))


def test_seconds_of_all_steps_add_up_and_the_largest_memory_counts():
    total = total_costs(
        costs(
            ("features", "", 10, 1700, 90, 2500),
            ("oof_paths", "21d|ridge", 100, 1000, 700, 1500),
        )
    )
    assert (total.hours, total.peak_rss_gb, total.unknown) == (1.0, 2.5, ())


def test_steps_without_costs_are_named_and_not_counted():
    unknown = (None, None, None, None)
    total = total_costs(
        costs(
            ("features", "", *unknown),
            ("oof_paths", "21d|ridge", 0, 36, 0, 100),
            ("oof_paths", "21d|xgboost", *unknown),
            ("oof_paths", "63d|xgboost", *unknown),
        )
    )
    assert np.isclose(total.hours, 0.01)
    assert total.unknown == ("features", "oof_paths (2 partitions)")


def test_no_known_step_costs_nothing():
    total = total_costs(costs(("features", "", None, None, None, None)))
    assert (total.hours, total.peak_rss_gb, total.unknown) == (0, 0, ("features",))
