"""Trainers from stored bytes and back, and who may turn which bytes into one.

A manifest names the class that reads the files, and some files are pickles, which run code
when they are read. So nothing is imported but our own trainers and those that the reader names,
and where Dagster recorded which manifest was published, no pickle is read through another one.
Without such a record the hash in the manifest guards against damage and mix-ups, not against
whoever can replace both files.
"""

import logging
from collections.abc import Iterable, Iterator
from importlib import metadata

from model2_assets.config.load import load_object
from model2_assets.errors import ConfigError, StoreError
from model2_assets.storage.models import (
    MANIFEST_NAME,
    ModelFile,
    ModelKind,
    StoredFoldModels,
    model_file_of,
)
from model2_assets.training.base_models import BaseModelTrainer, FoldModel

OWN_TRAINERS = frozenset(
    {"model2_assets.training:RidgeTrainer", "model2_assets.training:XGBoostTrainer"}
)
"""Trainers that a manifest may name wherever it is read: their files hold no code."""

logger = logging.getLogger(__name__)


def model_file(model: FoldModel, kind: ModelKind = "fold_models") -> tuple[ModelFile, bytes]:
    """Return a fitted model as the store takes it."""
    data = model.trainer.to_bytes()
    file = model_file_of(
        data,
        model.trainer.file_extension,
        kind,
        split_id=model.split_id,
        digest=model.digest(),
        n_train=model.n_train,
        n_test=model.n_test,
        seconds=model.seconds,
        chosen_params=dict(model.chosen_params),
        calibration=model.calibration,
        search=model.search,
    )
    return file, data


def installed_versions(libraries: Iterable[str]) -> dict[str, str]:
    """Return the installed version of every distribution."""
    versions = {}
    for library in libraries:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            versions[library] = "no version"
    return versions


def load_model(stored: StoredFoldModels, split_id: int) -> FoldModel:
    """Read, verify and restore the model of one split.

    Parameters
    ----------
    stored : StoredFoldModels
        Where it is, as `Store.open_models` returns it.
    split_id : int
        The split; 0 for a final model.

    Returns
    -------
    FoldModel
        Its ``predict`` is calibrated as the model is; its ``trainer`` is as it was fitted.

    Raises
    ------
    StoreError
        If there is no such split, its file is missing, of another size or hash than the
        manifest says, was pickled by another version of a library, or cannot be read; if the
        manifest names a trainer that is neither ours nor among ``stored.trainers``; or if the
        file is a pickle and the manifest another one than Dagster recorded. All of it is found
        out before anything is unpickled or parsed.
    """
    data, file = stored.read(split_id), stored.file_of(split_id)
    trainer_class = _trainer_class(stored)
    _compare_versions(stored, trainer_class, file)
    if trainer_class.reads_pickles:
        _require_recorded_manifest(stored)
    try:
        trainer = trainer_class.from_bytes(data)
    except Exception as error:
        raise StoreError(
            f"{stored.folder / file.file}: cannot be read as {stored.manifest.trainer} ({error}); "
            f"retrain the model"
        ) from error
    return fold_model(file, trainer)


def fold_model(file: ModelFile, trainer: BaseModelTrainer) -> FoldModel:
    """Bring a restored trainer together with what is stated of it."""
    return FoldModel(
        split_id=file.split_id,
        trainer=trainer,
        n_train=file.n_train,
        n_test=file.n_test,
        seconds=file.seconds,
        calibration=file.calibration,
        chosen_params=file.chosen_params,
        search=file.search,
    )


def load_models(stored: StoredFoldModels) -> Iterator[FoldModel]:
    """Yield the models of all splits; each is restored when it is asked for, see `load_model`."""
    return (load_model(stored, fold.split_id) for fold in stored.manifest.folds)


def may_read_pickles(stored: StoredFoldModels) -> bool:
    """Tell whether reading the files may run code from them; so it may, if nobody can tell."""
    try:
        return _trainer_class(stored).reads_pickles
    except StoreError:
        return True


def import_trainer(path: str, *, key: str) -> type[BaseModelTrainer]:
    """Import the trainer class that a configuration key names; else ConfigError."""
    found = load_object(path, key=key)
    if not (isinstance(found, type) and issubclass(found, BaseModelTrainer)):
        raise ConfigError(
            f"{key}: {path!r} is not a class derived from "
            f"model2_assets.training:BaseModelTrainer; derive it"
        )
    return found


def _trainer_class(stored: StoredFoldModels) -> type[BaseModelTrainer]:
    """Import the trainer that a manifest names, but nothing that its reader does not name."""
    path, trainer = stored.folder / MANIFEST_NAME, stored.manifest.trainer
    if trainer not in OWN_TRAINERS | stored.trainers:
        raise StoreError(
            f"{path}: names the trainer {trainer!r}, which the configuration does not, so it is "
            f"not imported; put it under models, in a notebook give it as trainers=[...], or "
            f"retrain the model"
        )
    try:
        return import_trainer(trainer, key=f"{path}: trainer")
    except ConfigError as error:
        raise StoreError(f"{error}, or retrain the model") from error


def _compare_versions(
    stored: StoredFoldModels, trainer_class: type[BaseModelTrainer], fold: ModelFile
) -> None:
    for library, installed in installed_versions(trainer_class.libraries).items():
        wrote = stored.manifest.library_versions.get(library, "an unknown version")
        if wrote == installed:
            continue
        message = (
            f"{stored.folder / fold.file}: was written by {library} {wrote}, and {installed} is "
            f"installed"
        )
        if trainer_class.reads_pickles:
            raise StoreError(
                f"{message}; pickles hold between equal versions only: retrain the model, "
                f"or install {library}=={wrote}"
            )
        logger.warning("%s; retrain the model if predictions differ", message)


_ASSETS: dict[ModelKind, str] = {"fold_models": "fitted_models", "final_model": "final_models"}


def _require_recorded_manifest(stored: StoredFoldModels) -> None:
    """Refuse to unpickle what another manifest vouches for than the recorded one."""
    path, recorded = stored.folder / MANIFEST_NAME, stored.recorded_sha256
    if not recorded:
        logger.info(
            "%s: nothing is recorded of it here, so it alone vouches for the pickles of %s",
            path,
            stored.manifest.trainer,
        )
    elif recorded != stored.sha256:
        raise StoreError(
            f"{path}: has sha256 {stored.sha256[:12]}…, Dagster recorded {recorded[:12]}… when "
            f"it was last materialized here, so no pickle is read; materialize "
            f"{_ASSETS[stored.manifest.kind]} again"
        )
