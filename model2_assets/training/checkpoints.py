"""Finished fold models of a step that is not done: what an interrupted run leaves to the next.

They lie as stored models do, under content-hashed names. What a manifest says of a model stands
in a document of its own, named by a digest of everything that the fit depends on.
"""

import logging
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from upath import UPath

from model2_assets.errors import StoreError
from model2_assets.storage.files import write_atomically
from model2_assets.storage.models import ModelFile, read_model
from model2_assets.storage.record import checked_json, document_digest, read_checked_json
from model2_assets.training.base_models import BaseModelTrainer, FoldModel
from model2_assets.training.model_registry import code_state
from model2_assets.training.models import model_file
from model2_assets.training.resources import blas_kernel

logger = logging.getLogger(__name__)

_FORMAT = 2
"""Version of the files, and of what their keys digest."""

_FORGOTTEN_AFTER_S = 7 * 86_400
"""Age in seconds at which the checkpoints of other partitions go, too."""

_MODEL_FILE = TypeAdapter(ModelFile)


@dataclass(frozen=True)
class FoldCheckpoints:
    """Where the finished folds of one partition of an asset stay until all are done.

    Attributes
    ----------
    root : Path or None
        Local folder of a region's checkpoints; None keeps nothing.
    partition : tuple of str
        Folders below it, such as ``("fitted_models", "21d", "xgboost")``.
    code_version : str
        Version of the code that the caller runs, as far as it knows.
    """

    root: Path | None
    partition: tuple[str, ...]
    code_version: str = ""

    def of_fits(
        self, determined_by: Mapping[str, Any], trainer_class: type[BaseModelTrainer]
    ) -> "KeptFolds | None":
        """Return the checkpoints of fits that data and settings determine.

        Parameters
        ----------
        determined_by : mapping
            All data versions, settings and positions of rows that the fits depend on; JSON-able.
        trainer_class : type
            What is fitted. Its code, libraries and linear algebra kernel are added here.

        Returns
        -------
        KeptFolds or None
            None where nothing may be kept, which the log explains: the trainer's files are
            pickles, there is no folder, or its code cannot be read.
        """
        reason = self._reason_to_keep_nothing(trainer_class)
        if reason is not None:
            logger.info("finished folds are not kept for a run after this one: %s", reason)
            return None
        assert self.root is not None
        identity = {
            "format": _FORMAT,
            "determined_by": dict(determined_by),
            "code_version": self.code_version,
            "code": code_state(trainer_class),
            "blas_kernel": blas_kernel(),
        }
        return KeptFolds(self.root.joinpath(*self.partition), trainer_class, identity)

    def _reason_to_keep_nothing(self, trainer_class: type[BaseModelTrainer]) -> str | None:
        name = trainer_class.__name__
        if self.root is None:
            return "there is no local working folder; set execution.working_dir"
        if trainer_class.reads_pickles:
            return f"{name} is stored as a pickle, and none is read that no manifest vouches for"
        if code_state(trainer_class) is None:
            return f"the source of {name} cannot be read"
        return None

    @contextmanager
    def until_published(self) -> Iterator[None]:
        """Remove the checkpoints once the block is done, or has refused their result.

        Where the block is left as a generator that nobody asks on (its result could not be
        written), or by an interrupt, they stay.
        """
        try:
            yield
        except Exception:
            self.discard()
            raise
        self.discard()

    def discard(self) -> None:
        """Remove all checkpoints of the partition, whatever their key, and forgotten ones."""
        if self.root is None:
            return
        shutil.rmtree(self.root.joinpath(*self.partition), ignore_errors=True)
        forgotten = time.time() - _FORGOTTEN_AFTER_S
        for path in list(self.root.rglob("*")):
            with suppress(OSError):
                if path.is_file() and path.stat().st_mtime < forgotten:
                    path.unlink()


@dataclass
class KeptFolds:
    """Checkpoints of the fits of one step.

    Attributes
    ----------
    folder : Path
        Where they are; made when it is first needed.
    trainer_class : type
        What is fitted.
    identity : mapping
        Everything that all of the fits depend on.
    """

    folder: Path
    trainer_class: type[BaseModelTrainer]
    identity: Mapping[str, Any]
    _has_warned: bool = False

    def read(self, n_splits: int) -> tuple[FoldModel, ...]:
        """Return the finished models of all splits; each is told in the log.

        A damaged one is named, removed, and left out.
        """
        found = (self._read(split_id) for split_id in range(n_splits))
        models = tuple(model for model in found if model is not None)
        for number, model in enumerate(models, start=1):
            logger.info(
                "%s split %d reused: an interrupted run fitted it at %s in %.1f s on %d rows; "
                "%d of %d done",
                self.trainer_class.__name__,
                model.split_id,
                f"{model.fitted_at:%Y-%m-%d %H:%M:%S} UTC",
                model.seconds,
                model.n_train,
                number,
                n_splits,
            )
        return models

    def keep(self, model: FoldModel) -> None:
        """Write a model that has just been fitted; where that fails, warn once and go on."""
        key = self._key(model.split_id)
        path = self.folder / f"{key}.json"
        try:
            file, data = model_file(model)
            write_atomically(UPath(self.folder / file.file), data)
            text = checked_json({"key": key, "model": asdict(file)})
            write_atomically(UPath(path), text.encode())
        except Exception as error:  # no copy is worth a result
            if not self._has_warned:
                logger.warning("%s: a finished fold cannot be kept (%s); going on", path, error)
            self._has_warned = True

    def _read(self, split_id: int) -> FoldModel | None:
        path = self.folder / f"{self._key(split_id)}.json"
        try:
            return self._decode(path, split_id)
        except OSError:
            return None
        except StoreError as error:
            logger.warning("%s; it is removed, and split %d fitted again", error, split_id)
            with suppress(OSError):
                path.unlink()
            return None

    def _decode(self, path: Path, split_id: int) -> FoldModel:
        """Restore a model, equal to the bit; what is read is verified before it is parsed."""
        fitted_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        try:
            document = read_checked_json(path.read_bytes())
            if document["key"] != self._key(split_id):
                raise ValueError(f"holds the model of another key, {document['key'][:12]}…")
            file = _MODEL_FILE.validate_python(document["model"])
        except (KeyError, TypeError, ValidationError) as error:
            raise StoreError(f"{path}: is not a fold model of this version") from error
        except ValueError as error:
            raise StoreError(f"{path}: {error}") from error
        data = read_model(UPath(self.folder), file, remedy="")
        try:
            trainer = self.trainer_class.from_bytes(data)
        except Exception as error:
            name = self.trainer_class.__name__
            raise StoreError(f"{path}: cannot be read as {name} ({error})") from error
        if trainer.digest() != file.digest:
            raise StoreError(f"{path}: its model is not the one that was fitted")
        return FoldModel(
            split_id=split_id,
            trainer=trainer,
            n_train=file.n_train,
            n_test=file.n_test,
            seconds=file.seconds,
            fitted_at=fitted_at,
        )

    def _key(self, split_id: int) -> str:
        return document_digest({**self.identity, "split_id": split_id})
