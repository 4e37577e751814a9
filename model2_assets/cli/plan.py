"""``model2 plan``: what a retrain would cost, before it is run."""

import json
import math
import platform
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model2_assets.cli.context import chosen_regions, read_config
from model2_assets.config import Model2Config
from model2_assets.logging import setup_logging
from model2_assets.storage import Address, Store, default_store

if TYPE_CHECKING:
    from model2_assets.training import BaseModelTrainer, Task
    from model2_assets.training.plan import Fits, Rates

TRADING_DAYS = 252
"""Dates of a year."""

_SIZES = ((20, 400), (60, 750), (150, 1000))
"""Instruments and dates of generated markets: one to warm up, two to measure rates on."""


@click.command()
@click.option("--instruments", type=click.IntRange(2), required=True, help="Instruments.")
@click.option("--years", type=click.FloatRange(0, min_open=True), required=True, help="History.")
@click.option("--features", type=click.IntRange(1), default=158, help="Features.")
@click.option("--workers", type=click.IntRange(1), help="Workers of a Dask cluster.")
@click.option("--worker-memory", type=float, default=32, help="Of each, 10^9 bytes.")
@click.option("--worker-cores", type=click.IntRange(1), default=4, help="Of each.")
@click.option("--region", help="Whose settings count; else the first one's.")
@click.option(
    "--profile",
    type=click.Choice(["exact", "default", "fast"]),
    help="Of training; else that of the configuration.",
)
@click.option("--calibrate", is_flag=True, help="Measure this machine anew.")
def plan(region: str | None, profile: str | None, calibrate: bool, **sizes: Any) -> None:
    """Say what a retrain would take: time, memory, disk, network, and the engine for it.

    Rates are measured on this machine, in less than a minute, and kept.
    """
    from model2_assets.cli.show import costs_table, hours, terminal
    from model2_assets.training.plan import (
        Machines,
        Panel,
        possible_engines,
        step_costs,
        total_cost,
    )
    from model2_assets.training.resources import USABLE_SHARE, usable_cores, usable_memory

    config = read_config()
    name = chosen_regions(config, region)[0]
    if profile is not None:
        execution = config.execution.model_copy(update={"profile": profile})
        config = config.model_copy(update={"execution": execution})
    dates = round(TRADING_DAYS * sizes["years"])
    panel = Panel(sizes["instruments"], dates, sizes["features"])
    limit = config.execution.max_rss_gb
    machines = Machines(
        config.execution.n_jobs or usable_cores(),
        limit * 1e9 if limit else USABLE_SHARE * usable_memory(),
        sizes["workers"] or 0,
        sizes["worker_cores"],
        sizes["worker_memory"] * 1e9,
    )
    fits = planned_fits(config, name, panel.n_rows)
    rates = kept_rates(config, name, anew=calibrate)
    engines = list(possible_engines(panel, fits, machines))
    costs = {engine: list(step_costs(panel, fits, rates, engine)) for engine in engines}
    engines.sort(key=lambda engine: (bool(engine.lacks), total_cost(costs[engine]).seconds))
    best = engines[0]
    shape = (
        f"{panel.n_rows:,} rows × {panel.n_features} features, {panel.matrix_bytes / 1e9:,.1f} GB"
    )
    terminal().print(costs_table(shape, [*costs[best], total_cost(costs[best])]))
    number = f"{best.n_at_once} fits at once" if best.n_at_once > 1 else "1 fit at a time"
    at_once = f"{best.name}, {number}"
    click.echo(f"no engine can; shown: {at_once}" if best.lacks else f"recommended: {at_once}")
    for engine in engines[bool(not best.lacks) :]:
        lacks = f"; it lacks {engine.lacks}" if engine.lacks else ""
        click.echo(f"{engine.name}: {hours(total_cost(costs[engine]).seconds[0])}{lacks}")
    click.echo(
        "Times are for machines like this one with nothing else to do; the range is what two small "
        "sizes leave open. Sent: what the process and workers write to the store and read from it."
    )


def tasks_of(config: Model2Config, region: str) -> "list[Task]":
    """Return what determines the models of each partition of a region."""
    from model2_assets.training import ModelRegistry, Task

    registry, settings = ModelRegistry.from_config(config, region), config.region(region)
    return [
        Task.of(registry, partition, region=region, settings=settings)
        for partition in config.partitions_of(region)
    ]


def kept_rates(config: Model2Config, region: str, *, anew: bool) -> "Rates":
    """Return the rates of this machine, code and settings, measured where they are not kept."""
    from model2_assets.defs.code_version import code_version
    from model2_assets.storage.record import document_digest
    from model2_assets.training.models import installed_versions
    from model2_assets.training.resources import blas_kernel, usable_cores

    tasks = tasks_of(config, region)
    libraries = {library for task in tasks for library in task.unfitted.libraries}
    identity = {
        "machine": [platform.node(), platform.machine(), usable_cores(), blas_kernel()],
        "code": code_version(["features", "labels", "storage", "training"], None),
        "versions": installed_versions(sorted({"numpy", "pandas", "pyarrow", *libraries})),
        "settings": {task.partition.key: task.settings for task in tasks},
    }
    measured = cache(lambda: measure_rates(config, region))
    kept = default_store().working_files(region)
    kind, key = "plan_rates", f"{document_digest(identity)}.json"

    def write(path: Path) -> None:
        path.write_text(json.dumps(measured()), encoding="utf-8")

    def read(path: Path) -> "Rates":
        rates: Rates = json.loads(path.read_bytes())
        return rates

    if anew:
        kept.put(kind, key, write=write)
    return kept.get(kind, key, write=write, read=read) or measured()


def measure_rates(config: Model2Config, region: str) -> "Rates":
    """Measure the CPU seconds of what a retrain consists of, on two generated markets."""
    click.echo("measuring this machine ...", err=True)
    setup_logging("ERROR")
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, size in enumerate(_SIZES):
            measured = measured_work(config, region, Store(f"{folder}/{number}"), *size)
            for name, units_and_seconds in measured.items() if number else ():
                found.setdefault(name, []).append(units_and_seconds)
    return {name: (small, large) for name, (small, large) in found.items()}


def measured_work(
    config: Model2Config, region: str, store: Store, n_instruments: int, n_dates: int
) -> dict[str, tuple[float, float]]:
    """Do the work of a retrain on one market; return units and CPU seconds of each operation."""
    import numpy as np

    from model2_assets.cross_validation import build_cv_splits
    from model2_assets.cross_validation.proof import prove_no_overlap
    from model2_assets.engines import LocalEngine
    from model2_assets.features import build_features_from_config
    from model2_assets.labels import build_labels_from_config
    from model2_assets.market_data import synthetic_panel, validate_panel
    from model2_assets.storage.data_version import data_versions_of, stamped
    from model2_assets.training import Tables
    from model2_assets.training.base_models import predict_rows
    from model2_assets.training.fit import fit_split

    settings = config.region(region)
    labelled = settings.labels.model_copy(update={"builder": None})
    alpha158 = settings.features.model_copy(update={"builder": None, "extra": ()})
    # Enough for each group, beside what is purged around it.
    n_dates = max(n_dates, settings.features.min_history_bars + 10 * max(labelled.horizons))
    seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        started = time.process_time()
        yield
        seconds[name] += time.process_time() - started

    def stored(asset: str, table: Any, **inputs: Any) -> Any:
        made = stamped(table, inputs=data_versions_of(**inputs))
        store.write(Address(region, asset), made)
        return store.read(Address(region, asset))

    bars = synthetic_panel(n_instruments=n_instruments, n_dates=n_dates)
    with timed("rows"):
        panel, _ = validate_panel(bars)
        panel = stored("market_data", panel)
        labels = stored("labels", build_labels_from_config(panel, labelled), market_data=panel)
    with timed("features"):
        features = build_features_from_config(panel, alpha158)
    with timed("storing"):
        features = stored("features", features, market_data=panel)
    with timed("rows"):
        splits = build_cv_splits(features.index, labels, settings.cross_validation)
        prove_no_overlap(splits, labels)
        splits = stored("cv_splits", splits, labels=labels, features=features)
    tables = Tables(features, labels, splits)
    with timed("sums"):
        tables.add_up(LocalEngine())
    for task in tasks_of(config, region):
        data, key = task.training_data(tables), task.partition.key
        with timed(f"fit {key}"):
            model = fit_split(partial(at_scale, task.unfitted), data, 0, calibrates=task.calibrates)
        with timed(f"predict {key}"):
            predict_rows(model, data.X, np.arange(data.n_rows))
    return {
        name: (len(panel) if name == "rows" else features.size, spent)
        for name, spent in seconds.items()
    }


def at_scale(trainer: "BaseModelTrainer") -> "BaseModelTrainer":
    """Return a new trainer as a large panel has it, of which no more dates are kept than set."""
    keeps_more = "stride_keeps_rows" in trainer.params
    return trainer.with_params({"stride_keeps_rows": 0} if keeps_more else {})


def planned_fits(config: Model2Config, region: str, n_rows: int) -> "list[Fits]":
    """Return the cross-validations of a region, whose panel has so many rows."""
    from model2_assets.cross_validation.table import make_splitter
    from model2_assets.training.plan import Fits

    settings = config.region(region).cross_validation
    n_splits = make_splitter(settings).n_splits
    fits = []
    for task in tasks_of(config, region):
        trainer, params = task.unfitted, task.unfitted.params
        external = task.external_bytes_per_value(n_rows)
        density = at_scale(trainer).date_stride(n_rows) / trainer.date_stride(n_rows)
        n_times = (1 + (task.search.trials if task.search else 0)) * (n_splits**settings.nested)
        has_known_bins = params.get("bins") == "even" and params.get("subsample") == 1
        fits.append(
            Fits(
                task.partition,
                n_splits,
                trainer.fits_from_sums,
                trainer.fits_from_sums or (trainer.fits_by_workers and has_known_bins),
                density * n_times,
                task.fit_bytes_per_value(n_rows),
                math.inf if external is None else external,
            )
        )
    return fits
