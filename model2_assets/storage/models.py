"""Models as files: content-hashed names in a folder, and a manifest that is replaced last.

A folder cannot be replaced in one step. So every model file carries its hash in its name, and
readers follow the manifest alone. What the files hold, and who may turn them into a trainer,
is training's to know.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal, Protocol

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from upath import UPath

from model2_assets.errors import StoreError
from model2_assets.storage.files import discard, write_atomically
from model2_assets.storage.record import document_digest

MANIFEST_NAME = "manifest.json"
FORMAT_VERSION = 4

_FILE_NAME = r"^(fold_\d+|final)-[0-9a-f]{12}\.[A-Za-z0-9.]+$"
"""Names of model files; no manifest can lead a reader out of its folder."""

ModelKind = Literal["fold_models", "final_model"]
"""Models of the splits of a cross-validation, or the one model of all labelled rows."""

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Count = Annotated[int, Field(ge=0)]
_Seconds = Annotated[float, Field(ge=0)]
_Date = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class TrainedRows:
    """Which rows a final model was trained on: all with features and a label of the horizon."""

    rows: _Count
    first_date: _Date
    last_date: _Date
    # First and last date that a label ends on: no later price reached the model through one.
    first_label_end: _Date
    last_label_end: _Date


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How much of what a model predicts holds on rows that it was not fitted on.

    Its predictions are ``base_bps + slope * (f - base_bps)``, where f is what its trainer
    predicts.

    Attributes
    ----------
    slope : float
        From 0.05 to 1.
    base_bps : float
        Mean label of the rows that it was fitted on, in bps.
    rows : int
        Inner predictions that the slope is of. 0: there were too few, and the slope is 1.
    standard_error : float or None
        Of the slope; None where it is of fewer than two inner folds.
    """

    slope: Annotated[float, Field(ge=0, le=1)]
    base_bps: float
    rows: _Count
    standard_error: float | None = None


@dataclass(frozen=True, kw_only=True)
class Search:
    """Trials of hyper-parameters on inner folds of a model's train rows.

    Scores are mean rank ICs, or by how much the mean squared error is below that of the mean label
    of the rows trained on (bps²).
    """

    trials: _Count
    pruned: _Count  # of the trials: given up before their last inner fold
    score: float  # of the best
    # Of every complete trial, the best first: the score in each half of each inner fold, of labels
    # that end in that half; empty where halves are too short.
    blocks: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where models come from; `params` are all hyper-parameters, defaults included."""

    region: str
    horizon: str
    model: str
    trainer: str  # import path of its class
    params: Mapping[str, Any]
    seed: int
    feature_names: tuple[str, ...]  # in the order of the matrix's columns
    data_versions: Mapping[str, str]  # of every input table
    row_order_hash: str  # of the training rows
    seconds: _Seconds
    peak_rss_bytes: _Count
    blas_kernel: str = ""  # of the linear algebra; empty if unknown
    sample_weights: str = "none"
    calibration: str = "none"
    search: Mapping[str, Any] = field(default_factory=dict)  # its settings; empty if none
    kind: ModelKind = "fold_models"
    trained_on: TrainedRows | None = None  # of a final model; splits say it of fold models


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """One stored model: its file, and a digest of its fitted values."""

    __pydantic_config__ = _STRICT

    split_id: _Count  # 0 for a final model
    file: Annotated[str, Field(pattern=_FILE_NAME)]
    sha256: _Sha256
    bytes: _Count
    digest: _Sha256
    n_train: _Count
    n_test: _Count
    seconds: _Seconds
    chosen_params: Mapping[str, Any] = field(default_factory=dict)  # on its train rows alone
    calibration: Calibration | None = None
    search: Search | None = None


def model_file_of(data: bytes, extension: str, kind: ModelKind, **facts: Any) -> ModelFile:
    """Describe the file of such content, named by its hash; facts are its other fields."""
    sha256 = hashlib.sha256(data).hexdigest()
    name = f"{_file_stem(kind, facts['split_id'])}-{sha256[:12]}{extension}"
    return ModelFile(file=name, sha256=sha256, bytes=len(data), **facts)


class StorableModels(Protocol):
    """What the store takes: where models come from, and the bytes of each, one at a time."""

    @property
    def provenance(self) -> Provenance:
        """Where they come from, and of which kind they are."""

    @property
    def library_versions(self) -> Mapping[str, str]:
        """Version of every distribution that the files depend on."""

    def files(self) -> Iterator[tuple[ModelFile, bytes]]:
        """Yield every model file and its content, by ascending split."""


@dataclass(frozen=True, kw_only=True)
class Manifest(Provenance):
    """Everything about the stored models of one region, horizon and model."""

    __pydantic_config__ = _STRICT

    folds: Annotated[tuple[ModelFile, ...], Field(min_length=1)]  # by ascending split
    library_versions: Mapping[str, str]
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        """Refuse what cannot be the manifest of model files."""
        split_ids = [fold.split_id for fold in self.folds]
        if split_ids != sorted(set(split_ids)):
            raise ValueError(f"folds {split_ids} must ascend, each once")
        for fold in self.folds:
            stem = _file_stem(self.kind, fold.split_id)
            if not fold.file.startswith(f"{stem}-{fold.sha256[:12]}."):
                raise ValueError(f"file {fold.file!r} does not carry its split and hash")
        if self.kind == "final_model" and (split_ids != [0] or self.trained_on is None):
            raise ValueError("a final model has one file, and says which rows it was trained on")

    @property
    def total_bytes(self) -> int:
        """Size of all model files."""
        return sum(fold.bytes for fold in self.folds)

    @property
    def data_version(self) -> str:
        """Digest of every model, whatever file it is in."""
        digests = {fold.split_id: fold.digest for fold in self.folds}
        return models_digest(digests, trainer=self.trainer, params=self.params)

    @property
    def calibrations(self) -> dict[str, list[float]]:
        """Slope and base, in bps, of every model that is calibrated, by its split."""
        return {
            str(fold.split_id): [fold.calibration.slope, fold.calibration.base_bps]
            for fold in self.folds
            if fold.calibration is not None
        }

    def to_json(self) -> str:
        """Return the manifest as JSON text; StoreError if a hyper-parameter is none."""
        try:
            return json.dumps(asdict(self), sort_keys=True, indent=2, allow_nan=False) + "\n"
        except (TypeError, ValueError) as error:
            raise StoreError(
                f"manifest of {self.region} {self.horizon} {self.model}: cannot be written as "
                f"JSON ({error}); use numbers, text, lists and mappings as hyper-parameters"
            ) from error

    @classmethod
    def from_json(cls, text: str | bytes, *, origin: str = "manifest") -> "Manifest":
        """Read a manifest, which messages call `origin`; StoreError names what is wrong in it."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise StoreError(f"{origin}: not valid JSON ({error}); retrain the model") from error
        version = values.get("format_version") if isinstance(values, dict) else None
        if version != FORMAT_VERSION:
            raise StoreError(
                f"{origin}: format version {version!r}, expected {FORMAT_VERSION}: made by another "
                f"version; retrain the model"
            )
        try:
            return _MANIFEST.validate_python(values)
        except ValidationError as error:
            problem = error.errors()[0]
            key = ".".join(str(part) for part in problem["loc"]) or "manifest"
            raise StoreError(f"{origin}: {key}: {problem['msg']}; retrain the model") from error


_MANIFEST = TypeAdapter(Manifest)


def models_digest(digests: Mapping[int, str], *, trainer: str, params: Mapping[str, Any]) -> str:
    """Return the data version of models: their digests by split, and what makes them predict."""
    models = {str(split_id): digests[split_id] for split_id in sorted(digests)}
    return document_digest({"trainer": trainer, "params": dict(params), "models": models})


def store_models(folder: UPath, models: StorableModels) -> Manifest:
    """Write all model files of a manifest, and return it; the folder's own is not replaced yet."""
    files = []
    for file, data in models.files():
        write_atomically(folder / file.file, data)
        files.append(file)
    if not files:
        raise StoreError(f"{folder}: no fold model to store; train the model first")
    return Manifest(
        **vars(models.provenance), folds=tuple(files), library_versions=models.library_versions
    )


def save_fold_models(folder: UPath, models: StorableModels) -> Manifest:
    """Write models and their manifest into a folder that is theirs alone; see `store_models`."""
    manifest = store_models(folder, models)
    write_atomically(folder / MANIFEST_NAME, manifest.to_json().encode())
    return manifest


def read_model(folder: UPath, model: ModelFile, *, remedy: str = "; retrain the model") -> bytes:
    """Return the content of a model file; StoreError if it is not the one that is stated."""
    path = folder / model.file
    try:
        data: bytes = path.read_bytes()
    except FileNotFoundError as error:
        raise StoreError(f"{path}: is missing{remedy}") from error
    if len(data) != model.bytes:
        raise StoreError(f"{path}: has {len(data)} bytes, the manifest says {model.bytes}{remedy}")
    found = hashlib.sha256(data).hexdigest()
    if found != model.sha256:
        raise StoreError(
            f"{path}: is damaged: sha256 {found[:12]}…, the manifest says "
            f"{model.sha256[:12]}…{remedy}"
        )
    return data


def remove_models(folder: UPath, *, keep: Collection[str]) -> None:
    """Remove model files that nothing names."""
    for path in list(folder.iterdir()):
        if re.fullmatch(_FILE_NAME, path.name) and path.name not in keep:
            discard(path)


@dataclass(frozen=True)
class StoredFoldModels:
    """Models in a store, as bytes; `model2_assets.training.models.load_model` restores them."""

    folder: UPath
    manifest: Manifest
    sha256: str  # of the manifest's bytes
    recorded_sha256: str = ""  # of the manifest that Dagster recorded last; empty if unknown
    trainers: frozenset[str] = frozenset()  # of your own, that the manifest may name

    def __len__(self) -> int:
        return len(self.manifest.folds)

    def file_of(self, split_id: int) -> ModelFile:
        """Return what is known of the model of one split; StoreError if there is none."""
        for fold in self.manifest.folds:
            if fold.split_id == split_id:
                return fold
        known = ", ".join(str(fold.split_id) for fold in self.manifest.folds)
        raise StoreError(f"{self.folder}: has no fold {split_id}; it has {known}")

    def read(self, split_id: int) -> bytes:
        """Return the verified content of the model of one split; nothing is parsed."""
        return read_model(self.folder, self.file_of(split_id))

    def verify(self) -> None:
        """Compare every file with the manifest; raises as `read` does."""
        for fold in self.manifest.folds:
            read_model(self.folder, fold)


def open_fold_models(folder: UPath, *, trainers: Collection[str] = ()) -> StoredFoldModels:
    """Open models of any folder, such as a rejected candidate; nothing is read but the manifest.

    Parameters
    ----------
    folder : UPath
        Where they lie.
    trainers : collection of str
        Import paths of trainers of your own that the manifest may name, such as
        ``my_package.models:ElasticNetTrainer``. Naming one is trusting the folder as much as
        code, where its files are pickles.

    Returns
    -------
    StoredFoldModels
        The manifest, and the models behind it.

    Raises
    ------
    StoreError
        If there is no manifest, or it is malformed.
    """
    path = folder / MANIFEST_NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise StoreError(f"{path}: does not exist; train the model first") from error
    return StoredFoldModels(
        folder=folder,
        manifest=Manifest.from_json(data, origin=str(path)),
        sha256=hashlib.sha256(data).hexdigest(),
        trainers=frozenset(trainers),
    )


def _file_stem(kind: ModelKind, split_id: int) -> str:
    return "final" if kind == "final_model" else f"fold_{split_id}"
