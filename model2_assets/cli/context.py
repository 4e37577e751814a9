"""What a command works on: configuration, chosen partitions, Dagster instance; refusals."""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from model2_assets.config import Model2Config, Partition, load_config
from model2_assets.config.load import load_object
from model2_assets.defs.stop import before_end
from model2_assets.errors import ConfigError, lack_of_memory, one_line, without_secrets
from model2_assets.logging import setup_logging
from model2_assets.storage import HOME_VARIABLE, instance_home, repository_root

if TYPE_CHECKING:
    import dagster as dg

_AFTER = (
    "then run again: results on disk are whole, and the next retrain closes what this one left open"
)


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


def chosen_regions(config: Model2Config, region: str | None) -> list[str]:
    """Return the region that an option names, or all where it names none."""
    return _chosen(region, config.regions, "region")


def chosen_partitions(
    config: Model2Config, *, region: str | None, horizon: str | None, model: str | None
) -> dict[str, list[Partition]]:
    """Return the partitions that options name, by region; what is not named is not limited."""
    chosen = {}
    for name in chosen_regions(config, region):
        horizons = _chosen(horizon, config.region(name).labels.horizon_keys, "horizon")
        models = _chosen(model, config.models_of(name), "model")
        chosen[name] = [Partition(h, m) for h in horizons for m in models]
    return chosen


def _chosen(value: str | None, known: Iterable[str], what: str) -> list[str]:
    known = list(known)
    if value is None:
        return known
    if value not in known:
        raise ConfigError(f"unknown {what} {value!r}; known: {', '.join(known)}")
    return [value]


def dagster_home() -> Path:
    """Return the folder of the Dagster instance, and make Dagster use it."""
    home = instance_home() or repository_root() or Path.cwd() / ".dagster"
    home.mkdir(parents=True, exist_ok=True)
    os.environ[HOME_VARIABLE] = str(home)
    return home


@contextmanager
def open_instance() -> "Iterator[dg.DagsterInstance]":
    """Open the Dagster instance of the home; a ``dagster.yaml`` that is wrong is a ConfigError."""
    import dagster as dg

    from model2_assets.defs.maintenance import cancel_runs

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
        before_end(partial(cancel_runs, instance))
        yield instance


def end_dead_runs(instance: "dg.DagsterInstance") -> None:
    """Mark runs as failed whose process was killed, so that they hold no slot of the queue."""
    from model2_assets.defs.maintenance import close_dead_runs

    closed = close_dead_runs(instance)
    if closed:
        click.echo(f"closed {closed} runs whose process was killed", err=True)


def refusal(error: BaseException | None) -> str | None:
    """Return one sentence where memory, the disk or a database gave up, and None elsewhere.

    What the error came from is looked at as well.
    """
    if lack_of_memory(error) is not None:
        return f"out of memory; give the process more, {_AFTER}"
    while error is not None:
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            return f"the system refuses: {error}; mend the cause, {_AFTER}"
        if type(error).__name__ == "OperationalError":
            reason, home = getattr(error, "orig", error), os.environ.get(HOME_VARIABLE)
            remedy = (
                f"the server that dagster.yaml in {home} names has to run, and to let its user in"
            )
            if isinstance(reason, sqlite3.Error):
                remedy = f"it needs space, memory and the right to write {home}"
            return f"Dagster's database cannot be used: {one_line(str(reason))}; {remedy}, {_AFTER}"
        error = error.__cause__
    return None
