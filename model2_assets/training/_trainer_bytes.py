"""A fitted trainer as the bytes of the file that it saves, and back."""

from model2_assets.files import scratch_folder
from model2_assets.training._trainer import BaseModelTrainer


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
