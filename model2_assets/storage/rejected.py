"""Candidates that failed a check: kept aside for people to look at."""

import logging
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from upath import UPath

from model2_assets.storage.address import Address
from model2_assets.storage.files import write_atomically
from model2_assets.storage.models import save_fold_models

REJECTED = ".rejected"
"""Folder below the base path."""

_TIME = "%Y%m%dT%H%M%S%f"
_NAME = re.compile(r"\d{8}T\d{6,12}-[0-9a-f]{6}(?:\.\w+)?")

_GIVEN_UP = timedelta(days=1)
"""Age at which fold models without a manifest are nobody's any more."""

logger = logging.getLogger(__name__)


def new_rejected_name() -> str:
    """Return a name for a candidate; names of later candidates sort behind it."""
    return f"{datetime.now(UTC):{_TIME}}-{uuid.uuid4().hex[:6]}"


def prune_rejected(folder: UPath, *, keep: int) -> None:
    """Remove all but the newest rejected candidates of one result.

    Parameters
    ----------
    folder : UPath
        The folder of rejected candidates of one asset and partition; it need not exist.
    keep : int
        How many stay.

    Notes
    -----
    Only what `new_rejected_name` has named is touched, and nothing that another process is
    just writing: a file under a temporary name, or a folder of fold models without a manifest
    that is less than a day old. What cannot be removed, since another process is removing it
    or for any other reason, is left, with a line in the log: pruning never fails a run.
    """
    named = _named(folder)
    whole = [path for path in named if _is_whole(path)]
    given_up = f"{datetime.now(UTC) - _GIVEN_UP:{_TIME}}"
    unfinished = [path for path in named if path not in whole]
    abandoned = [path for path in unfinished if path.name < given_up]
    for path in (*whole[keep:], *abandoned):
        _remove(path)


def _named(folder: UPath) -> list[UPath]:
    """Return what lies in a folder under a candidate's name, newest first."""
    try:
        found = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]
    except (FileNotFoundError, NotADirectoryError):  # the latter of an object store
        return []
    return sorted(found, key=lambda path: path.name, reverse=True)


def _is_whole(path: UPath) -> bool:
    return bool(path.suffix) or (path / "manifest.json").exists()


def _remove(path: UPath) -> None:
    try:
        path.fs.rm(path.path, recursive=True)
    except FileNotFoundError:
        return
    except OSError as error:
        logger.warning("%s: cannot be removed (%s); remove it by hand", path, error)


def put_aside(folder: UPath, address: Address, value: Any, *, keep: int) -> UPath:
    """Write a candidate into a folder of which the newest `keep` stay; return where it is."""
    name = new_rejected_name()
    prune_rejected(folder, keep=keep - 1)
    if address.product.format == "fold_models":
        save_fold_models(folder / name, value)
        return folder / name
    if address.product.format == "html":
        path = folder / f"{name}.html"
        write_atomically(path, value.encode())
        return path
    from model2_assets.storage.codecs import encode_anything

    path = folder / f"{name}.parquet"
    write_atomically(path, encode_anything(value))
    return path
