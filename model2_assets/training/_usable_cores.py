"""How many cores this process may really use."""

import math
import os
from pathlib import Path

from model2_assets.training._control_groups import (
    CGROUP_ROOT,
    PROC_CGROUP,
    group_folders,
    words_of,
)


def usable_cores() -> int:
    """Return the number of cores that this process can keep busy.

    The smallest of the machine's cores, the CPU affinity of the process and the CPU
    quota of its control groups (versions 1 and 2, every ancestor group counted), rounded
    up to whole cores. A container with a quota of two cores on a machine of 64 gives 2.

    Returns
    -------
    int
        At least 1.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = min(cores, len(os.sched_getaffinity(0)))
    quota = cgroup_cpu_quota()
    if quota is not None:
        cores = min(cores, math.ceil(quota))
    return max(cores, 1)


def cgroup_cpu_quota(*, membership: Path = PROC_CGROUP, root: Path = CGROUP_ROOT) -> float | None:
    """Return the CPU quota of the process's control groups, in cores.

    Parameters
    ----------
    membership : Path
        File that lists the control groups of the process, see cgroups(7).
    root : Path
        Where the control group hierarchies are mounted.

    Returns
    -------
    float or None
        The tightest quota of the group and its ancestors; None where there is none.
    """
    quotas = [
        quota
        for folder in group_folders("cpu", membership=membership, root=root)
        for quota in (_quota_v2(folder), _quota_v1(folder))
        if quota is not None
    ]
    return min(quotas, default=None)


def _quota_v2(folder: Path) -> float | None:
    words = words_of(folder / "cpu.max")
    if len(words) != 2 or words[0] == "max":
        return None
    return int(words[0]) / int(words[1])


def _quota_v1(folder: Path) -> float | None:
    quota, period = words_of(folder / "cpu.cfs_quota_us"), words_of(folder / "cpu.cfs_period_us")
    if not quota or not period or int(quota[0]) <= 0:
        return None
    return int(quota[0]) / int(period[0])
