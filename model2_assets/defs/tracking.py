"""Partitions as runs of MLflow: an asset, so that what an outage left out is made up for.

Dagster's own resource for MLflow keeps a run open that steps log to, and closes it with the first
step that ends. Here a run is written at once, when all that it tells of is published.
"""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from model2_assets.config.partition import Partition
from model2_assets.config.sections import MlflowConfig
from model2_assets.defs.alerts import alert_hooks
from model2_assets.defs.code_version import code_version
from model2_assets.defs.recorded import PARTITION_TAG, address_of, outdated
from model2_assets.defs.region import Region
from model2_assets.defs.steps import core_call, lock_key
from model2_assets.errors import ConfigError, StoreError, one_line, without_secrets

if TYPE_CHECKING:
    from model2_assets.storage.models import Manifest

MLFLOW_RUN = "mlflow_run"
"""Name of the asset; no file is its result."""

_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Where the environment has none: a server that hangs costs seconds, and no one else is told."""

_KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Of an experiment: without, MLflow's pages are those for language models."""

_MOST_METRICS, _MOST_PARAMETERS = 1000, 100  # that MLflow takes at once


@dataclass(frozen=True)
class RunContent:
    """What a run of MLflow is to say: metrics by name and step, contents of files by their path."""

    name: str
    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    metrics: Mapping[tuple[str, int], float]
    files: Mapping[str, bytes]


def tracking_address(config: MlflowConfig) -> str:
    """Return the address of MLflow; ConfigError where that or the package is missing."""
    if find_spec("mlflow") is None:
        raise ConfigError(
            "tracking.mlflow: mlflow-skinny is not installed; install the extra mlflow, or set "
            "tracking.mlflow to null"
        )
    if not (address := os.environ.get(config.uri_variable)):
        raise ConfigError(
            f"tracking.mlflow.uri_variable: the environment variable {config.uri_variable} is not "
            f"set; set it to the address of MLflow, or set tracking.mlflow to null"
        )
    return address


def tracked_runs(region: Region) -> list[dg.AssetsDefinition]:
    """Return the asset that logs each partition to MLflow, where that is configured.

    An outage is a warning in the run's log. The step succeeds and the asset is not made, so that
    the next retrain or night makes it, and nothing else.
    """
    config = region.config.tracking.mlflow
    if config is None:
        return []
    tracking_address(config)
    key, experiment = region.key(MLFLOW_RUN), f"{config.experiment_prefix}{region.name}"
    results = [each for each, spec in region.specs.items() if spec.partitions_def is not None]

    @dg.asset(
        key=key,
        deps=results,
        group_name=region.name,
        description=(
            "Parameters, scores, data versions, tear sheet and final model of the partition, as a "
            f"run of MLflow's experiment {experiment}. Missing or stale where MLflow could not be "
            "reached; the next retrain makes up for it."
        ),
        kinds={"mlflow"},
        code_version=code_version((), config.model_dump()),
        required_resource_keys={lock_key(region.name)},
        partitions_def=region.partitions,
        output_required=False,
        hooks=alert_hooks(region.config.alerts),
    )
    def made(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        partition = context.partition_key
        with core_call(context):
            for problem in outdated(region.results(context.instance), results, partition).values():
                raise StoreError(f"{problem}; make it anew, then log {partition} to MLflow")
            content = run_content(region, partition, context.run.run_id)
            try:
                link = log_run(tracking_address(config), experiment, content)
            except Exception as error:  # whatever a server, a proxy or a store of files may do
                reason = one_line(without_secrets(f"{type(error).__name__}: {error}"))
                context.log.warning(
                    f"{region.name} {partition} is not in MLflow; the next retrain tries again: "
                    f"{reason}"
                )
            else:
                is_page = link.startswith("http")
                shown = dg.MetadataValue.url(link) if is_page else dg.MetadataValue.text(link)
                yield dg.MaterializeResult(metadata={"mlflow": shown})

    region.specs[key] = made.get_asset_spec(key)
    return [made]


def run_content(region: Region, partition: str, run_id: str) -> RunContent:
    """Return what is published of a partition; `run_id` is that of the run of Dagster."""
    from model2_assets.evaluation.scores import has_several_paths
    from model2_assets.reports.tables import caveats

    store, (horizon, model) = region.store, Partition.parse(partition)
    names = [key.path[-1] for key, spec in region.specs.items() if spec.partitions_def is not None]
    addresses = {
        name: address_of(region.key(name), partition) for name in names if name != MLFLOW_RUN
    }
    folds, final = (store.load(addresses[name]) for name in ("fitted_models", "final_models"))
    scores = store.load(addresses["cv_scores"])
    records = {name: store.current_version(address) for name, address in addresses.items()}
    published = {name: record.data_version for name, record in records.items() if record}
    versions = {**folds.manifest.data_versions, **published}
    (fitted,) = final.manifest.folds
    files = {
        "final_model/manifest.json": final.manifest.to_json().encode(),
        f"final_model/{fitted.file}": final.read(fitted.split_id),
    }
    told = caveats(region.settings, several_paths=has_several_paths(scores))
    if "tear_sheet" in addresses:
        files["tear_sheet.html"] = store.load(addresses["tear_sheet"]).encode()
    return RunContent(
        name=partition,
        tags={
            **{"region": region.name, "horizon": horizon, "model": model},
            **{"dagster/run_id": run_id, PARTITION_TAG: partition},
            **{f"data_version.{name}": version for name, version in versions.items()},
            "final_model.sha256": fitted.sha256,
            "mlflow.note.content": "\n\n".join(f"**{what}.** {why}" for what, why in told),
        },
        parameters=_parameters(folds.manifest, final.manifest),
        metrics=_metrics(scores),
        files=files,
    )


def _parameters(folds: "Manifest", final: "Manifest") -> dict[str, str]:
    """Return settings under their keys in the configuration; what splits chose, in their order."""
    settings = {
        **{name: getattr(folds, name) for name in _FIT_SETTINGS},
        **{f"params.{name}": value for name, value in folds.params.items()},
        **{f"search.{name}": value for name, value in folds.search.items()},
        **{f"final_model.{name}": value for name, value in final.folds[0].chosen_params.items()},
    }
    for name in folds.folds[0].chosen_params:
        chosen = (str(fold.chosen_params.get(name)) for fold in folds.folds)
        settings[f"chosen_params.{name}"] = ", ".join(chosen)
    return {name: str(value) for name, value in settings.items()}


_FIT_SETTINGS = ("trainer", "seed", "sample_weights", "calibration")


def _metrics(scores: Any) -> dict[tuple[str, int], float]:
    """Return scores over all rows by their name, those of folds and paths with these as step."""
    from model2_assets.evaluation import METRICS

    found = {}
    for score in scores.dropna(subset=["value"]).itertuples():
        name = METRICS[score.metric].key
        if score.scope == "all":
            found[name, 0] = float(score.value)
        elif score.scope != "split":
            step = score.fold_id if score.scope == "fold" else score.path_id
            found[f"{score.scope}/{name}", int(step)] = float(score.value)
    return found


def log_run(address: str, experiment: str, content: RunContent) -> str:
    """Write a run of MLflow, and return where it is shown; raises whatever MLflow's client does."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=address)
    experiment_id = _experiment_id(client, experiment)
    run = client.create_run(experiment_id, run_name=content.name, tags=dict(content.tags)).info
    status = "FAILED"
    try:
        _log(client, run, content)
        status = "FINISHED"
    finally:
        client.set_terminated(run.run_id, status)
    page = re.sub(r"//[^/@]*@", "//", address).rstrip("/")
    return without_secrets(f"{page}/#/experiments/{experiment_id}/runs/{run.run_id}")


def _experiment_id(client: Any, name: str) -> str:
    if (found := client.get_experiment_by_name(name)) is None:
        with suppress(Exception):  # another run may be faster
            client.create_experiment(name, tags=_KIND)
        found = client.get_experiment_by_name(name)
    return str(found.experiment_id)


def _log(client: Any, run: Any, content: RunContent) -> None:
    from mlflow.entities import Metric, Param

    at = run.start_time
    metrics = [Metric(name, value, at, step) for (name, step), value in content.metrics.items()]
    for start in range(0, len(metrics), _MOST_METRICS):
        client.log_batch(run.run_id, metrics=metrics[start : start + _MOST_METRICS])
    parameters = [Param(name, value) for name, value in content.parameters.items()]
    for start in range(0, len(parameters), _MOST_PARAMETERS):
        client.log_batch(run.run_id, params=parameters[start : start + _MOST_PARAMETERS])
    with tempfile.TemporaryDirectory() as folder:
        for path, data in content.files.items():
            file = Path(folder, path)
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(data)
        client.log_artifacts(run.run_id, folder)
