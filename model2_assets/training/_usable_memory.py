"""How much memory this process may really use."""

import os
from pathlib import Path

from model2_assets.training._control_groups import (
    CGROUP_ROOT,
    PROC_CGROUP,
    group_folders,
    words_of,
)


def usable_memory() -> int | None:
    """Return how much memory this process can have before the system ends it.

    The smaller of the machine's memory and the limit of its control groups (versions 1 and
    2, every ancestor group counted).

    Returns
    -------
    int or None
        Bytes; None where the system does not tell.
    """
    known = [memory for memory in (_machine_memory(), cgroup_memory_limit()) if memory is not None]
    return min(known, default=None)


def cgroup_memory_limit(*, membership: Path = PROC_CGROUP, root: Path = CGROUP_ROOT) -> int | None:
    """Return the memory limit of the process's control groups.

    Parameters
    ----------
    membership : Path
        File that lists the control groups of the process, see cgroups(7).
    root : Path
        Where the control group hierarchies are mounted.

    Returns
    -------
    int or None
        The tightest limit of the group and its ancestors, bytes; None where there is none.
        Version 1 states a number beyond any memory where it has none: that is returned.
    """
    limits = [
        int(words[0])
        for folder in group_folders("memory", membership=membership, root=root)
        for name in ("memory.max", "memory.limit_in_bytes")
        if (words := words_of(folder / name)) and words[0].isdigit()
    ]
    return min(limits, default=None)


def _machine_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
