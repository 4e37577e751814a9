"""A finished fold model as one file that carries its own hash."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from model2_assets.errors import StoreError
from model2_assets.training._fold_fit import FoldModel
from model2_assets.training._trainer import BaseModelTrainer
from model2_assets.training._trainer_bytes import trainer_from_bytes, trainer_to_bytes

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
    content += trainer_to_bytes(model.trainer)
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
        return trainer_from_bytes(trainer_class, saved)
    except Exception as error:
        raise StoreError(
            f"{origin}: cannot be read as {trainer_class.__name__} ({error})"
        ) from error
