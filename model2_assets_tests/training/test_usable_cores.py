import os

import pytest

from model2_assets.training import resources as module
from model2_assets.training import usable_cores
from model2_assets.training.resources import cgroup_cpu_quota


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


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
