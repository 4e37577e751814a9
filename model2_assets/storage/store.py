"""The store: all results under one base path.

A result passes from here through its codec, which writes it to a temporary file, to the archive,
which records it, and then takes its place. Reading climbs back the same way.
"""

import copy
import hashlib
import logging
import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from upath import UPath

from model2_assets.errors import StoreError
from model2_assets.storage.address import (
    MANIFEST_SUFFIX,
    Address,
    default_base,
    open_base,
    working_root,
)
from model2_assets.storage.archive import (
    REJECTED,
    Archive,
    new_rejected_name,
    prune_rejected,
)
from model2_assets.storage.files import (
    link_atomically,
    publish,
    storing,
    temporary_file,
)
from model2_assets.storage.lease import (
    Lease,
)
from model2_assets.storage.models import MANIFEST_NAME, StoredFoldModels, remove_models
from model2_assets.storage.record import Attestation, Record, misplaced
from model2_assets.storage.turns import Turns

if TYPE_CHECKING:
    import pandas as pd

    from model2_assets.storage.cache import MatrixFiles, WorkingFiles
    from model2_assets.storage.codecs import Codec

Attest = Callable[[Address], Attestation | None]
"""Looks up what is recorded of a result outside of the store."""

logger = logging.getLogger(__name__)


class Store:
    """All results under one base path.

    Parameters
    ----------
    base : str or UPath
        A local folder or any fsspec URL.
    keep_versions : int, default 0
        Versions of each result that are kept, the current one among them. With 0 none is
        added, and those kept before stay.
    dataset_above_mb : float, default inf
        Size of market data, labels and features in memory, in 10^6 bytes, above which they are
        written as a folder of parts; see `model2_assets.storage.dataset`.
    keep_rejected : int, default 5
        Candidates that failed a check that are kept of each result, at least 1; older ones
        are removed when another one comes.
    working_dir : str, optional
        Local folder of working files. By default a folder of the base path; where that is
        not on a local disk, one in ``DAGSTER_HOME``, and without it nothing is kept.
    trainers : collection of str, optional
        Import paths of trainers of your own that stored models may name; see
        `model2_assets.storage.open_fold_models`.

    Attributes
    ----------
    base : UPath
        Where results are.
    archive : Archive
        Their records and kept versions.

    Examples
    --------
    >>> Store("memory://results").path(Address("us", "cv_scores", "21d", "ridge")).name
    'ridge.jsonl'
    """

    def __init__(
        self,
        base: str | UPath,
        *,
        keep_versions: int = 0,
        dataset_above_mb: float = math.inf,
        keep_rejected: int = 5,
        working_dir: str | None = None,
        trainers: Collection[str] = (),
    ) -> None:
        self.base = open_base(base)
        self.dataset_above_mb = dataset_above_mb
        self.keep_rejected = keep_rejected
        self.trainers = frozenset(trainers)
        self._attest: Attest | None = None
        self.archive = Archive(self.base, keep=keep_versions)
        self._working = working_root(self.base, working_dir)
        self._turns = Turns(self.base, self._working)

    def attested_by(self, attest: Attest) -> "Store":
        """Return this store with a record, kept elsewhere, of what was published in it.

        It reads pickles through recorded manifests alone, and tells of other results that are
        not the recorded ones.
        """
        attested = copy.copy(self)
        attested._attest = attest
        return attested

    def attestation(self, address: Address) -> Attestation | None:
        """Return what is recorded of a result outside of the store; None if nothing is."""
        return None if self._attest is None else self._attest(address)

    def difference_from_record(self, address: Address, value: Any) -> str | None:
        """Say in a sentence how what `load` returned differs from what is recorded outside.

        None where it is what is recorded, or nothing can be compared.
        """
        if isinstance(value, str):  # a report, which is its own only copy
            return None
        if isinstance(value, StoredFoldModels):
            stated, recorded = value.sha256, value.recorded_sha256
        else:
            stated = value.attrs.get("provenance", {}).get("data_version", "")
            recorded = (self.attestation(address) or Attestation()).data_version
        if not stated or not recorded or stated == recorded:
            return None
        return (
            f"{self.entry_file(address)}: is {stated[:12]}, Dagster recorded {recorded[:12]} when "
            f"{address.asset} was last materialized here, so something else replaced it; "
            f"materialize {address.asset} again, unless you replaced it"
        )

    def path(self, address: Address) -> UPath:
        """Return where a result is, or will be: a file, or a folder of models or of parts."""
        return self._parts(address) or self.base / str(address)

    def entry_file(self, address: Address) -> UPath:
        """Return the one file that readers of a result follow.

        Of fold models, and of a table in parts, it is their manifest.
        """
        return self._followed(address)[0]

    def current_file(self, address: Address) -> UPath:
        """Return where the bytes of the entry file are read, there or not.

        Where writers take turns by the region's object in the store, that is the file which it
        names; what is at the result's own path is a copy, for others.
        """
        return self._followed(address)[1]

    def _followed(self, address: Address) -> tuple[UPath, UPath]:
        shared = self._turns.region_object(address.region)
        state = shared.read() if shared is not None else None
        name = state.current.get(str(address)) if state is not None else None
        may_have_parts = address.product.as_dataset
        if name:
            in_parts = may_have_parts and name.endswith(MANIFEST_SUFFIX)
            return self._entry(address, in_parts=in_parts), self.archive.folder(address) / name
        in_parts = may_have_parts and self._entry(address, in_parts=True).exists()
        entry = self._entry(address, in_parts=in_parts)
        return entry, entry

    def _entry(self, address: Address, *, in_parts: bool) -> UPath:
        in_folder = in_parts or address.product.format == "fold_models"
        folder = self.base.joinpath(*address.parts)
        return folder / MANIFEST_NAME if in_folder else self.base / str(address)

    def _parts(self, address: Address) -> UPath | None:
        if not address.product.as_dataset:
            return None
        folder: UPath | None = _room("dataset").followed_folder(*self._followed(address))
        return folder

    def exists(self, address: Address) -> bool:
        """Tell whether a result has been published."""
        return self.current_file(address).exists()

    def working_files(self, region: str) -> "WorkingFiles":
        """Return the working files of a region."""
        folder = self._working / region if self._working else None
        files: WorkingFiles = _room("cache").WorkingFiles(folder)
        return files

    def write(self, address: Address, value: Any) -> UPath:
        """Publish a result, replacing the last good one in one step.

        It is recorded, and kept as a version, first: what is current always has its record. Of
        a table in one file and in parts, as a kill may leave, readers follow the manifest.
        The value is a table, fitted models or a report, as the address says; returned is where it
        is.

        Raises
        ------
        ContractError
            If a table breaks its contract; nothing is written.
        StoreError
            If the disk is full or the base path cannot be written; the last good result
            stays.
        """
        is_large = address.product.as_dataset and _megabytes(value) > self.dataset_above_mb
        entry = self._entry(address, in_parts=is_large)
        with storing(entry), self._turns.turn(address.region, address.partition) as lease:
            before, parts_before = self._models_before(address), self._parts(address)
            with temporary_file(entry) as temporary:
                origin = self._codec(address, entry).encode(value, temporary)
                if lease is not None:
                    lease.require()
                record = self.archive.add(address, temporary, origin)
                if lease is None:
                    publish(temporary, entry)
                else:
                    if not self.archive.keeps(address):
                        publish(temporary, self.archive.path(address, record))
                    self._make_current(address, record, lease)
            if address.product.as_dataset:
                # Whoever has read the manifest before can still follow it.
                self._entry(address, in_parts=not is_large).unlink(missing_ok=True)
                parts = self._entry(address, in_parts=True).parent
                _room("dataset").remove_folders(parts, keep={parts_before, self._parts(address)})
            self.archive.prune(address, current=record, needed=self._needed_models(address))
            if before is not None:
                self._remove_models(address, before)
        return self.path(address)

    def restore(self, address: Address, version: Record) -> None:
        """Make a kept version current again, in one step."""
        with (
            storing(self.path(address)),
            self._turns.turn(address.region, address.partition) as lease,
        ):
            version = self.archive.mark_published(address, version)
            if lease is None:
                link_atomically(self.archive.path(address, version), self.entry_file(address))
            else:
                self._make_current(address, version, lease)

    def _make_current(self, address: Address, record: Record, lease: Lease) -> None:
        """Have readers follow a file that is there, and copy it to where others look for it."""
        lease.publish(str(address), self.archive.path(address, record).name)
        copied = None
        # Till it is the current one: who copied late, after another publication, mends it.
        while copied != (followed := self._followed(address)):
            entry, current = copied = followed
            with suppress(FileNotFoundError):  # another publication has removed it
                current.fs.cp_file(current.path, entry.path)
        lease.require()  # who has lost its hold removes nothing

    def reject(self, address: Address, value: Any) -> UPath:
        """Put a candidate that failed its checks aside; return where under ``.rejected/`` it is."""
        folder = self.base.joinpath(REJECTED, *address.parts)
        prune_rejected(folder, keep=self.keep_rejected - 1)
        return self._codec(address).put_aside(value, folder / new_rejected_name())

    def load(self, address: Address) -> Any:
        """Read a result: a table, fold models or a report, whichever the asset is.

        The values of features are a memory-mapped matrix, made of their file where it is
        not there. Models are verified when they are asked for.

        Raises
        ------
        StoreError
            If there is none, it is damaged, it has no record here, or the manifest of models
            is malformed.
        ContractError
            If a table breaks its contract.
        """
        value = self._climb(address, lambda codec, recognize: codec.read(recognize))
        if isinstance(value, StoredFoldModels):
            attestation = self.attestation(address) or Attestation()
            return replace(
                value, trainers=self.trainers, recorded_sha256=attestation.manifest_sha256
            )
        if not isinstance(value, str):
            stored = (str(self.base), address.region, address.asset)
            _room("cache").note_working_files(value, self.working_files(address.region), *stored)
        return value

    def read(self, address: Address) -> "pd.DataFrame":
        """Read a table and check its contract; see `load`."""
        frame: pd.DataFrame = self.load(address)
        return frame

    def blocks(self, address: Address) -> "Iterator[pd.DataFrame]":
        """Yield a table's rows in parts of whole dates, in order, each like what `read` returns.

        Of market data and labels in parts one is in memory at a time, and verified when it is
        reached. Raises as `load` does.
        """
        yield from self._climb(address, lambda codec, recognize: codec.blocks(recognize))

    def open_matrix(self, address: Address) -> "MatrixFiles":
        """Open the files of a table that is read as a matrix; see `StoredMatrix`."""
        files: MatrixFiles = self._climb(address, lambda codec, known: codec.source(known))
        return files

    def open_models(self, address: Address) -> StoredFoldModels:
        """Open fold models; each is verified when it is asked for. See `load`."""
        models: StoredFoldModels = self.load(address)
        return models

    def verify(self, address: Address) -> None:
        """Read a result as a whole, and compare each fold model with its manifest.

        Features are compared with the working matrix that readers are given. Raises as `load`
        does.
        """
        self._climb(address, lambda codec, recognize: codec.verify(recognize))

    def read_version(self, address: Address, record: Record) -> Any:
        """Read a kept version, verified by its hash and, of a table, its contract."""
        data, origin = self.archive.read(address, record), str(self.archive.path(address, record))
        recorded = _room("codecs").Recorded(data, record, origin)
        value = self._codec(address).decode(recorded)
        is_models = isinstance(value, StoredFoldModels)
        return replace(value, trainers=self.trainers) if is_models else value

    def current_version(self, address: Address) -> Record | None:
        """Return the record of what is current; None if there is none that can be read."""
        try:
            data = self.current_file(address).read_bytes()
            return self.archive.find(address, hashlib.sha256(data).hexdigest())
        except FileNotFoundError:
            return None
        except StoreError as error:
            logger.warning("%s", error)
            return None

    @contextmanager
    def hold(self, region: str, *, partition: str | None = None) -> Iterator[None]:
        """Hold a region, or one of its partitions, while the block writes its results.

        Who holds a partition, such as ``21d|ridge``, shares the region with other ones. Who has
        to wait says for whom, and goes on as soon as the other has ended. What killed processes
        left of temporary files goes first. A thread may hold what it holds already: the runs of
        a retrain are within its own hold. In a store with conditional writes that goes for all
        machines, see `model2_assets.storage.lease`; in another one for the processes of a machine
        that have the same ``DAGSTER_HOME`` or ``execution.working_dir``, and for no others.
        StoreError if the base path cannot be written, or the hold was lost.
        """
        with self._turns.hold(region, partition):
            yield

    @contextmanager
    def share(self, region: str) -> Iterator[None]:
        """Have nobody write results of a region while the block reads them.

        Where the base path cannot be written there is nobody to wait for.
        """
        with self._turns.share(region):
            yield

    def _codec(self, address: Address, entry: UPath | None = None) -> "Codec":
        followed, current = self._followed(address)
        entry = entry or followed
        codec: Codec
        if address.product.as_matrix:
            codec = _room("cache").MatrixCodec(
                address, entry, self.working_files(address.region), current=current
            )
        else:
            codec = _room("codecs").CODECS[address.product.format](address, entry, current=current)
        return codec

    def _climb(self, address: Address, read: Callable[[Any, Callable[[str], Record]], Any]) -> Any:
        """Read a result whose bytes have a record, once more where it was replaced meanwhile."""

        def attempt() -> Any:
            codec = self._codec(address)
            return read(codec, partial(self._record_of, address, codec.current))

        try:
            try:
                return attempt()
            except (_UnrecordedError, FileNotFoundError):
                return attempt()
        except FileNotFoundError as error:
            raise StoreError(
                f"{self.entry_file(address)}: not there; materialize {address.asset} first"
            ) from error

    def _record_of(self, address: Address, path: UPath, sha256: str) -> Record:
        record = self.archive.find(address, sha256)
        if record is not None:
            return record
        elsewhere = self.archive.other_place_of(sha256)
        if elsewhere is not None:
            raise _UnrecordedError(misplaced(path, elsewhere))
        raise _UnrecordedError(
            f"{path}: is not what was published here: it was changed or cut off since it was "
            f"written, or was written by something else or another version; materialize "
            f"{address.asset} again"
        )

    def _models_before(self, address: Address) -> set[str] | None:
        """Return the current model files; None where there are none, or they are unknown."""
        if address.product.format != "fold_models":
            return None
        if not self.exists(address):
            return set()
        record = self.current_version(address)
        if record is None:
            path = self.entry_file(address)
            logger.warning("%s: has no record; no old model file is removed", path)
            return None
        return set(record.files)

    def _remove_models(self, address: Address, before: set[str]) -> None:
        """Remove models of no record; who has opened the manifest before can still follow it."""
        named = self.archive.model_files(address)
        if named is not None:
            remove_models(self.path(address), keep=before | named)

    def _needed_models(self, address: Address) -> set[str]:
        """Return the versions of models that a rollback of the predictions may need."""
        if address.product.format != "fold_models":
            return set()
        predictions = replace(address, asset="oof_predictions")
        kept = self.archive.versions(predictions)[: self.archive.keep]
        return {version.inputs.get(address.asset, "") for version in kept}


class _UnrecordedError(StoreError):
    """A file has no record."""


def _megabytes(table: "pd.DataFrame") -> float:
    return float(table.memory_usage(index=False).sum()) / 1e6


def _room(name: str) -> Any:
    """Import what needs pandas when it is first used: Dagster loads stores in every process."""
    return import_module(f"model2_assets.storage.{name}")


def default_store(*, trainers: Collection[str] = ()) -> Store:
    """Return the store at the default base path; `trainers` are those of `Store`."""
    return Store(default_base(), trainers=trainers)
