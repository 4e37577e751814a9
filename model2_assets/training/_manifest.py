"""The manifest of a folder of models: the only thing that readers follow."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model2_assets.data_version import document_digest
from model2_assets.document_checksum import CHECKSUM, fits_its_checksum, with_checksum
from model2_assets.errors import StoreError

FORMAT_VERSION = 2
"""Version of the manifest's own format."""

FOLD_FILE_PATTERN = r"^(fold_\d+|final)-[0-9a-f]{12}\.[A-Za-z0-9.]+$"
"""Names of model files; no manifest can lead a reader out of its folder."""

ModelKind = Literal["fold_models", "final_model"]
"""Models of the splits of a cross-validation, or the one model of all labelled rows."""

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Count = Annotated[int, Field(ge=0)]
_Seconds = Annotated[float, Field(ge=0)]
_Date = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


@dataclass(frozen=True, kw_only=True)
class TrainedRows:
    """Which rows a final model was trained on.

    Attributes
    ----------
    rows : int
        How many: all with features and a label of the horizon.
    first_date, last_date : str
        First and last session date among them, ``YYYY-MM-DD``.
    first_label_end, last_label_end : str
        First and last date that one of their labels ends on: no later price has reached
        the model through a label.
    """

    rows: _Count
    first_date: _Date
    last_date: _Date
    first_label_end: _Date
    last_label_end: _Date


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where models come from.

    Attributes
    ----------
    region, horizon, model : str
        Such as ``us``, ``21d``, ``ridge``.
    trainer : str
        Import path of the trainer class, ``package.module:Class``.
    params : mapping
        Every hyper-parameter, defaults included.
    seed : int
        Seed of every random draw.
    feature_names : tuple of str
        Columns of the feature matrix, in order.
    data_versions : mapping of str to str
        Data version of every input table.
    row_order_hash : str
        Of the training rows, see `hash_row_order`.
    seconds : float
        Wall time of training.
    peak_rss_bytes : int
        Largest resident memory while training, bytes.
    blas_kernel : str
        Linear algebra kernel that they were fitted with, see `blas_kernel`; empty if
        unknown.
    sample_weights : str
        Which weights the train rows had, as the configuration names them.
    kind : {"fold_models", "final_model"}
        What the models are.
    trained_on : TrainedRows or None
        The rows of a final model; None for fold models, whose splits say it.
    """

    region: str
    horizon: str
    model: str
    trainer: str
    params: Mapping[str, Any]
    seed: int
    feature_names: tuple[str, ...]
    data_versions: Mapping[str, str]
    row_order_hash: str
    seconds: float
    peak_rss_bytes: int
    blas_kernel: str = ""
    sample_weights: str = "none"
    kind: ModelKind = "fold_models"
    trained_on: TrainedRows | None = None


def file_stem(kind: ModelKind, split_id: int) -> str:
    """Return what a model file's name begins with, before its hash."""
    return "final" if kind == "final_model" else f"fold_{split_id}"


def models_digest(digests: Mapping[int, str], *, trainer: str, params: Mapping[str, Any]) -> str:
    """Digest models: their fitted values, and what turns these into predictions.

    Parameters
    ----------
    digests : mapping of int to str
        Digest of the model of every split.
    trainer : str
        Import path of the trainer class.
    params : mapping
        Every hyper-parameter.

    Returns
    -------
    str
        The data version of the models.
    """
    models = {str(split_id): digests[split_id] for split_id in sorted(digests)}
    return document_digest({"trainer": trainer, "params": dict(params), "models": models})


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FoldFile(_Document):
    """One stored model."""

    split_id: _Count = Field(description="split that the model was trained by; 0 for a final model")
    file: Annotated[str, Field(pattern=FOLD_FILE_PATTERN)] = Field(description="name in the folder")
    sha256: _Sha256 = Field(description="hash of the file's bytes")
    bytes: _Count = Field(description="size of the file")
    digest: _Sha256 = Field(description="hash of the fitted values")
    n_train: _Count = Field(description="rows trained on")
    n_test: _Count = Field(description="rows to predict")
    seconds: _Seconds = Field(description="wall time of the fit")
    chosen_params: dict[str, Any] = Field(
        default_factory=dict, description="hyper-parameters that the fit has chosen itself"
    )


class Manifest(_Document):
    """Everything about the stored models of one region, horizon and model."""

    format_version: int = Field(FORMAT_VERSION, description="version of this format")
    region: str = Field(description="region")
    horizon: str = Field(description="horizon, such as 21d")
    model: str = Field(description="name of the model")
    trainer: str = Field(description="import path of the trainer class")
    params: dict[str, Any] = Field(description="hyper-parameters, defaults included")
    seed: int = Field(description="seed of every random draw")
    feature_names: tuple[str, ...] = Field(description="features, in order")
    data_versions: dict[str, str] = Field(description="data version of every input")
    row_order_hash: str = Field(description="hash of the training rows and their order")
    library_versions: dict[str, str] = Field(description="distributions that wrote the files")
    folds: Annotated[tuple[FoldFile, ...], Field(min_length=1)] = Field(
        description="model files, by split"
    )
    total_bytes: _Count = Field(description="size of all model files")
    seconds: _Seconds = Field(description="wall time of training")
    peak_rss_bytes: _Count = Field(description="largest resident memory while training")
    blas_kernel: str = Field("", description="linear algebra kernel they were fitted with")
    sample_weights: str = Field("none", description="weights of the train rows")
    kind: ModelKind = Field("fold_models", description="fold models, or the final model")
    trained_on: TrainedRows | None = Field(None, description="rows of the final model")

    @model_validator(mode="after")
    def _folds_are_consistent(self) -> Self:
        split_ids = [fold.split_id for fold in self.folds]
        if split_ids != sorted(set(split_ids)):
            raise ValueError(f"folds {split_ids} must ascend, each once")
        for fold in self.folds:
            if not fold.file.startswith(
                f"{file_stem(self.kind, fold.split_id)}-{fold.sha256[:12]}."
            ):
                raise ValueError(f"file {fold.file!r} does not carry its split and hash")
        if self.total_bytes != sum(fold.bytes for fold in self.folds):
            raise ValueError("total_bytes is not the sum of the folds' bytes")
        return self

    @model_validator(mode="after")
    def _final_model_is_one(self) -> Self:
        split_ids = [fold.split_id for fold in self.folds]
        if self.kind == "final_model" and (split_ids != [0] or self.trained_on is None):
            raise ValueError("a final model has one file, and says which rows it was trained on")
        return self

    @classmethod
    def of(
        cls,
        provenance: Provenance,
        *,
        folds: tuple[FoldFile, ...],
        library_versions: Mapping[str, str],
    ) -> "Manifest":
        """Build the manifest of model files.

        Parameters
        ----------
        provenance : Provenance
            Where the models come from.
        folds : tuple of FoldFile
            The model files, by ascending split.
        library_versions : mapping of str to str
            Version of every distribution that the files depend on.

        Returns
        -------
        Manifest
            The manifest.
        """
        return cls.model_validate(
            {
                **asdict(provenance),
                "format_version": FORMAT_VERSION,
                "folds": folds,
                "library_versions": dict(library_versions),
                "total_bytes": sum(fold.bytes for fold in folds),
            }
        )

    @property
    def data_version(self) -> str:
        """Digest of every model, whatever file it is in."""
        return models_digest(
            {fold.split_id: fold.digest for fold in self.folds},
            trainer=self.trainer,
            params=self.params,
        )

    def to_json(self) -> str:
        """Return the manifest as JSON text with sorted keys.

        Raises
        ------
        StoreError
            If a hyper-parameter cannot be written as JSON.
        """
        try:
            document = with_checksum(self.model_dump())
            return json.dumps(document, sort_keys=True, indent=2, allow_nan=False) + "\n"
        except (TypeError, ValueError) as error:
            raise StoreError(
                f"manifest of {self.region} {self.horizon} {self.model}: cannot be written as "
                f"JSON ({error}); use numbers, text, lists and mappings as hyper-parameters"
            ) from error

    @classmethod
    def from_json(cls, text: str | bytes, *, origin: str = "manifest") -> "Manifest":
        """Read a manifest.

        Parameters
        ----------
        text : str or bytes
            JSON, as `to_json` writes it.
        origin : str
            What to call it in messages.

        Returns
        -------
        Manifest
            The validated manifest.

        Raises
        ------
        StoreError
            If it is not JSON, of another format version, a key is missing, unknown or
            inconsistent, or a value was changed since it was written.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise StoreError(f"{origin}: not valid JSON ({error}); retrain the model") from error
        version = values.get("format_version") if isinstance(values, dict) else None
        if version != FORMAT_VERSION:
            raise StoreError(
                f"{origin}: format version {version!r}, expected {FORMAT_VERSION}; "
                f"retrain the model"
            )
        try:
            manifest = cls.model_validate(
                {key: value for key, value in values.items() if key != CHECKSUM}
            )
        except ValidationError as error:
            problem = error.errors()[0]
            key = ".".join(str(part) for part in problem["loc"]) or "manifest"
            raise StoreError(f"{origin}: {key}: {problem['msg']}; retrain the model") from error
        if not fits_its_checksum(values):
            raise StoreError(
                f"{origin}: does not fit its checksum, so it was changed since it was written; "
                f"retrain the model"
            )
        return manifest
