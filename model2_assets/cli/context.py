"""What a command works on: configuration, chosen partitions, Dagster instance; refusals."""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import click
import dagster as dg

from model2_assets.config import Model2Config, load_config
from model2_assets.config.load import load_object
from model2_assets.config.partition import Partition
from model2_assets.defs.maintenance import close_dead_runs
from model2_assets.defs.retrain import one_line
from model2_assets.errors import ConfigError, lack_of_memory, without_secrets
from model2_assets.logging import setup_logging
from model2_assets.storage import repository_root

HOME_VARIABLE = "DAGSTER_HOME"

_AFTER = "results on disk are whole, and the next retrain closes what this one left open"


def read_config() -> Model2Config:
    """Read the configuration, and set up the log as it says."""
    config = load_config()
    setup_logging(config.logging.level, config.logging.format)
    return config


def validate_imports(config: Model2Config) -> None:
    """Refuse models, builders and splitters that cannot be imported or take no such settings."""
    from model2_assets.training import ModelRegistry

    for name, region in config.regions.items():
        ModelRegistry.from_config(config, name).validate(region.labels.horizon_keys)
        for key, path in (
            ("labels.builder", region.labels.builder),
            ("features.builder", region.features.builder),
            ("cross_validation.splitter", region.cross_validation.splitter),
        ):
            if path is not None:
                load_object(path, key=f"regions.{name}.{key}")


class Choice(NamedTuple):
    """The region, horizon and model that options name; None: all that there are."""

    region: str | None = None
    horizon: str | None = None
    model: str | None = None

    def regions(self, config: Model2Config) -> list[str]:
        """Return the names of the chosen regions."""
        return _chosen(self.region, config.regions, "region")

    def horizons(self, config: Model2Config, region: str) -> list[str]:
        """Return the chosen horizons of a region."""
        return _chosen(self.horizon, config.region(region).labels.horizon_keys, "horizon")

    def models(self, config: Model2Config, region: str) -> list[str]:
        """Return the chosen models of a region."""
        return _chosen(self.model, config.models_of(region), "model")

    def partitions(self, config: Model2Config, region: str) -> list[Partition]:
        """Return the chosen partitions of a region."""
        models = self.models(config, region)
        return [Partition(h, m) for h in self.horizons(config, region) for m in models]


def _chosen(value: str | None, known: Iterable[str], what: str) -> list[str]:
    known = list(known)
    if value is None:
        return known
    if value not in known:
        raise ConfigError(f"unknown {what} {value!r}; known: {', '.join(known)}")
    return [value]


def choice_options(verb: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add ``--region``, ``--horizon`` and ``--model`` to a command, which gets a `Choice`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @click.option("--region", help=f"{verb} this region only.")
        @click.option("--horizon", help=f"{verb} this horizon only, such as 21d.")
        @click.option("--model", help=f"{verb} this model only, such as ridge.")
        @wraps(command)
        def with_choice(
            region: str | None, horizon: str | None, model: str | None, **options: Any
        ) -> None:
            command(Choice(region, horizon, model), **options)

        return with_choice

    return decorate


def dagster_home() -> Path:
    """Return the folder of the Dagster instance, and make Dagster use it."""
    home = Path(os.environ.get(HOME_VARIABLE) or repository_root() or Path.cwd() / ".dagster")
    home = home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    os.environ[HOME_VARIABLE] = str(home)
    return home


@contextmanager
def open_instance() -> Iterator[dg.DagsterInstance]:
    """Open the Dagster instance of the home; a ``dagster.yaml`` that is wrong is a ConfigError."""
    settings = dagster_home() / "dagster.yaml"
    try:
        instance = dg.DagsterInstance.get()
    except Exception as error:
        if refusal(error):
            raise
        # What Dagster says of the first of its settings that is wrong.
        reasons = getattr(error, "errors", None)
        text, *_ = str(reasons[0].message if reasons else error).partition("Stack Trace:")
        raise ConfigError(
            f"{settings}: {without_secrets(one_line(text)).rstrip('.')}; correct the file, or set "
            f"what it names"
        ) from error
    with instance:
        yield instance


def end_dead_runs(instance: dg.DagsterInstance) -> None:
    """Mark runs as failed whose process was killed, so that they hold no slot of the queue."""
    closed = close_dead_runs(instance)
    if closed:
        click.echo(f"closed {closed} runs whose process was killed", err=True)


def refusal(error: BaseException | None) -> str | None:
    """Return one sentence where memory, the disk or a database gave up, and None elsewhere.

    What the error came from is looked at as well.
    """
    if lack_of_memory(error) is not None:
        return f"out of memory; give the process more, then run again: {_AFTER}"
    while error is not None:
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            return f"the system refuses: {error}; mend the cause, then run again: {_AFTER}"
        if type(error).__name__ == "OperationalError":
            reason, home = getattr(error, "orig", error), os.environ.get(HOME_VARIABLE)
            remedy = (
                f"it needs space, memory and the right to write {home}"
                if isinstance(reason, sqlite3.Error)
                else f"the server that dagster.yaml in {home} names has to run, and to let its "
                f"user in"
            )
            return (
                f"Dagster's database cannot be used: {one_line(str(reason))}; {remedy}, then run "
                f"again: {_AFTER}"
            )
        error = error.__cause__
    return None
