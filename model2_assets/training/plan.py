"""What a retrain will cost: bytes by formula, seconds by rates that a machine was measured at."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from model2_assets.config.partition import Partition
from model2_assets.training.resources import estimate_training_bytes

Seconds = tuple[float, float, float]
"""Expected, least and most."""

Rates = Mapping[str, Sequence[tuple[float, float]]]
"""Units and CPU seconds of each operation at two sizes: ``rows`` (market data, labels, splits) by
row; by value of the features ``features``, ``storing`` and ``sums``, and of every partition
``fit`` (of one split) and ``predict``."""

_ROWS_OF_REGION, _ROWS_OF_PARTITION = 3.0, 3.0
"""Times that the work of ``rows`` is in the steps of a region, and in those of each partition:
checks, paths, scores, pictures, reading back. As measured at 500 instruments × 1,250 dates."""

_WITH_CHECKS, _ALONE = 1.3, 0.5
"""Times that the work of ``features`` and ``storing`` is in their step; and that of ``features`` in
what each feature says alone, for every horizon."""

_PREDICTIONS = 3
"""Out of fold, once more to compare, and by path."""

_FIXED_S, _FIXED_S_OF_PARTITION = 10.0, 4.0
"""CPU seconds at any size: starting, Dagster's records, drawing."""

_EXTERNAL, _COLLECTIVE = "in external memory", "Dask, collective"

UNSURE = 1.3
"""How far a range goes beyond what the measured sizes leave open: other work on the machine, and
what is not measured."""

_EXTERNAL_TIME = 1.4
"""Time of fits in external memory, against those in memory."""

_BAR_BYTES, _LABEL_BYTES, _PREDICTION_BYTES = 44, 17, 40
"""Of a row in Parquet: market data; labels of a horizon; predictions, paths and the column of the
stacking frame of a partition."""

_STEP_BYTES, _STEP_BYTES_OF_ROW = 3e8, 300
"""In the steps that look at rows alone, besides what the guard counts for fits: Dagster and what
draws; tables of scores and checks."""


@dataclass(frozen=True)
class Panel:
    """Size of a region, each of whose instruments has a bar on each of its dates."""

    n_instruments: int
    n_dates: int
    n_features: int

    @property
    def n_rows(self) -> int:
        """Instruments times dates."""
        return self.n_instruments * self.n_dates

    @property
    def matrix_bytes(self) -> int:
        """Bytes of all features as float32."""
        return 4 * self.n_rows * self.n_features

    @property
    def parquet_bytes(self) -> float:
        """Bytes of ranks in Parquet, which numbers the different ones: ties double the names."""
        return self.matrix_bytes / 32 * min(32.0, math.log2(2 * self.n_instruments))


@dataclass(frozen=True)
class Fits:
    """The cross-validation of one model and horizon, and how its trainer works.

    Attributes
    ----------
    partition : Partition
        Horizon and model.
    n_splits : int
        Its fits.
    from_sums : bool
        Whether these are made from sums over rows, which all splits and horizons share.
    is_distributed : bool
        Whether several workers can make one fit together.
    work : float
        Work of a split, times that of a plain fit on as many rows of a large panel.
    bytes_per_value, external_bytes_per_value : float
        Memory of a fit, for each value of all features, in memory and in external memory;
        infinite where it knows no such fit.
    """

    partition: Partition
    n_splits: int
    from_sums: bool
    is_distributed: bool
    work: float
    bytes_per_value: float
    external_bytes_per_value: float = math.inf


@dataclass(frozen=True)
class Machines:
    """Where a retrain may run: this machine, and equal workers if there are any.

    Memory is what may be used of it, in bytes.
    """

    n_cores: int
    memory: float
    n_workers: int = 0
    worker_cores: int = 1
    worker_memory: float = 0.0


@dataclass(frozen=True)
class Engine:
    """A way to run a retrain: what it keeps busy and takes, and what there is too little of.

    `cores` do what is cut into tasks, `fit_cores` of them the fits, `n_at_once` at a time. Memory
    is that of the process of the run, at making features and at fitting, and of each worker, to
    which all features are sent `copies` times. `lacks` is empty where it can be.
    """

    name: str
    n_at_once: int
    fit_cores: int
    cores: int
    features_memory: float
    fit_memory: float
    worker_memory: float = 0.0
    copies: int = 0
    lacks: str = ""


@dataclass(frozen=True)
class StepCost:
    """Wall seconds of a step, its peaks of memory, and what it keeps and sends, in bytes."""

    step: str
    seconds: Seconds
    memory: float
    worker_memory: float = 0.0
    disk: float = 0.0
    network: float = 0.0


def seconds_of(measured: Sequence[tuple[float, float]], units: float) -> Seconds:
    """Return CPU seconds of so many units, of two measured sizes and beyond.

    Expected: by the line through both, whose rise is no more than the mean of the larger one.
    The range is that of both readings, wider by `UNSURE` at either end.
    """
    (x0, y0), (x1, y1) = measured
    mean, rise = y1 / x1, max(0.0, (y1 - y0) / (x1 - x0))
    expected = y1 + min(mean, rise) * (units - x1)
    return expected, min(mean, rise) * units / UNSURE, max(expected, rise * units) * UNSURE


def bytes_of_rows(n_rows: int) -> float:
    """Estimate the peak memory of a step that looks at rows alone, and at no feature, in bytes."""
    guarded = estimate_training_bytes((n_rows, 0), 0, 0)
    return guarded + _STEP_BYTES + _STEP_BYTES_OF_ROW * n_rows


def possible_engines(panel: Panel, fits: Sequence[Fits], machines: Machines) -> Iterator[Engine]:
    """Yield the ways to run a retrain on these machines, with what each of them lacks."""
    n_rows, n_features, workers = panel.n_rows, panel.n_features, machines.n_workers
    n_splits, here = max(fit.n_splits for fit in fits), machines.n_cores
    of_a_value = max(fit.bytes_per_value for fit in fits)
    by_row = bytes_of_rows(n_rows)

    def fitted(n_at_once: int, n_rows: int = n_rows) -> float:
        return estimate_training_bytes((n_rows, n_features), n_at_once, of_a_value)

    def unmapped(n_rows: int, of_a_value: float = of_a_value) -> float:
        return estimate_training_bytes((n_rows, 0), 1, 0) + n_rows * n_features * of_a_value

    wanted = range(min(here, n_splits), 1, -1)
    at_once = next((n for n in wanted if fitted(n) <= machines.memory), 1)
    made = estimate_training_bytes((n_rows, n_features), 1, 0)
    external = max((fit.external_bytes_per_value for fit in fits if not fit.from_sums), default=0.0)
    paged = max(by_row, unmapped(n_rows, external))
    engines = [
        Engine("in memory", at_once, here, here, made, fitted(at_once)),
        Engine(_EXTERNAL, 1, here, here, by_row, paged),
    ]
    if workers:
        cores = workers * machines.worker_cores
        folds, part = min(cores, n_splits), math.ceil(n_rows / workers)
        # The folds of the fullest worker, on a thread each: its memory is shared by all threads.
        of_folds = unmapped(n_rows) * math.ceil(folds / workers)
        engines += [
            Engine("Dask, fold by fold", folds, folds, cores, by_row, by_row, of_folds, workers),
            Engine(_COLLECTIVE, 1, cores, cores, by_row, by_row, unmapped(part), 1),
        ]
    for engine in engines:
        compared = [
            (max(engine.features_memory, engine.fit_memory), machines.memory, "here"),
            (engine.worker_memory, machines.worker_memory, "on each worker"),
        ]
        if engine.n_at_once > 1 and engine.copies:
            thread = machines.worker_memory / machines.worker_cores
            compared[1] = (unmapped(n_rows), thread, "for each thread of a worker")
        lacks = [
            f"{needed / 1e9:,.1f} GB {where}, where {usable / 1e9:,.1f} may be used"
            for needed, usable, where in compared
            if needed > usable
        ]
        alone = [fit.partition.key for fit in fits if not fit.is_distributed]
        if engine.name == _COLLECTIVE and alone:
            lacks.append(f"models that several workers can fit together, not {', '.join(alone)}")
        yield replace(engine, lacks=" and ".join(lacks))


def step_costs(
    panel: Panel, fits: Sequence[Fits], rates: Rates, engine: Engine
) -> Iterator[StepCost]:
    """Yield the steps of a retrain, those of all partitions together."""
    n_values, n_partitions, cores = panel.n_rows * panel.n_features, len(fits), engine.cores
    n_horizons = len({fit.partition.horizon for fit in fits})
    by_row, sent = bytes_of_rows(panel.n_rows), bool(engine.copies)

    def wall(*work: tuple[str, float], fixed: float = 0.0) -> Seconds:
        """Add up operations by name, each so many times."""
        found = [(fixed, fixed, fixed)]
        for name, times in work:
            units = panel.n_rows if name == "rows" else n_values
            expected, least, most = seconds_of(rates[name], units)
            found.append((times * expected, times * least, times * most))
        return _added(found)

    tables = panel.n_rows * (_BAR_BYTES + n_horizons * _LABEL_BYTES)
    shared = wall(("rows", _ROWS_OF_REGION))
    yield StepCost("market data, labels, splits", shared, by_row, 0.0, tables, tables * sent)
    made = wall(
        ("features", (_WITH_CHECKS + n_horizons * _ALONE) / cores),
        ("storing", _WITH_CHECKS / (cores if sent else 1)),
    )
    # Bars to workers, blocks of instruments to blocks of dates, the table.
    moved = panel.n_rows * _BAR_BYTES + 2 * panel.matrix_bytes + panel.parquet_bytes
    kept = panel.matrix_bytes + panel.parquet_bytes
    yield StepCost("features", made, engine.features_memory, 0.0, kept, moved * sent)
    slower = _EXTERNAL_TIME if engine.name == _EXTERNAL else 1.0
    summed = [fit for fit in fits if fit.from_sums]
    # Of each partition a split is fitted once more, to compare, and a final model.
    work = [
        (f"fit {fit.partition.key}", (fit.n_splits + 2) * fit.work * slower / engine.fit_cores)
        for fit in fits
        if not fit.from_sums
    ]
    passes = ("sums", (bool(summed) + 2 * len(summed)) / cores)
    yield StepCost(
        "fits",
        wall(passes, *work),
        engine.fit_memory,
        engine.worker_memory,
        0.0,
        engine.copies * panel.parquet_bytes,
    )
    predicted = wall(*((f"predict {fit.partition.key}", _PREDICTIONS / cores) for fit in fits))
    tables = panel.n_rows * _PREDICTION_BYTES * n_partitions
    yield StepCost(
        "predictions", predicted, engine.fit_memory, engine.worker_memory, tables, tables * sent
    )
    fixed = _FIXED_S + _FIXED_S_OF_PARTITION * n_partitions
    told = wall(("rows", _ROWS_OF_PARTITION * n_partitions), fixed=fixed)
    yield StepCost("scores, checks, reports", told, by_row)


def _added(parts: Iterable[Seconds]) -> Seconds:
    expected, least, most = (sum(part) for part in zip(*parts, strict=True))
    return expected, least, most


def total_cost(steps: Sequence[StepCost]) -> StepCost:
    """Return what steps cost one after another: their sums, and the largest of each peak."""
    return StepCost(
        "in all",
        _added(step.seconds for step in steps),
        max(step.memory for step in steps),
        max(step.worker_memory for step in steps),
        sum(step.disk for step in steps),
        sum(step.network for step in steps),
    )
