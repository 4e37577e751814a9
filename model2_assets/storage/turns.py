"""Whose turn it is to write a region: one writer at a time.

A run of one partition holds that partition, and shares the region with runs of others. What
prepares or compares all partitions, a whole `model2 retrain` and a rollback hold the region. So
results that belong together are written by one process, from one configuration and one state of
the data.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from upath import UPath

from model2_assets.errors import StoreError
from model2_assets.storage.address import LOCKS
from model2_assets.storage.archive import REJECTED, VERSIONS
from model2_assets.storage.files import (
    ABANDONED_AFTER,
    ObjectStoreError,
    is_local,
    is_s3,
    locked,
    remove_abandoned,
)
from model2_assets.storage.lease import (
    ALL,
    COMMITS,
    READ,
    Lease,
    RegionObject,
    has_conditional_writes,
    leased,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Turns:
    """Turns of those who write, or read as a whole, the regions of a store.

    Attributes
    ----------
    base : UPath
        Where results are.
    working : Path or None
        Local folder of working files.
    """

    base: UPath
    working: Path | None

    @contextmanager
    def hold(self, region: str, partition: str | None) -> Iterator[None]:
        """Hold a region or one of its partitions; see `Store.hold`."""
        with self.turn(region, partition) as lease, ExitStack() as stack:
            folder = self._lock_folder if lease is None else None
            if folder is not None:
                whole = folder / f"{region}.lock"
                stack.enter_context(locked(whole, region, shared=partition is not None))
                if partition is not None:
                    own = folder / f"{region}.{partition.replace('|', '.')}.lock"
                    stack.enter_context(locked(own, f"{region} {partition}", shared=False))
            self._remove_leftovers(region)
            if self.working is None:
                _tell_of_no_working_folder(self.base)
            yield

    @contextmanager
    def share(self, region: str) -> Iterator[None]:
        """Have nobody write a region; see `Store.share`."""
        shared, folder = self.region_object(region), self._lock_folder
        with ExitStack() as stack:
            if shared is not None and shared.read() is not None:
                try:
                    stack.enter_context(leased(shared, region, READ))
                except ObjectStoreError as error:
                    if not error.is_refusal:
                        raise
            elif folder is not None and os.access(folder / f"{region}.lock", os.W_OK):
                stack.enter_context(locked(folder / f"{region}.lock", region, shared=True))
            yield

    def region_object(self, region: str) -> RegionObject | None:
        """Return what readers of a region follow, if it is there; None where it never is."""
        return RegionObject(self.base / COMMITS / f"{region}.json") if is_s3(self.base) else None

    @contextmanager
    def turn(self, region: str, partition: str | None) -> Iterator[Lease | None]:
        """Hold a region by its object; None where the store has no conditional writes."""
        shared = self.region_object(region)
        if not has_conditional_writes(self.base):
            if shared is not None and shared.read() is not None:
                raise StoreError(
                    f"{shared.path}: was written where the store had conditional writes, and it "
                    f"has none now; remove it while nothing runs"
                )
            yield None
            return
        assert shared is not None
        what = f"{region} {partition}" if partition else region
        with leased(shared, what, partition or ALL) as lease:
            yield lease

    @property
    def _lock_folder(self) -> Path | None:
        """Where processes of this machine have their locks; None if there is no place."""
        if is_local(self.base):
            return Path(self.base.path) / LOCKS
        return self.working / LOCKS if self.working else None

    def _remove_leftovers(self, region: str) -> None:
        folders = [self.working / region] if self.working is not None else []
        if is_local(self.base):
            local = Path(self.base.path)
            folders += [local / region, local / VERSIONS / region, local / REJECTED / region]
        if removed := remove_abandoned(*folders):
            logger.info(
                "%s: removed %d temporary files that a killed process left", region, removed
            )
        if is_s3(self.base):
            self._clear_uploads(region)

    def _clear_uploads(self, region: str) -> None:
        """Clear parts of large objects that killed processes left; not every store lists them."""
        before = datetime.now(UTC) - ABANDONED_AFTER
        try:
            for folder in (self.base / region, self.base / VERSIONS / region):
                self.base.fs.clear_uploads(folder.path, before)
        except ObjectStoreError as error:
            logger.debug("%s", error)


@cache
def _tell_of_no_working_folder(base: UPath) -> None:
    logger.warning(
        "%s: there is no local folder for working files, so every step reads features from "
        "Parquet into memory, sums of Ridge are added up anew, and after an interruption all "
        "folds are trained again; set execution.working_dir to a folder on a local disk, such as "
        "an emptyDir, or set DAGSTER_HOME",
        base,
    )
