"""Fitted models on disk or in an object store: written atomically, verified when read.

A folder cannot be replaced in one step. So a model file's name carries its content hash,
``manifest.json`` is replaced last, and readers follow nothing but the manifest: whoever
reads, and wherever a writer is killed, sees the whole old set or the whole new one.
"""

import hashlib
import logging
import re
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from upath import UPath

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
from model2_assets.training.base_models import BaseModelTrainer, FoldModel

MANIFEST_NAME = "manifest.json"

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


def open_fold_models(folder: UPath) -> "StoredFoldModels":
    """Open stored fold models; model files are read when asked for.

    Parameters
    ----------
    folder : UPath
        Where `save_fold_models` wrote them.

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
    return StoredFoldModels(folder=folder, manifest=Manifest.from_json(text, origin=str(path)))


def open_kept_models(folder: UPath, manifest: bytes, *, origin: str) -> "StoredFoldModels":
    """Open the fold models that an earlier manifest of a folder names.

    Parameters
    ----------
    folder : UPath
        Where the models lie.
    manifest : bytes
        The manifest, as it was kept.
    origin : str
        What to call it in messages.

    Returns
    -------
    StoredFoldModels
        The manifest, and the models behind it.

    Raises
    ------
    StoreError
        If it is malformed.
    """
    return StoredFoldModels(folder=folder, manifest=Manifest.from_json(manifest, origin=origin))


@dataclass(frozen=True)
class StoredFoldModels:
    """Fold models in a store; iterating loads one at a time.

    The folder deserves the same trust as the code itself: its manifest names the class
    that reads the files, and a pickle runs code. The hash guards against damage and
    mix-ups, not against whoever can replace both.

    Attributes
    ----------
    folder : UPath
        Where they lie.
    manifest : Manifest
        What is known of them.
    """

    folder: UPath
    manifest: Manifest

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
            read. Size and hash are verified before anything is unpickled or parsed.
        """
        fold = next((fold for fold in self.manifest.folds if fold.split_id == split_id), None)
        if fold is None:
            known = ", ".join(str(fold.split_id) for fold in self.manifest.folds)
            raise StoreError(f"{self.folder}: has no fold {split_id}; it has {known}")
        data = self._verified_bytes(fold)
        trainer_class = self._trainer_class()
        self._compare_versions(trainer_class, fold)
        try:
            with tempfile.TemporaryDirectory(prefix="model2-") as scratch:
                copy = Path(scratch, fold.file)
                copy.write_bytes(data)
                return trainer_class.load(copy)
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

    def _trainer_class(self) -> type[BaseModelTrainer]:
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


def _store_model(folder: UPath, model: FoldModel, kind: ModelKind) -> FoldFile:
    extension = model.trainer.file_extension
    with tempfile.TemporaryDirectory(prefix="model2-") as scratch:
        file = Path(scratch, f"model{extension}")
        model.trainer.save(file)
        data = file.read_bytes()
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
