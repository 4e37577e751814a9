"""Fits that are interrupted once some folds are kept, and what they leave."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from unittest import mock

from model2_assets.config import ExecutionConfig
from model2_assets.training import fit_models
from model2_assets.training.checkpoints import KeptFolds
from model2_assets_tests.training.stored_tables import stored_tables, task

PARTITION = ("fitted_models", "21d", "ridge")
TABLES = stored_tables()


class Interruption(BaseException):
    """Stands for whatever ends a run in the middle."""


@contextmanager
def interrupted_after(n_folds: int) -> Iterator[None]:
    """Interrupt the fits of the block once `n_folds` of them are kept."""
    keep, kept = KeptFolds.keep, []

    def keep_some(self, model):
        keep(self, model)
        kept.append(model)
        if len(kept) == n_folds:
            raise Interruption

    # Dagster takes note of an interruption, and lets the caller go on.
    with mock.patch.object(KeptFolds, "keep", keep_some), suppress(Interruption):
        yield
    assert len(kept) == n_folds


def fit(folder, model="ridge", *, tables=TABLES, n_jobs=1, **settings):
    execution = ExecutionConfig(n_jobs=n_jobs)
    return fit_models(task(model, **settings), tables, execution, checkpoints=folder)


def interrupt(folder, *arguments, after=2, **settings):
    with interrupted_after(after):
        fit(folder, *arguments, **settings)


def files_of(folder):
    """Return the documents of all checkpoints; each names a model file beside it."""
    return sorted(folder.root.rglob("*.json"))


def model_of(document):
    """Return the model file of a checkpoint's document."""
    return document.with_name(json.loads(document.read_bytes())["model"]["file"])


def digests(fitted):
    return [model.trainer.digest() for model in fitted.models]
