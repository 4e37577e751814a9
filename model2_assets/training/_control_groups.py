"""The control groups of this process, by which a container is limited."""

from pathlib import Path

PROC_CGROUP = Path("/proc/self/cgroup")
CGROUP_ROOT = Path("/sys/fs/cgroup")


def group_folders(controller: str, *, membership: Path, root: Path) -> list[Path]:
    """List the folders of the process's groups and of their ancestors, up to the mount point.

    Parameters
    ----------
    controller : str
        Such as ``cpu`` or ``memory``.
    membership : Path
        File that lists the control groups of the process, see cgroups(7).
    root : Path
        Where the control group hierarchies are mounted, of version 1, 2 or both.

    Returns
    -------
    list of Path
        Some may not exist: a container may see its own group as the root.
    """
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    folders = [root, root / controller]
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mounts = (
            [root / controllers, root / controller] if controllers else [root, root / "unified"]
        )
        relative = Path(group.lstrip("/"))
        for mount in mounts:
            folders += [mount / relative, *(mount / parent for parent in relative.parents)]
    return list(dict.fromkeys(folders))


def words_of(path: Path) -> list[str]:
    """Return the words of a file; none if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []
