"""Folders on local disks: of working files, of locks, of everything that a region writes."""

import hashlib
import os
from pathlib import Path

from upath import UPath

from model2_assets.files import is_local
from model2_assets.rejected import REJECTED
from model2_assets.versions import VERSIONS

WORKING = ".working"
LOCKS = ".locks"


def working_root(base: UPath, chosen: str | None) -> Path | None:
    """Return the local folder under which every region has its working files."""
    if chosen:
        return Path(chosen).expanduser().absolute() / _digest(str(base))
    if is_local(base):
        return Path(base.path) / WORKING
    home = os.environ.get("DAGSTER_HOME")
    return Path(home).absolute() / WORKING / _digest(str(base)) if home else None


def lock_folder(base: UPath, working: Path | None) -> Path | None:
    """Return the local folder of locks; None where there is none."""
    if is_local(base):
        return Path(base.path) / LOCKS
    return working / LOCKS if working else None


def local_folders(base: UPath, working: Path | None, region: str) -> list[Path]:
    """Return the local folders that files of a region are written to."""
    folders = [working / region] if working is not None else []
    if is_local(base):
        local = Path(base.path)
        folders += [local / region, local / VERSIONS / region, local / REJECTED / region]
    return folders


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
