"""Variants of a model, fitted on the splits at hand and compared with what is published."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from math import isnan, nan
from typing import Any

import pandas as pd

from model2_assets.config import LabelsConfig, Model2Config, Partition, load_config
from model2_assets.engines import LocalEngine
from model2_assets.errors import ConfigError
from model2_assets.evaluation.inference import (
    MeanInference,
    critical_t,
    mean_ic_inference,
    standard_error_lag,
)
from model2_assets.evaluation.overfitting import (
    HorizonOverfitting,
    daily_rank_ics,
    overfitting_of,
)
from model2_assets.evaluation.scores import overall_scores, score_partition
from model2_assets.storage import Address, Store, default_base
from model2_assets.storage.data_version import INPUTS, facts_of, require_made_from
from model2_assets.training.fold_models import fit_every_split, shared_sums
from model2_assets.training.model_registry import ModelRegistry
from model2_assets.training.predict import predict_out_of_fold
from model2_assets.training.resources import usable_cores
from model2_assets.training.task import Tables, Task

logger = logging.getLogger(__name__)

SIGNIFICANCE = 0.02
"""How often any of several worthless variants would be called better or worse if standard errors
were exact. They are too small, so it is in 3 to 8% of histories (docs/scores.md)."""

_SCORES = ("rank_ic", "rank_ic_se", "r2", "decile_spread_bps", "deflated_sharpe")


def try_variants(
    region: str,
    horizon: str,
    model: str,
    values: Mapping[str, Any],
    *,
    config: Model2Config | None = None,
    store: Store | None = None,
) -> pd.DataFrame:
    """Fit variants of a model on the stored splits, and score them beside what is published.

    Nothing is published. Predictions are calibrated as the model's are. All are scored on the
    same rows, so they are compared date by date: the difference of rank ICs has the standard
    error of a mean of daily values whose labels overlap (`mean_ic_inference`). Luck makes any of
    the variants better or worse about one time in 20 (Bonferroni). The best of several is chosen
    on the rows that it is scored on: read it with ``pbo`` and ``deflated_sharpe``.

    Without ``sample_weights``, Ridge variants are made from one pass over the rows, or from the
    sums that a retrain has kept.

    Parameters
    ----------
    region, horizon, model : str
        Such as ``us``, ``21d``, ``ridge``.
    values : mapping of str to iterable
        The values to try of each hyper-parameter, as ``{"alpha": [1000.0, 5000.0]}``, or one;
        of several parameters, every combination is a variant. Others are as configured.
    config : Model2Config, optional
        By default what `load_config` reads.
    store : Store, optional
        Where results are; by default at ``MODEL2_STORAGE``, else ``data/`` as `default_base` says.

    Returns
    -------
    DataFrame of shape (1 + n_variants, 10)
        By ``variant``, ``published`` first: ``rank_ic``, ``rank_ic_se``, ``r2``,
        ``decile_spread_bps`` and ``deflated_sharpe`` as `METRICS` explains them, the last for as
        many trials as there are rows; ``pbo``, of all rows together, missing for a single variant
        or too short a history; ``difference`` of the rank IC from the published one,
        ``difference_se``, ``difference_t``, missing where they cannot be told; ``verdict``.
        ``attrs["overfitting"]`` says what ``pbo`` is from, or why it is missing.

    Raises
    ------
    ConfigError
        If a parameter is unknown or impossible, before anything is read.
    StoreError
        If a table or the published model is missing, or was made from other tables or with other
        settings than those at hand.
    TrainingError
        If a split cannot be fitted, or memory does not suffice.

    Examples
    --------
    >>> try_variants("us", "21d", "ridge", {"alpha": [1000.0, 5000.0]})  # doctest: +SKIP
    """
    config, partition = config or load_config(), Partition(horizon, model)
    tasks = make_variants(config, region, partition, values)
    working_dir = config.execution.working_dir
    store = store or Store(default_base(), working_dir=working_dir, trainers=config.trainers)
    names = ("features", "labels", "cv_splits")
    tables = Tables(*(store.read(Address(region, name)) for name in names))
    oof = {"published": _published(store, tasks.pop("published"), tables)}
    oof |= _predict(tasks, tables, config)
    return _compare(oof, tables.labels, partition, config.region(region).labels)


def make_variants(
    config: Model2Config, region: str, partition: Partition, values: Mapping[str, Any]
) -> dict[str, Task]:
    """Return the tasks of ``published`` and every combination, such as ``alpha=1, alphas=None``.

    Arguments and errors are those of `try_variants`.
    """
    registry, settings = ModelRegistry.from_config(config, region), config.region(region)
    choices = [list(v) if isinstance(v, Iterable) else [v] for v in values.values()]
    tasks: dict[str, Task] = {}
    for combination in ((), *product(*choices)):
        params = dict(zip(values, combination, strict=False))
        name = ", ".join(f"{key}={value}" for key, value in params.items()) or "published"
        if name in tasks or not all(choices):
            raise ConfigError(f"variant {name}: give a parameter, and each of its values once")
        changed = registry.variant(partition.model, params)
        tasks[name] = Task.of(changed, partition, region=region, settings=settings)
    return tasks


def _published(store: Store, task: Task, tables: Tables) -> pd.DataFrame:
    """Read the published predictions, of this very task and these tables."""
    models = store.open_models(Address(task.region, "fitted_models", *task.partition)).manifest
    task.require_same_settings("fitted_models", models)
    require_made_from("fitted_models", models.data_versions, tables.versions)
    oof = store.read(Address(task.region, "oof_predictions", *task.partition))
    at_hand = {**tables.versions, "fitted_models": models.data_version}
    require_made_from("oof_predictions", facts_of(oof).get(INPUTS, {}), at_hand)
    return oof


def _predict(
    tasks: Mapping[str, Task], tables: Tables, config: Model2Config
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the out-of-fold predictions of each task, which differ in parameters alone, by name."""
    any_task, *_ = tasks.values()
    data, n_threads = any_task.training_data(tables), config.execution.n_jobs or usable_cores()
    sums = shared_sums(any_task, data, tables, LocalEngine(n_threads))
    for number, (name, task) in enumerate(tasks.items(), start=1):
        logger.info("variant %d of %d: %s", number, len(tasks), name)
        models = fit_every_split(task, data, config.execution, known_sums=sums)
        yield name, predict_out_of_fold(models, data)


def _compare(
    oof: dict[str, pd.DataFrame], labels: pd.DataFrame, partition: Partition, config: LabelsConfig
) -> pd.DataFrame:
    """Score predictions on the same rows, and compare each with the first."""
    daily = daily_rank_ics(oof.values(), labels, partition.horizon, config)
    lag = standard_error_lag(partition.horizon, execution_lag_days=config.execution_lag_days)
    n_trials, overfitting = len(oof), HorizonOverfitting(nan, "")
    if n_trials > 2:
        overfitting = overfitting_of(daily, partition.horizon, config)
    rows: list[dict[str, Any]] = []
    for number, predictions in enumerate(oof.values()):
        scores = overall_scores(
            score_partition(predictions, labels, partition, config=config, n_trials=n_trials)
        )
        rows.append({name: scores[name] for name in _SCORES} | {"pbo": overfitting.pbo})
        if number:
            found = mean_ic_inference(daily[number] - daily[0], lag=lag)
            rows[-1] |= {
                "difference": found.mean,
                "difference_se": found.standard_error,
                "difference_t": found.t_statistic,
                "verdict": _verdict(found, lag=lag, n_variants=n_trials - 1),
            }
    table = pd.DataFrame(rows, index=pd.Index(oof, name="variant"))
    table.attrs["overfitting"] = overfitting.description
    return table


def _verdict(difference: MeanInference, *, lag: int, n_variants: int) -> str:
    """Say in a word or two whether a difference from the published rank IC is more than luck."""
    if isnan(difference.t_statistic):
        return "the same" if difference.mean == 0 else "cannot be told"
    chance = SIGNIFICANCE / 2 / n_variants
    if abs(difference.t_statistic) <= critical_t(difference.n_dates, lag=lag, chance=chance):
        return "no clear difference"
    return "better" if difference.mean > 0 else "worse"
