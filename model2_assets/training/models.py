"""Fitted models on disk or in an object store: written atomically, verified when read."""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from upath import UPath

from model2_assets.config.load import load_object
from model2_assets.errors import ConfigError, StoreError
from model2_assets.storage.data_version import document_digest
from model2_assets.storage.files import scratch_folder, write_atomically
from model2_assets.storage.record import CHECKSUM, Attestation, fits_its_checksum, with_checksum
from model2_assets.training.base_models import BaseModelTrainer, FoldModel

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


def trainer_to_bytes(trainer: BaseModelTrainer) -> bytes:
    """Return the content of the file that a fitted trainer saves."""
    with scratch_folder() as scratch:
        file = scratch / f"model{trainer.file_extension}"
        trainer.save(file)
        return file.read_bytes()


def trainer_from_bytes(trainer_class: type[BaseModelTrainer], data: bytes) -> BaseModelTrainer:
    """Return the trainer that a class loads from a file of such content.

    Whether the bytes may be read at all, by their hash or as a pickle, is the caller's to know.

    Raises
    ------
    Exception
        Whatever `BaseModelTrainer.load` raises of a file that it cannot read.
    """
    with scratch_folder() as scratch:
        file = scratch / f"model{trainer_class.file_extension}"
        file.write_bytes(data)
        return trainer_class.load(file)


MANIFEST_NAME = "manifest.json"

OWN_TRAINERS = frozenset(
    {"model2_assets.training:RidgeTrainer", "model2_assets.training:XGBoostTrainer"}
)
"""Trainers that a manifest may name wherever it is read: their files hold no code."""

logger = logging.getLogger(__name__)


def save_fold_models(
    folder: UPath,
    models: Iterable[FoldModel],
    *,
    provenance: Provenance,
    keep: Callable[[Manifest], Collection[str] | None] | None = None,
) -> Manifest:
    """Store the models of one region, horizon and model.

    Parameters
    ----------
    folder : UPath
        Theirs alone; created where missing.
    models : iterable of FoldModel
        One a split; a final model is a single one, of split 0.
    provenance : Provenance
        Where they come from, and of which kind they are.
    keep : callable, optional
        Called with the manifest once the files that it names are stored and before it is
        published. Returns names of model files that must stay, None where that is unknown.

    Returns
    -------
    Manifest
        What ``manifest.json`` now says.

    Raises
    ------
    StoreError
        If there is no model, or a hyper-parameter cannot be written as JSON.
    OSError
        If a file cannot be written; what was stored before stays readable.

    Notes
    -----
    Model files that neither this manifest nor the one before names, nor `keep`, are removed
    at the end: a reader that opened the previous manifest can still follow it.
    """
    ordered = sorted(models, key=lambda model: model.split_id)
    if not ordered:
        raise StoreError(f"{folder}: no fold model to store; train the model first")
    previous = _files_of_previous_manifest(folder)
    manifest = Manifest.of(
        provenance,
        folds=tuple(_store_model(folder, model, provenance.kind) for model in ordered),
        library_versions=_installed_versions(ordered[0].trainer.libraries),
    )
    in_use = set() if keep is None else keep(manifest)
    write_atomically(folder / MANIFEST_NAME, manifest.to_json().encode())
    if previous is not None and in_use is not None:
        _prune(folder, keep={*previous, *in_use, *(fold.file for fold in manifest.folds)})
    return manifest


def open_fold_models(
    folder: UPath,
    *,
    trainers: Collection[str] = (),
    attestation: Attestation | None = None,
) -> "StoredFoldModels":
    """Open stored fold models; model files are read when asked for.

    Parameters
    ----------
    folder : UPath
        Where `save_fold_models` wrote them.
    trainers : collection of str
        Import paths of the trainers of your own that the manifest may name, such as
        ``my_package.models:ElasticNetTrainer``. Naming one is trusting the folder as much as
        code, where its files are pickles.
    attestation : Attestation, optional
        What is recorded of the models outside of the store; see `StoredFoldModels`.

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
        text = path.read_bytes()
    except FileNotFoundError as error:
        raise StoreError(f"{path}: does not exist; train the model first") from error
    return open_kept_models(
        folder, text, origin=str(path), trainers=trainers, attestation=attestation
    )


def open_kept_models(
    folder: UPath,
    manifest: bytes,
    *,
    origin: str,
    trainers: Collection[str] = (),
    attestation: Attestation | None = None,
) -> "StoredFoldModels":
    """Open the fold models that a manifest of a folder names, the present or an earlier one.

    Parameters
    ----------
    folder : UPath
        Where the models lie.
    manifest : bytes
        The manifest, as it was kept.
    origin : str
        What to call it in messages.
    trainers, attestation
        As in `open_fold_models`.

    Returns
    -------
    StoredFoldModels
        The manifest, and the models behind it.

    Raises
    ------
    StoreError
        If it is malformed.
    """
    return StoredFoldModels(
        folder=folder,
        manifest=Manifest.from_json(manifest, origin=origin),
        sha256=hashlib.sha256(manifest).hexdigest(),
        trainers=frozenset(trainers),
        attestation=attestation,
    )


@dataclass(frozen=True)
class StoredFoldModels:
    """Fold models in a store; iterating loads one at a time.

    A manifest names the class that reads the files, and some files are pickles, which run
    code when they are read. So nothing is imported but our own trainers and those that the
    reader names, and where a record outside of the store says which manifest was published,
    no pickle is read through another one. Without a record the hash in the manifest guards
    against damage and mix-ups, not against whoever can replace both files.

    Attributes
    ----------
    folder : UPath
        Where they lie.
    manifest : Manifest
        What is known of them.
    sha256 : str
        Hash of the manifest's bytes.
    trainers : frozenset of str
        Import paths that the manifest may name besides `OWN_TRAINERS`.
    attestation : Attestation or None
        What is recorded of them outside of the store; None where there is no such record.
    """

    folder: UPath
    manifest: Manifest
    sha256: str
    trainers: frozenset[str] = field(default=frozenset())
    attestation: Attestation | None = None

    def __len__(self) -> int:
        return len(self.manifest.folds)

    def __iter__(self) -> Iterator[FoldModel]:
        for fold in self.manifest.folds:
            yield FoldModel(
                split_id=fold.split_id,
                trainer=self.load(fold.split_id),
                n_train=fold.n_train,
                n_test=fold.n_test,
                seconds=fold.seconds,
            )

    def load(self, split_id: int) -> BaseModelTrainer:
        """Read, verify and restore the model of one split.

        Parameters
        ----------
        split_id : int
            The split.

        Returns
        -------
        BaseModelTrainer
            The fitted model.

        Raises
        ------
        StoreError
            If there is no such split, its file is missing, of another size or hash than
            the manifest says, was pickled by another version of a library, or cannot be
            read; if the manifest names a trainer that is neither ours nor among `trainers`;
            or if the file is a pickle and the manifest another one than is recorded. All of
            it is found out before anything is unpickled or parsed.
        """
        fold = next((fold for fold in self.manifest.folds if fold.split_id == split_id), None)
        if fold is None:
            known = ", ".join(str(fold.split_id) for fold in self.manifest.folds)
            raise StoreError(f"{self.folder}: has no fold {split_id}; it has {known}")
        data = self._verified_bytes(fold)
        trainer_class = self._trainer_class()
        self._compare_versions(trainer_class, fold)
        if trainer_class.reads_pickles:
            self._require_record()
        try:
            return trainer_from_bytes(trainer_class, data)
        except Exception as error:
            raise StoreError(
                f"{self.folder / fold.file}: cannot be read as {self.manifest.trainer} "
                f"({error}); retrain the model"
            ) from error

    def verify(self) -> None:
        """Compare every file with the manifest; nothing is unpickled or parsed.

        Raises
        ------
        StoreError
            If a file is missing, or of another size or hash.
        """
        for fold in self.manifest.folds:
            self._verified_bytes(fold)

    def _verified_bytes(self, fold: FoldFile) -> bytes:
        path = self.folder / fold.file
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise StoreError(f"{path}: is missing; retrain the model") from error
        if len(data) != fold.bytes:
            raise StoreError(
                f"{path}: has {len(data)} bytes, the manifest says {fold.bytes}; retrain the model"
            )
        found = hashlib.sha256(data).hexdigest()
        if found != fold.sha256:
            raise StoreError(
                f"{path}: is damaged: sha256 {found[:12]}…, the manifest says "
                f"{fold.sha256[:12]}…; retrain the model"
            )
        return data

    def _require_record(self) -> None:
        """Refuse to unpickle what another manifest vouches for than the recorded one."""
        path = self.folder / MANIFEST_NAME
        recorded = "" if self.attestation is None else self.attestation.manifest_sha256
        if not recorded:
            logger.info(
                "%s: nothing is recorded of it here, so it alone vouches for the pickles of %s",
                path,
                self.manifest.trainer,
            )
        elif recorded != self.sha256:
            raise StoreError(
                f"{path}: has sha256 {self.sha256[:12]}…, Dagster recorded {recorded[:12]}… when "
                f"it was last materialized here, so no pickle is read; materialize "
                f"{_ASSETS[self.manifest.kind]} again"
            )

    @property
    def may_read_pickles(self) -> bool:
        """Whether reading the files may run code from them; so it may, if nobody can tell."""
        if self.manifest.trainer not in OWN_TRAINERS | self.trainers:
            return True
        return self._trainer_class().reads_pickles

    def require_known_trainer(self) -> None:
        """Refuse a manifest that names a trainer that its reader does not.

        Raises
        ------
        StoreError
            Names the trainer; nothing has been imported.
        """
        if self.manifest.trainer not in OWN_TRAINERS | self.trainers:
            raise StoreError(
                f"{self.folder / MANIFEST_NAME}: names the trainer {self.manifest.trainer!r}, "
                f"which the configuration does not, so it is not imported; put it under models, "
                f"in a notebook give it as trainers=[...], or retrain the model"
            )

    def _trainer_class(self) -> type[BaseModelTrainer]:
        self.require_known_trainer()
        key = f"{self.folder / MANIFEST_NAME}: trainer"
        try:
            found = load_object(self.manifest.trainer, key=key)
        except ConfigError as error:
            raise StoreError(str(error)) from error
        if not (isinstance(found, type) and issubclass(found, BaseModelTrainer)):
            raise StoreError(f"{key} {self.manifest.trainer!r} is not a BaseModelTrainer; retrain")
        return found

    def _compare_versions(self, trainer_class: type[BaseModelTrainer], fold: FoldFile) -> None:
        for library, installed in _installed_versions(trainer_class.libraries).items():
            stored = self.manifest.library_versions.get(library, "an unknown version")
            if stored == installed:
                continue
            message = (
                f"{self.folder / fold.file}: was written by {library} {stored}, and {installed} "
                f"is installed"
            )
            if trainer_class.is_version_bound:
                raise StoreError(
                    f"{message}; pickles hold between equal versions only: retrain the model, "
                    f"or install {library}=={stored}"
                )
            logger.warning("%s; retrain the model if predictions differ", message)


_ASSETS: dict[ModelKind, str] = {"fold_models": "fitted_models", "final_model": "final_models"}


def _store_model(folder: UPath, model: FoldModel, kind: ModelKind) -> FoldFile:
    extension = model.trainer.file_extension
    data = trainer_to_bytes(model.trainer)
    sha256 = hashlib.sha256(data).hexdigest()
    name = f"{file_stem(kind, model.split_id)}-{sha256[:12]}{extension}"
    write_atomically(folder / name, data)
    return FoldFile(
        split_id=model.split_id,
        file=name,
        sha256=sha256,
        bytes=len(data),
        digest=model.trainer.digest(),
        n_train=model.n_train,
        n_test=model.n_test,
        seconds=model.seconds,
        chosen_params=dict(model.trainer.chosen_params()),
    )


def _installed_versions(libraries: Iterable[str]) -> dict[str, str]:
    versions = {}
    for library in libraries:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            versions[library] = "no version"
    return versions


def _files_of_previous_manifest(folder: UPath) -> set[str] | None:
    """Return the files that the present manifest names; None where it cannot be read."""
    if not (folder / MANIFEST_NAME).exists():
        return set()
    try:
        return {fold.file for fold in open_fold_models(folder).manifest.folds}
    except StoreError as error:
        logger.warning("%s; it is replaced, and no old model file is removed", error)
        return None


def _prune(folder: UPath, *, keep: set[str]) -> None:
    """Remove unnamed model files; the store is complete without, so failing is no error."""
    for path in list(folder.iterdir()):
        if re.fullmatch(FOLD_FILE_PATTERN, path.name) and path.name not in keep:
            try:
                path.unlink()
            except OSError as error:
                logger.warning("%s: cannot be removed (%s)", path, error)
