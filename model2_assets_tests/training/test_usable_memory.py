import os

import pytest

from model2_assets.training import resources as module
from model2_assets.training.resources import cgroup_memory_limit, usable_memory
from model2_assets_tests.training.test_usable_cores import write


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


def test_a_container_that_sees_its_own_group_as_the_root_is_limited(tmp_path):
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
