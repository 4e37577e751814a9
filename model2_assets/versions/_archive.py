"""The archive: ``<base>/.versions/`` holds the last versions of every result.

A version is a file and, written after it, a record that says what it is. Whoever lists
versions follows records alone, so a kill at any moment leaves nothing half kept. On a
local disk the kept file and the current one are the same inode while they are equal, so
that a version takes no space until it is replaced.
"""

import hashlib
import logging
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from upath import UPath

from model2_assets.errors import StoreError
from model2_assets.files import TEMPORARY_PREFIX, write_atomically
from model2_assets.versions._origin import Origin
from model2_assets.versions._version import RECORD_SUFFIX, Version, file_name, record_file_of

if TYPE_CHECKING:
    from model2_assets.storage import Address

VERSIONS = ".versions"
_TICK = timedelta(microseconds=1)
_ABANDONED = timedelta(days=1)
"""Age at which a file without a record belongs to no publication under way."""

logger = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


class Archive:
    """Old versions of the results under one base path.

    Parameters
    ----------
    base : UPath
        Of the results.
    keep : int
        Versions of each result that are kept, the current one among them.
    clock : callable, optional
        Returns the time, with a time zone; the system's by default.
    """

    def __init__(self, base: UPath, *, keep: int, clock: Callable[[], datetime] = _now) -> None:
        self._base = base
        self._clock = clock
        self.keep = keep

    def folder(self, address: "Address") -> UPath:
        """Return where the versions of a result are."""
        return self._base.joinpath(VERSIONS, *address.parts)

    def path(self, address: "Address", version: Version) -> UPath:
        """Return where the kept file of a version is."""
        return self.folder(address) / version.file

    def versions(self, address: "Address") -> list[Version]:
        """Return the kept versions of a result, the last published first.

        A record that cannot be read is left out, with a line in the log.
        """
        readable, _ = self._records(address)
        return readable

    def read(self, address: "Address", version: Version) -> bytes:
        """Read the kept file of a version.

        Raises
        ------
        StoreError
            If it is missing or its bytes do not fit the record's hash.
        """
        path = self.path(address, version)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise StoreError(f"{path}: is missing; version {version.short} is lost") from error
        if hashlib.sha256(data).hexdigest() != version.sha256:
            raise StoreError(
                f"{path}: is damaged, its sha256 is not the one that its record states; "
                f"version {version.short} is lost"
            )
        return data

    def add(
        self,
        address: "Address",
        data: bytes,
        origin: Origin,
        *,
        suffix: str,
        model_files: Collection[str] = (),
    ) -> Version:
        """Keep a result that is about to be published.

        The same values made from the same inputs are one version, however often they are
        published; until `prune`, which follows the publication, the one before stays beside it,
        since a kill between the two leaves that one current.

        Parameters
        ----------
        address : Address
            What it is.
        data : bytes
            The file that is published.
        origin : Origin
            Its identity.
        suffix : str
            Of the file's name, such as ``.parquet``.
        model_files : collection of str
            Fold models that it names.

        Returns
        -------
        Version
            Its record, already written.
        """
        known = self.versions(address)
        same = [
            version
            for version in known
            if (version.data_version, version.inputs) == (origin.data_version, origin.inputs)
        ]
        now = self._later_than(known)
        sha256 = hashlib.sha256(data).hexdigest()
        for version in same:
            if version.sha256 == sha256 and self._is_whole(address, version):
                return self._record(address, version.model_copy(update={"published": now}))
        version = Version(
            data_version=origin.data_version,
            inputs=dict(origin.inputs),
            rows=origin.rows,
            file=file_name(origin.data_version, suffix, now),
            sha256=sha256,
            size=len(data),
            model_files=tuple(sorted(model_files)),
            first_published=min((old.first_published for old in same), default=now),
            published=now,
        )
        write_atomically(self.path(address, version), data)
        self._record(address, version)
        return version

    def mark_published(self, address: "Address", version: Version) -> Version:
        """Note that a kept version is current again."""
        now = self._later_than(self.versions(address))
        return self._record(address, version.model_copy(update={"published": now}))

    def prune(self, address: "Address", *, needed: Collection[str] = (), current: str = "") -> None:
        """Remove the versions beyond the number that is kept, the longest unpublished first.

        Of versions with the same values and inputs only the last published one stays.

        Parameters
        ----------
        address : Address
            Of the result.
        needed : collection of str
            Data versions that stay whatever their age.
        current : str, optional
            Hash of the file that is current, where it is about to be replaced: its version stays.
        """
        latest: dict[object, Version] = {}
        for version in self.versions(address):
            latest.setdefault((version.data_version, frozenset(version.inputs.items())), version)
        kept = list(latest.values())[: self.keep]
        stays = {version.file for version in kept}
        stays |= {old.file for old in latest.values() if old.data_version in needed}
        self._remove(
            address,
            [
                old
                for old in self.versions(address)
                if old.file not in stays and old.sha256 != current
            ],
        )
        self._sweep(address)

    def model_files(self, address: "Address") -> set[str] | None:
        """Return the fold models that kept versions name; None if a record cannot be read."""
        readable, damaged = self._records(address)
        if damaged:
            return None
        return {name for version in readable for name in version.model_files}

    def _records(self, address: "Address") -> tuple[list[Version], int]:
        """Return the readable records, last published first, and the number of others."""
        folder = self.folder(address)
        readable, damaged = [], 0
        for path in self._files(folder):
            if not path.name.endswith(RECORD_SUFFIX):
                continue
            try:
                readable.append(Version.from_json(path.read_bytes(), origin=str(path)))
            except FileNotFoundError:  # pruned by another process since it was listed
                continue
            except StoreError as error:
                logger.warning("%s", error)
                damaged += 1
        readable.sort(key=lambda version: (version.published, version.file), reverse=True)
        return readable, damaged

    def _files(self, folder: UPath) -> list[UPath]:
        """Return the files of a folder, without those that somebody is still writing."""
        files = folder.iterdir() if folder.exists() else ()
        return [path for path in files if not path.name.startswith(TEMPORARY_PREFIX)]

    def _later_than(self, known: list[Version]) -> datetime:
        """Return the time, moved past every version where the clock was set back."""
        latest = max((version.published for version in known), default=None)
        now = self._clock()
        return now if latest is None else max(now, latest + _TICK)

    def _is_whole(self, address: "Address", version: Version) -> bool:
        try:
            self.read(address, version)
        except StoreError as error:
            logger.warning("%s; it is kept anew", error)
            return False
        return True

    def _record(self, address: "Address", version: Version) -> Version:
        write_atomically(self.folder(address) / version.record_file, version.to_json().encode())
        return version

    def _remove(self, address: "Address", versions: Collection[Version]) -> None:
        """Remove versions, each record first: without it nobody looks for the file."""
        for version in versions:
            self._unlink(self.folder(address) / version.record_file)
            self._unlink(self.path(address, version))

    def _sweep(self, address: "Address") -> None:
        """Remove files that a killed publication or removal left without a record."""
        files = self._files(self.folder(address))
        names = {path.name for path in files}
        oldest = file_name("0", "", self._clock() - _ABANDONED)
        for path in files:
            if (
                not path.name.endswith(RECORD_SUFFIX)
                and path.name[:1].isdigit()
                and path.name < oldest
                and record_file_of(path.name) not in names
            ):
                self._unlink(path)

    def _unlink(self, path: UPath) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s: cannot be removed (%s)", path, error)
