"""Fitted models on disk or in an object store: written atomically, verified when read.

A folder cannot be replaced in one step. So a model file's name carries its content hash,
``manifest.json`` is replaced last, and readers follow nothing but the manifest: whoever
reads, and wherever a writer is killed, sees the whole old set or the whole new one.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata

from upath import UPath

from model2_assets.attestation import Attestation
from model2_assets.errors import ConfigError, StoreError
from model2_assets.files import write_atomically
from model2_assets.import_path import load_object
from model2_assets.training._manifest import (
    FOLD_FILE_PATTERN,
    FoldFile,
    Manifest,
    ModelKind,
    Provenance,
    file_stem,
)
from model2_assets.training._trainer_bytes import trainer_from_bytes, trainer_to_bytes
from model2_assets.training.base_models import BaseModelTrainer, FoldModel

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
