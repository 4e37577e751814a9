"""Finished fold models of a step that is not done: what an interrupted run leaves to the next."""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from upath import UPath

from model2_assets.errors import StoreError
from model2_assets.storage.files import write_atomically
from model2_assets.storage.record import document_digest
from model2_assets.training.base_models import BaseModelTrainer, FoldModel
from model2_assets.training.model_registry import code_state
from model2_assets.training.resources import blas_kernel

SUFFIX = ".fold"

_HASH_BYTES = 64


@dataclass(frozen=True)
class _Header:
    """What stands before the model: its key, and what `FoldModel` says besides the trainer."""

    key: str
    split_id: int
    n_train: int
    n_test: int
    seconds: float
    fitted_at: str
    digest: str


def encode_checkpoint(model: FoldModel, *, key: str) -> bytes:
    """Return a file that holds a fitted fold model.

    Parameters
    ----------
    model : FoldModel
        The model.
    key : str
        Digest of everything that it depends on.

    Returns
    -------
    bytes
        A SHA-256 of all that follows, a line of JSON, and what the trainer saves.
    """
    header = _Header(
        key=key,
        split_id=model.split_id,
        n_train=model.n_train,
        n_test=model.n_test,
        seconds=model.seconds,
        fitted_at=(model.fitted_at or datetime.now(UTC)).isoformat(timespec="seconds"),
        digest=model.trainer.digest(),
    )
    content = json.dumps(asdict(header), sort_keys=True).encode() + b"\n"
    content += model.trainer.to_bytes()
    return hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def decode_checkpoint(
    data: bytes, trainer_class: type[BaseModelTrainer], *, key: str, origin: str
) -> FoldModel:
    """Restore a fold model; its hash is verified before anything is parsed.

    Parameters
    ----------
    data : bytes
        What `encode_checkpoint` returned.
    trainer_class : type
        Class of the trainer; one that reads pickles is never handed here.
    key : str
        Digest of everything that the model has to depend on.
    origin : str
        What to call the file in messages.

    Returns
    -------
    FoldModel
        Equal to the bit to the one that was encoded, with the time at which it was fitted.

    Raises
    ------
    StoreError
        If the file is damaged, belongs to another key, or does not hold such a model.
    """
    stated, content = data[:_HASH_BYTES], data[_HASH_BYTES + 1 :]
    found = hashlib.sha256(content).hexdigest()
    if stated != found.encode():
        raise StoreError(f"{origin}: is damaged: sha256 {found[:12]}… is not the one it states")
    line, _, saved = content.partition(b"\n")
    try:
        header = _Header(**json.loads(line))
    except (TypeError, ValueError) as error:
        raise StoreError(f"{origin}: is not a fold model of this version") from error
    if header.key != key:
        raise StoreError(f"{origin}: holds the model of another key, {header.key[:12]}…")
    trainer = _restore(saved, trainer_class, origin)
    if trainer.digest() != header.digest:
        raise StoreError(f"{origin}: its model is not the one that was fitted")
    return FoldModel(
        split_id=header.split_id,
        trainer=trainer,
        n_train=header.n_train,
        n_test=header.n_test,
        seconds=header.seconds,
        fitted_at=datetime.fromisoformat(header.fitted_at),
    )


def _restore(saved: bytes, trainer_class: type[BaseModelTrainer], origin: str) -> BaseModelTrainer:
    try:
        return trainer_class.from_bytes(saved)
    except Exception as error:
        raise StoreError(
            f"{origin}: cannot be read as {trainer_class.__name__} ({error})"
        ) from error


logger = logging.getLogger(__name__)

_FORMAT = 1
"""Version of the files, and of what their keys digest."""

_FORGOTTEN_AFTER_S = 7 * 86_400
"""Age in seconds at which the checkpoints of other partitions go, too."""


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
            pickles, there is no folder, or its source cannot be read.
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
        for path in list(self.root.rglob(f"*{SUFFIX}")):
            with suppress(OSError):
                if path.stat().st_mtime < forgotten:
                    path.unlink()


class KeptFolds:
    """Checkpoints of the fits of one step: one file a fold, named by what determines it.

    Parameters
    ----------
    folder : Path
        Where they are; made when it is first needed.
    trainer_class : type
        What is fitted.
    identity : mapping
        Everything that all of the fits depend on.
    """

    def __init__(
        self, folder: Path, trainer_class: type[BaseModelTrainer], identity: Mapping[str, Any]
    ) -> None:
        self._folder = folder
        self._trainer_class = trainer_class
        self._identity = dict(identity)
        self._has_warned = False

    def read(self, n_splits: int) -> tuple[FoldModel, ...]:
        """Return the finished models of all splits; each is told in the log.

        A damaged one is named, removed, and left out.
        """
        found = (self._read(split_id) for split_id in range(n_splits))
        models = tuple(model for model in found if model is not None)
        for number, model in enumerate(models, start=1):
            logger.info(
                "%s fold %d reused: an interrupted run fitted it at %s in %.1f s on %d rows; "
                "%d of %d done",
                self._trainer_class.__name__,
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
        path = self._path(model.split_id)
        try:
            data = encode_checkpoint(model, key=self._key(model.split_id))
            write_atomically(UPath(path), data)
        except Exception as error:  # no copy is worth a result
            if not self._has_warned:
                logger.warning("%s: a finished fold cannot be kept (%s); going on", path, error)
            self._has_warned = True

    def _read(self, split_id: int) -> FoldModel | None:
        path = self._path(split_id)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        try:
            return decode_checkpoint(
                data, self._trainer_class, key=self._key(split_id), origin=str(path)
            )
        except StoreError as error:
            logger.warning("%s; it is removed, and fold %d fitted again", error, split_id)
            with suppress(OSError):
                path.unlink()
            return None

    def _path(self, split_id: int) -> Path:
        return self._folder / f"{self._key(split_id)}{SUFFIX}"

    def _key(self, split_id: int) -> str:
        return document_digest({**self._identity, "split_id": split_id})
