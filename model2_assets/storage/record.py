"""What is known of a stored result, in one small file beside its kept versions.

A record is named by the sha256 of the file that it describes, and is written before that file
is published. Who reads a result hashes what it has read and looks for its record: there is none
of a file that was changed or cut off, belongs elsewhere, or was written by somebody else.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from model2_assets.errors import StoreError

FORMAT_VERSION = 4
CHECKSUM = "checksum"
SETTINGS = "settings"
"""Name under which a digest of trainer, parameters, seed and weights stands among inputs."""

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def document_digest(document: Mapping[str, Any]) -> str:
    """Digest a JSON-able mapping, whatever the order of its keys, as 32 hexadecimal digits."""
    text = json.dumps(document, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Origin:
    """Identity of a result: its values, and what they were made from."""

    data_version: str  # digest of the values
    inputs: Mapping[str, str]  # data version of every asset that it was made from
    settings: str = ""  # digest of trainer, parameters, seed and weights, where it has any
    rows: int | None = None  # of a table, or number of models
    files: Mapping[str, str] = field(default_factory=dict)  # sha256 of model files, by name


@dataclass(frozen=True)
class Attestation:
    """What Dagster's event log says of the latest materialization of a result; empty if unknown."""

    data_version: str = ""
    manifest_sha256: str = ""  # of models: it names every model file with its hash


def package_version() -> str:
    """Return the installed version of this package; ``unknown`` for sources on a path alone."""
    try:
        return version("model2-assets")
    except PackageNotFoundError:
        return "unknown"


class Record(BaseModel):
    """What is known of one stored result."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: int = Field(default=FORMAT_VERSION, description="version of this format")
    address: str = Field(description="where the file belongs, below the base path")
    sha256: _Sha256 = Field(description="of the file that readers follow")
    size: int = Field(ge=0, description="bytes of that file")
    files: dict[str, _Sha256] = Field(description="sha256 of the model files that it names")
    data_version: str = Field(min_length=1, description="digest of the values")
    inputs: dict[str, str] = Field(description="data version of all that it was made from")
    settings: str = Field(description="digest of the settings that it was made with")
    rows: int | None = Field(ge=0, description="rows of the table, or number of models")
    kept: bool = Field(description="whether the file is kept beside the record, as a version")
    made_by: str = Field(
        default_factory=package_version, description="version of model2_assets that made it"
    )
    first_published: AwareDatetime = Field(description="when it was first current, UTC")
    published: AwareDatetime = Field(description="when it last became current, UTC")

    @property
    def short(self) -> str:
        """The first digits of the data version, as people name it."""
        return self.data_version[:12]

    @property
    def made_from(self) -> dict[str, str]:
        """Data version of every input, and the digest of the settings where there is one."""
        return {**self.inputs, **({SETTINGS: self.settings} if self.settings else {})}

    @property
    def identity(self) -> tuple[object, ...]:
        """What makes two records those of one version: the values, and what they are made from."""
        return self.data_version, self.settings, frozenset(self.inputs.items())

    @property
    def file_name(self) -> str:
        """Name of the record."""
        return f"{self.sha256}.json"

    def to_json(self) -> str:
        """Return the record as JSON text, with the sha256 of all that it says."""
        return checked_json(self.model_dump(mode="json"))

    @classmethod
    def from_json(cls, text: bytes, *, origin: str) -> "Record":
        """Read a record, which messages call `origin`; StoreError names what is wrong in it."""
        lost = "what it describes cannot be read"
        try:
            values = read_checked_json(text)
            if values.get("format_version") != FORMAT_VERSION:
                raise ValueError(
                    f"format version {values.get('format_version')!r}, expected "
                    f"{FORMAT_VERSION}: made by another version"
                )
            return cls.model_validate(values)
        except ValidationError as error:
            problem = error.errors()[0]
            key = ".".join(str(part) for part in problem["loc"])
            raise StoreError(f"{origin}: {key}: {problem['msg']}; {lost}") from error
        except ValueError as error:
            raise StoreError(f"{origin}: {error}; {lost}") from error


def checked_json(values: Mapping[str, Any]) -> str:
    """Return a JSON document with the sha256 of all that it says."""
    return json.dumps({**values, CHECKSUM: _checksum(values)}, indent=2) + "\n"


def read_checked_json(text: bytes) -> dict[str, Any]:
    """Return what `checked_json` was given; a ValueError says why it cannot be that."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not valid JSON ({error})") from error
    if not isinstance(values, dict):
        raise ValueError("not a JSON object")
    if values.pop(CHECKSUM, None) != _checksum(values):
        raise ValueError("does not fit its checksum, so it was changed since it was written")
    return values


def _checksum(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def misplaced(path: object, address: str) -> str:
    """Return what is told of a file that belongs to another address."""
    return (
        f"{path}: belongs to {address} and was put in another's place; materialize the asset again"
    )
