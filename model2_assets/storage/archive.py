"""Records, kept versions and rejected candidates of the results under one base path.

``<base>/.versions/<address>/`` holds the record of the current result and, beside their records,
the last versions; ``<base>/.rejected/<address>/`` what failed a check, for people to look at.
"""

import hashlib
import logging
import re
import uuid
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from upath import UPath

from model2_assets.errors import StoreError
from model2_assets.storage.address import MANIFEST_SUFFIX, WITHOUT_VERSIONS, Address
from model2_assets.storage.files import ABANDONED_AFTER, discard, link_atomically, write_atomically
from model2_assets.storage.record import Origin, Record

VERSIONS = ".versions"
REJECTED = ".rejected"

MIN_PREFIX = 6
"""Digits that name a version; fewer are too easily mistaken."""

_RECORD_NAME = re.compile(r"[0-9a-f]{64}\.json")
_KEPT_NAME = re.compile(r"[0-9a-f]{64}\.(?!json$)[a-z.]+")
_TICK = timedelta(microseconds=1)

_REJECTED_TIME = "%Y%m%dT%H%M%S%f"
_REJECTED_NAME = re.compile(r"\d{8}T\d{12}-[0-9a-f]{6}(?:\.\w+)?")

logger = logging.getLogger(__name__)


class Archive:
    """Records of all results under one base path, and `keep` versions of each, current included."""

    def __init__(self, base: UPath, *, keep: int) -> None:
        self._base = base
        self.keep = keep

    def folder(self, address: Address) -> UPath:
        """Return where the records and versions of a result are."""
        return self._base.joinpath(VERSIONS, *address.parts)

    def path(self, address: Address, record: Record) -> UPath:
        """Return where the kept file of a version is, by its hash: of several, their manifest."""
        suffix = MANIFEST_SUFFIX if record.files else address.product.kept_suffix
        return self.folder(address) / f"{record.sha256}{suffix}"

    def keeps(self, address: Address) -> bool:
        """Tell whether publishing a result adds a version."""
        return self.keep > 0 and address.asset not in WITHOUT_VERSIONS

    def find(self, address: Address, sha256: str) -> Record | None:
        """Return the record of a file by its hash; None if there is none, StoreError if damaged."""
        path = self.folder(address) / f"{sha256}.json"
        try:
            record = Record.from_json(path.read_bytes(), origin=str(path))
        except FileNotFoundError:
            return None
        if (record.address, record.sha256) != (str(address), sha256):
            raise StoreError(f"{path}: is the record of {record.address}, put in another's place")
        return record

    def other_place_of(self, sha256: str) -> str | None:
        """Return the address of a file that was published elsewhere under the base path."""
        for path in (self._base / VERSIONS).glob(f"**/{sha256}.json"):
            try:
                return Record.from_json(path.read_bytes(), origin=str(path)).address
            except (OSError, StoreError):
                continue
        return None

    def versions(self, address: Address) -> list[Record]:
        """Return the kept versions of a result, the last published first; unreadable are logged."""
        readable, _ = self._records(address)
        return [record for record in readable if record.kept]

    def read(self, address: Address, record: Record) -> bytes:
        """Read the kept file of a version; StoreError if it is missing or not as recorded."""
        path = self.path(address, record)
        try:
            data: bytes = path.read_bytes()
        except FileNotFoundError as error:
            raise StoreError(f"{path}: is missing; version {record.short} is lost") from error
        if hashlib.sha256(data).hexdigest() != record.sha256:
            raise StoreError(
                f"{path}: is damaged, its sha256 is not the one that its record states; "
                f"version {record.short} is lost"
            )
        return data

    def add(self, address: Address, file: Path, origin: Origin) -> Record:
        """Record a file that is about to be published, and keep it where versions are kept.

        The same values made from the same inputs are one version, however often they are
        published; until `prune`, which follows the publication, the one before stays beside it,
        since a kill between the two leaves that one current.
        """
        with file.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        known, _ = self._records(address)
        now = self._later_than(known)
        record = Record(
            address=str(address),
            sha256=sha256,
            size=file.stat().st_size,
            **vars(origin),
            kept=self.keeps(address) or any(old.kept for old in known if old.sha256 == sha256),
            first_published=now,
            published=now,
        )
        before = [old.first_published for old in known if old.identity == record.identity]
        record = record.model_copy(update={"first_published": min(before, default=now)})
        if self.keeps(address):
            link_atomically(file, self.path(address, record))
        return self._write(address, record)

    def mark_published(self, address: Address, record: Record) -> Record:
        """Note that a kept version is current again."""
        now = self._later_than(self._records(address)[0])
        return self._write(address, record.model_copy(update={"published": now}))

    def prune(self, address: Address, *, current: Record, needed: Collection[str] = ()) -> None:
        """Remove the versions beyond the number that is kept, the longest unpublished first.

        Of versions with the same values and inputs only the last published one stays; so do
        those whose data versions are needed. A record without a kept file stays while it is
        current.
        """
        readable, _ = self._records(address)
        kept = [record for record in readable if record.kept]
        if self.keeps(address):
            latest: dict[object, Record] = {}
            for record in kept:
                latest.setdefault(record.identity, record)
            distinct = list(latest.values())
            kept = distinct[: self.keep]
            kept += [record for record in distinct if record.data_version in needed]
        stays = {current.sha256, *(record.sha256 for record in kept)}
        # Each record first: without it nobody looks for the file.
        for record in readable:
            if record.sha256 not in stays:
                discard(self.folder(address) / record.file_name)
                discard(self.path(address, record))
        self._sweep(address)

    def model_files(self, address: Address) -> set[str] | None:
        """Return the model files that records name; None if one of these cannot be read."""
        readable, damaged = self._records(address)
        return None if damaged else {name for record in readable for name in record.files}

    def _records(self, address: Address) -> tuple[list[Record], int]:
        """Return the readable records, last published first, and the number of others."""
        folder = self.folder(address)
        readable, damaged = [], 0
        for path in folder.iterdir() if folder.exists() else ():
            if not _RECORD_NAME.fullmatch(path.name):
                continue
            try:
                record = self.find(address, path.name.removesuffix(".json"))
            except StoreError as error:
                logger.warning("%s", error)
                damaged += 1
                continue
            if record is not None:  # else pruned by another process since it was listed
                readable.append(record)
        readable.sort(key=lambda record: (record.published, record.sha256), reverse=True)
        return readable, damaged

    def _now(self) -> datetime:
        return datetime.now(UTC)

    def _later_than(self, known: Sequence[Record]) -> datetime:
        """Return the time, moved past every version where the clock was set back."""
        return max([self._now(), *(record.published + _TICK for record in known)])

    def _write(self, address: Address, record: Record) -> Record:
        write_atomically(self.folder(address) / record.file_name, record.to_json().encode())
        return record

    def _sweep(self, address: Address) -> None:
        """Remove files that a killed publication or removal left without a record."""
        files = list(self.folder(address).iterdir())
        names = {path.name for path in files}
        for path in files:
            record_name = f"{path.name.partition('.')[0]}.json"
            if _KEPT_NAME.fullmatch(path.name) and record_name not in names and self._is_old(path):
                discard(path)

    def _is_old(self, path: UPath) -> bool:
        try:
            written: datetime = path.fs.modified(path.path)
        except (NotImplementedError, OSError):
            return False
        if written.tzinfo is None:
            written = written.replace(tzinfo=UTC)
        return written < self._now() - ABANDONED_AFTER


def find_version(versions: Sequence[Record], prefix: str, *, what: str) -> Record:
    """Return the kept version whose data version starts with a prefix of six digits or more.

    Of equal values that were kept with different origins, the last published. StoreError names
    the versions that there are of `what`.
    """
    digits = digits_of(prefix, what=what)
    found = [version for version in versions if version.data_version.startswith(digits)]
    distinct = {version.data_version for version in found}
    if len(distinct) > 1:
        raise StoreError(
            f"{what}: {digits} fits {_listed(found)}; give more digits of the one that is meant"
        )
    if not found:
        kept = f"kept are {_listed(versions)}" if versions else "none is kept"
        raise StoreError(f"{what}: there is no version {digits}; {kept}")
    return found[0]


def digits_of(prefix: str, *, what: str) -> str:
    """Return the digits that a person gave for a version, in lower case; StoreError if none."""
    digits = prefix.strip().lower()
    if not re.fullmatch(rf"[0-9a-f]{{{MIN_PREFIX},}}", digits):
        raise StoreError(
            f"{what}: {prefix!r} is no version; give at least {MIN_PREFIX} hexadecimal digits of "
            f"one, as shown by model2 versions"
        )
    return digits


def _listed(versions: Sequence[Record]) -> str:
    return ", ".join(
        f"{version.short} ({version.published:%Y-%m-%d %H:%M})" for version in versions
    )


def new_rejected_name() -> str:
    """Return a name for a candidate; names of later candidates sort behind it."""
    return f"{datetime.now(UTC):{_REJECTED_TIME}}-{uuid.uuid4().hex[:6]}"


def prune_rejected(folder: UPath, *, keep: int) -> None:
    """Remove all but the newest rejected candidates of one result.

    Only what `new_rejected_name` has named is touched, and no folder of models that another
    process may just be writing: one without a manifest that is less than a day old.
    """
    try:
        found = [path for path in folder.iterdir() if _REJECTED_NAME.fullmatch(path.name)]
    except (FileNotFoundError, NotADirectoryError):  # the latter of an object store
        return
    named = sorted(found, key=lambda path: path.name, reverse=True)
    whole = [path for path in named if path.suffix or (path / "manifest.json").exists()]
    given_up = f"{datetime.now(UTC) - ABANDONED_AFTER:{_REJECTED_TIME}}"
    abandoned = [path for path in named if path not in whole and path.name < given_up]
    for path in (*whole[keep:], *abandoned):
        discard(path)
