"""What is known of one kept version, and how that is written beside it."""

import json
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from model2_assets.document_checksum import CHECKSUM, fits_its_checksum, with_checksum
from model2_assets.errors import StoreError

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
