"""The archive: ``<base>/.versions/`` holds the last versions of every result."""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape, unescape
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from upath import UPath

from model2_assets.errors import StoreError
from model2_assets.storage.address import Address
from model2_assets.storage.files import TEMPORARY_PREFIX, write_atomically
from model2_assets.storage.record import CHECKSUM, Attestation, fits_its_checksum, with_checksum

if TYPE_CHECKING:
    import pandas as pd

    from model2_assets.storage.address import Address
    from model2_assets.storage.models import Manifest, Provenance


Attest = Callable[[Address], Attestation | None]
"""Looks up what is recorded of a result outside of the store."""


def difference_from_record(
    address: Address, value: Any, attestation: Attestation | None, *, file: UPath
) -> str | None:
    """Say how a result in a file differs from what is recorded of it; None if it does not."""
    if attestation is None:
        return None
    stated, recorded = _data_version_of(address, value), attestation.data_version
    if address.product.format == "fold_models":
        stated, recorded = value.sha256, attestation.manifest_sha256
    if not stated or not recorded or stated == recorded:
        return None
    return (
        f"{file}: is {stated[:12]}, Dagster recorded {recorded[:12]} when "
        f"{address.asset} was last materialized here, so something else replaced it; "
        f"materialize {address.asset} again, unless you replaced it"
    )


def _data_version_of(address: Address, value: Any) -> str:
    """Return the data version of a table; empty where its file states none."""
    if address.product.contract is None:
        return ""
    from model2_assets.storage.data_version import table_digest
    from model2_assets.storage.provenance import data_version_of

    # JSON lines have no room for a statement, and are small.
    is_json = address.product.format == "json_lines"
    return table_digest(value) if is_json else data_version_of(value)


SETTINGS = "settings"
"""Input under which a digest of trainer, parameters, seed and weights stands."""


@dataclass(frozen=True)
class Origin:
    """Identity of a result: its values, and what they were made from.

    Attributes
    ----------
    data_version : str
        Digest of the values.
    inputs : mapping of str to str
        Data version of every asset that it was made from; for models, the digest of their
        settings besides, as ``settings``.
    rows : int or None
        Rows of a table, or number of models.
    """

    data_version: str
    inputs: Mapping[str, str]
    rows: int | None = None


def origin_of(frame: "pd.DataFrame") -> Origin:
    """Return the identity of a table, from its provenance where it states any."""
    from model2_assets.storage.data_version import table_digest
    from model2_assets.storage.provenance import INPUTS, data_version_of, facts_of

    facts = facts_of(frame)
    inputs = dict(facts.get(INPUTS, {}))
    if set(_SETTINGS) <= set(facts):
        inputs[SETTINGS] = _settings_digest(facts)
    return Origin(
        data_version=data_version_of(frame) or table_digest(frame), inputs=inputs, rows=len(frame)
    )


def origin_of_models(
    provenance: "Provenance | Manifest", *, data_version: str, models: int
) -> Origin:
    """Return the identity of fitted models.

    Parameters
    ----------
    provenance : Provenance or Manifest
        Where they come from.
    data_version : str
        Digest of the models.
    models : int
        How many there are.
    """
    settings = {name: getattr(provenance, name) for name in _SETTINGS}
    inputs = {**provenance.data_versions, SETTINGS: _settings_digest(settings)}
    return Origin(data_version=data_version, inputs=inputs, rows=models)


def origin_of_report(html: str) -> Origin:
    """Return the identity of a report, from the ``meta`` element that states its inputs.

    Without such an element nobody can tell what the report was made from, and its inputs
    are empty.
    """
    found = _META.search(html)
    return Origin(
        data_version=hashlib.sha256(html.encode()).hexdigest()[:32],
        inputs=json.loads(unescape(found["inputs"])) if found else {},
    )


def inputs_element(inputs: Mapping[str, str]) -> str:
    """Return the ``meta`` element by which a report states what it was made from."""
    return (
        f'<meta name="{_META_NAME}" content="{escape(json.dumps(dict(inputs), sort_keys=True))}">'
    )


_SETTINGS = ("trainer", "params", "seed", "sample_weights")


def _settings_digest(facts: Mapping[str, Any]) -> str:
    from model2_assets.storage.data_version import document_digest

    return document_digest({name: facts[name] for name in _SETTINGS})


_META_NAME = "model2-inputs"
_META = re.compile(rf'<meta name="{_META_NAME}" content="(?P<inputs>[^"]*)">')

FORMAT_VERSION = 2
RECORD_SUFFIX = ".version.json"
_STAMP = "%Y%m%dT%H%M%S%fZ"
_FILE_NAME = r"^\d{8}T\d{12}Z-[0-9a-f]{1,12}\.[A-Za-z0-9.]+$"


class Version(BaseModel):
    """One kept version of one result."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: int = Field(default=FORMAT_VERSION, description="version of this format")
    data_version: str = Field(min_length=1, description="digest of the values")
    inputs: dict[str, str] = Field(description="data version of everything that it was made from")
    rows: int | None = Field(ge=0, description="rows of the table, or number of models")
    file: str = Field(pattern=_FILE_NAME, description="name of the kept file, beside the record")
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(description="of its bytes")
    size: int = Field(ge=0, description="its bytes")
    model_files: tuple[str, ...] = Field(
        default=(), description="fold models that a kept manifest names; they stay in their folder"
    )
    first_published: AwareDatetime = Field(description="when it was first current, UTC")
    published: AwareDatetime = Field(description="when it last became current, UTC")

    @property
    def short(self) -> str:
        """The first digits of the data version, as people name it."""
        return self.data_version[:12]

    @property
    def record_file(self) -> str:
        """Name of the record."""
        return record_file_of(self.file)

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return json.dumps(with_checksum(self.model_dump(mode="json")), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: bytes, *, origin: str) -> "Version":
        """Read a record.

        Parameters
        ----------
        text : bytes
            JSON, as `to_json` writes it.
        origin : str
            What to call it in messages.

        Returns
        -------
        Version
            The validated record.

        Raises
        ------
        StoreError
            If it is not JSON, of another format version, a key is missing, unknown or
            impossible, or a value was changed since it was written.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise StoreError(f"{origin}: not valid JSON ({error}); this version is lost") from error
        if not isinstance(values, dict):
            raise StoreError(f"{origin}: not a JSON object; this version is lost")
        others = {key: value for key, value in values.items() if key != CHECKSUM}
        try:
            version = cls.model_validate(others)
        except ValidationError as error:
            problem = error.errors()[0]
            key = ".".join(str(part) for part in problem["loc"]) or "record"
            raise StoreError(f"{origin}: {key}: {problem['msg']}; this version is lost") from error
        if version.format_version != FORMAT_VERSION:
            raise StoreError(
                f"{origin}: format version {version.format_version}, expected {FORMAT_VERSION}; "
                f"read it with the release of model2_assets that wrote it"
            )
        if not fits_its_checksum(values):
            raise StoreError(
                f"{origin}: does not fit its checksum, so it was changed since it was written; "
                f"this version is lost"
            )
        return version


def file_name(data_version: str, suffix: str, time: datetime) -> str:
    """Return the name of a kept file: its time in UTC and the first digits of its version."""
    return f"{time.astimezone(UTC):{_STAMP}}-{data_version[:12]}{suffix}"


def record_file_of(file: str) -> str:
    """Return the name of the record that belongs to a kept file."""
    return PurePosixPath(file).name.split(".", 1)[0] + RECORD_SUFFIX


MANIFEST_SUFFIX = ".manifest.json"
"""Of a kept manifest of fold models; the models stay in their folder."""

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


MIN_PREFIX = 6
"""Digits that name a version; fewer are too easily mistaken."""


def find_version(versions: Sequence[Version], prefix: str, *, what: str) -> Version:
    """Return the kept version whose data version starts with a prefix.

    Parameters
    ----------
    versions : sequence of Version
        Those kept, the last published first.
    prefix : str
        At least `MIN_PREFIX` hexadecimal digits, in either case.
    what : str
        What the versions are of, for messages.

    Returns
    -------
    Version
        Where equal values were kept with different origins, the last published of them.

    Raises
    ------
    StoreError
        If the prefix is no version, fits none or several; names those that there are.
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
    """Return the digits that a person gave for a version, in lower case.

    Raises
    ------
    StoreError
        If they are too few or not hexadecimal.
    """
    digits = prefix.strip().lower()
    if not re.fullmatch(rf"[0-9a-f]{{{MIN_PREFIX},}}", digits):
        raise StoreError(
            f"{what}: {prefix!r} is no version; give at least {MIN_PREFIX} hexadecimal digits of "
            f"one, as shown by model2 versions"
        )
    return digits


def _listed(versions: Sequence[Version]) -> str:
    return ", ".join(
        f"{version.short} ({version.published:%Y-%m-%d %H:%M})" for version in versions
    )
