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
    FitMemory,
    estimate_training_bytes,
    fits_in_memory,
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
    assert estimate_training_bytes((5000, 20), 3, 10) == expected


@linux
@pytest.mark.parametrize("trainer_class", [RidgeTrainer, XGBoostTrainer])
def test_a_fit_stays_under_its_estimate(trainer_class):
    params = {} if trainer_class is RidgeTrainer else {"n_estimators": 3}
    data = make_data(n_dates=400, n_instruments=100, n_features=60, n_groups=10)
    for _ in range(2):  # loads libraries; and threads get the heaps that later ones take over
        fit_split(lambda: trainer_class(params=params, seed=0), data, 0)
    with measure_resources() as before:
        pass
    with measure_resources() as during:
        fit_split(lambda: trainer_class(params=params, seed=0), data, 0)
    values = data.n_rows * len(data.feature_names)
    grown = during.peak_rss_bytes - before.peak_rss_bytes
    # Batches and threads take some MB at any size.
    assert grown < trainer_class.fit_bytes_per_value * values + 32 * MB


SHAPE = (1_000_000, 100)


@pytest.mark.parametrize(("memory_gb", "n_jobs"), [(16, 4), (8, 2), (5, 1)])
def test_without_a_limit_three_quarters_of_the_memory_are_used(
    monkeypatch, caplog, memory_gb, n_jobs
):
    # By hand: 0.4 + 0.3 + 0.4 GB and 2.4 GB a fit; the limits are 12, 6 and 3.75 GB.
    monkeypatch.setattr(module, "_machine_memory", lambda: memory_gb * 10**9)
    assert fits_in_memory(4, SHAPE, 24, max_rss_gb=None) == FitMemory(n_jobs)
    assert ("splits are fitted at once instead of 4" in caplog.text) == (n_jobs < 4)


def test_a_machine_that_is_too_small_is_refused_with_the_numbers(monkeypatch):
    monkeypatch.setattr(module, "_machine_memory", lambda: 4 * 10**9)
    with pytest.raises(TrainingError) as caught:
        fits_in_memory(4, SHAPE, 24, max_rss_gb=None)
    assert str(caught.value).startswith(
        "training on 1000000 rows of 100 features needs about 3.5 GB, and 75% of the memory of "
        "this machine or container is 3.0 GB (execution.max_rss_gb sets another limit); raise"
    )


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(1, 64), st.integers(1, 10**7), st.floats(0.5, 500))
def test_the_largest_number_of_jobs_that_fits_is_taken(n_jobs, n_rows, limit):
    def fits(jobs):
        return estimate_training_bytes((n_rows, 158), jobs, 24) <= limit * 1e9

    if not fits(1):
        with pytest.raises(TrainingError, match=r"execution\.max_rss_gb allows"):
            fits_in_memory(n_jobs, (n_rows, 158), 24, max_rss_gb=limit)
        return
    jobs = fits_in_memory(n_jobs, (n_rows, 158), 24, max_rss_gb=limit).n_jobs
    assert 1 <= jobs <= n_jobs
    assert fits(jobs)
    assert jobs == n_jobs or not fits(jobs + 1)


def test_what_does_not_fit_is_refused_with_the_numbers():
    with pytest.raises(TrainingError) as caught:
        fits_in_memory(4, SHAPE, 24, max_rss_gb=2)
    assert str(caught.value).startswith(
        "training on 1000000 rows of 100 features needs about 3.5 GB, and "
        "execution.max_rss_gb allows 2 GB; raise the limit"
    )


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a folder for the control groups of a machine of 64 cores and 8 GB."""
    sizes = {"SC_PAGE_SIZE": 4000, "SC_PHYS_PAGES": 2_000_000}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    monkeypatch.setattr(module, "PROC_CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(module, "CGROUP_ROOT", tmp_path / "fs")
    return tmp_path


VERSION_1 = "1:name=systemd:/x\n2:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n"


@pytest.mark.parametrize(
    ("membership", "files", "cores", "memory"),
    [
        # The tightest of a group and its ancestors counts.
        (
            "0::/slice/job\n",
            {
                "slice/job/cpu.max": "max 100000\n",
                "slice/cpu.max": "150000 100000\n",
                "cpu.max": "400000 100000\n",
                "slice/job/memory.max": "max\n",
                "slice/memory.max": "2000000\n",
                "memory.max": "4000000\n",
            },
            2,
            2_000_000,
        ),
        (
            VERSION_1,
            {
                "cpu,cpuacct/docker/x/cpu.cfs_quota_us": "250000\n",
                "cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
                "memory/docker/x/memory.limit_in_bytes": "3000000\n",
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
                "memory/docker/y/memory.limit_in_bytes": "1\n",
            },
            3,
            3_000_000,
        ),
        # A container sees its own group as the root.
        (
            VERSION_1,
            {
                "cpu/cpu.cfs_quota_us": "50000\n",
                "cpu/cpu.cfs_period_us": "100000\n",
                "memory/memory.limit_in_bytes": "5000000\n",
            },
            1,
            5_000_000,
        ),
        ("0::/\n", {"cpu.max": "max 100000\n", "memory.max": "max\n"}, 64, 8 * 10**9),
        ("0::/\n", {"cpu.max": "9900000 100000\n", "memory.max": "9000000000\n"}, 64, 8 * 10**9),
        *(
            (
                "2:cpu:/\n",
                {"cpu/cpu.cfs_quota_us": none, "cpu/cpu.cfs_period_us": "100000\n"},
                64,
                8 * 10**9,
            )
            for none in ("-1\n", "0\n")
        ),
    ],
)
def test_limits_of_control_groups_count(machine, membership, files, cores, memory):
    write(machine / "cgroup", membership)
    for name, text in files.items():
        write(machine / "fs" / name, text)
    assert (usable_cores(), usable_memory()) == (cores, memory)


def test_a_system_without_control_groups_has_no_limit(machine):
    assert (usable_cores(), usable_memory()) == (64, 8 * 10**9)


def test_affinity_is_respected(machine, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 5})
    assert usable_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert usable_cores() == 8


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
    assert total == (1.0, 2.5, ())


def test_steps_without_costs_are_named_and_not_counted():
    unknown = (None, None, None, None)
    hours, _, not_counted = total_costs(
        costs(
            ("features", "", *unknown),
            ("oof_paths", "21d|ridge", 0, 36, 0, 100),
            ("oof_paths", "21d|xgboost", *unknown),
            ("oof_paths", "63d|xgboost", *unknown),
        )
    )
    assert np.isclose(hours, 0.01)
    assert not_counted == ("features", "oof_paths (2 partitions)")


def test_no_known_step_costs_nothing():
    total = total_costs(costs(("features", "", None, None, None, None)))
    assert total == (0, 0, ("features",))
