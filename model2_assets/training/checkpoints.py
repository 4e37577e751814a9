"""Finished fold models of a step that is not done: what an interrupted run leaves to the next.

They lie as stored models do, under content-hashed names. What a manifest says of a model stands
in a document of its own, named by a digest of everything that the fit depends on.
"""

import hashlib
import logging
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from upath import UPath

from model2_assets.storage.files import write_atomically
from model2_assets.storage.models import ModelFile, read_model
from model2_assets.storage.record import checked_json, document_digest, read_checked_json
from model2_assets.training.base_models import BaseModelTrainer, FoldModel
from model2_assets.training.data import TrainingData, hash_row_order
from model2_assets.training.model_registry import code_state
from model2_assets.training.models import fold_model, model_file
from model2_assets.training.resources import blas_kernel
from model2_assets.training.task import Tables, Task

logger = logging.getLogger(__name__)

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

    def of_fits(self, task: Task, tables: Tables, data: TrainingData) -> "KeptFolds | None":
        """Return those of the fits of a task on the splits of `data`, which `tables` gave.

        None where nothing may be kept, which the log explains: the trainer's files are pickles,
        there is no folder, or its code cannot be read.
        """
        trainer = type(task.unfitted)
        code = code_state(trainer)
        if self.root is None:
            reason = "there is no local working folder; set execution.working_dir"
        elif trainer.reads_pickles and task.search is None:
            reason = (
                f"{trainer.__name__} is stored as a pickle, and none is read that no manifest "
                f"vouches for"
            )
        elif code is None:
            reason = f"the source of {trainer.__name__} cannot be read"
        else:
            identity = {
                "data_versions": dict(tables.versions),
                "horizon": task.partition.horizon,
                "rows": hash_row_order(data.index),
                # All splits together: what Ridge adds up in one block, and so its last bits,
                # depends on the roles of all of them.
                "roles": hashlib.sha256(data.roles.data).hexdigest(),
                "feature_names": data.feature_names,
                **task.settings,
                "execution_lag_days": task.execution_lag_days,
                "embargo_days": task.embargo_days,
                "code_version": self.code_version,
                "code": code,  # that of this file, and so its format, included
                "blas_kernel": blas_kernel(),
            }
            return KeptFolds(self.root.joinpath(*self.partition), trainer, identity)
        logger.info("finished folds are not kept for a run after this one: %s", reason)
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
    """Checkpoints of the fits of one step: their folder, and what all of the fits depend on."""

    folder: Path
    trainer_class: type[BaseModelTrainer]
    identity: Mapping[str, Any]
    _has_warned: bool = False

    def read(self, n_splits: int) -> list[FoldModel]:
        """Return the finished models of all splits, but for damaged ones, which go."""
        models: list[FoldModel] = []
        for split_id in () if self.trainer_class.reads_pickles else range(n_splits):
            path = self._document(split_id)
            try:
                models.append(self._restore(path, split_id))
            except OSError:  # mostly: there is none
                continue
            except Exception as error:  # all that a foreign or damaged file can lead to
                logger.warning(
                    "%s: cannot be reused (%s); it is removed, and split %d fitted again",
                    path,
                    error,
                    split_id,
                )
                with suppress(OSError):
                    path.unlink()
                continue
            logger.info(
                "%s split %d reused: an interrupted run fitted it at %s in %.1f s on %d rows; "
                "%d of %d done",
                self.trainer_class.__name__,
                split_id,
                f"{models[-1].fitted_at:%Y-%m-%d %H:%M:%S} UTC",
                models[-1].seconds,
                models[-1].n_train,
                len(models),
                n_splits,
            )
        return models

    def keep(self, model: FoldModel) -> None:
        """Write a model that has just been fitted; where that fails, warn once and go on."""
        if self.trainer_class.reads_pickles:
            return
        path = self._document(model.split_id)
        try:
            file, data = model_file(model)
            write_atomically(UPath(self.folder / file.file), data)
            text = checked_json({"key": path.stem, "model": asdict(file)})
            write_atomically(UPath(path), text.encode())
        except Exception as error:  # no copy is worth a result
            if not self._has_warned:
                logger.warning("%s: a finished fold cannot be kept (%s); going on", path, error)
            self._has_warned = True

    def _restore(self, path: Path, split_id: int) -> FoldModel:
        """Restore a model, equal to the bit; what is read is verified before it is parsed."""
        fitted_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        document = read_checked_json(path.read_bytes())
        if document.get("key") != path.stem:
            raise ValueError(f"holds the model of another key, {document.get('key')}")
        file = _MODEL_FILE.validate_python(document.get("model"))
        data = read_model(UPath(self.folder), file, remedy="")
        model = fold_model(file, self.trainer_class.from_bytes(data))
        if (split_id, model.digest()) != (file.split_id, file.digest):
            raise ValueError("its model is not the one that was fitted")
        return replace(model, fitted_at=fitted_at)

    def study(self, split_id: int) -> Path:
        """Return the file of the finished trials of a split's search, which holds no code."""
        return self._document(split_id).with_suffix(".study")

    def _document(self, split_id: int) -> Path:
        key = document_digest({**self.identity, "split_id": split_id})
        return self.folder / f"{key}.json"
