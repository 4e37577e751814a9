"""What runs ask of Kubernetes: the memory at which the guard of training lets them fit.

Only within a cluster: an estimate imports the trainers, whose libraries a code server would
hold for nothing anywhere else.
"""

import json
import os

import dagster as dg

from model2_assets.config.partition import Partition
from model2_assets.defs.recorded import EventLog
from model2_assets.defs.region import Region

K8S_CONFIG_TAG = "dagster-k8s/config"
"""Tag by which Dagster's Kubernetes launcher changes a run's pod; merged into the chart's."""

_LEAST_BYTES = 1_500_000_000
"""Of the other steps of a run, however small its region; libraries included."""


def memory_tags(
    region: Region, instance: dg.DagsterInstance, partition: str | None
) -> dict[str, str]:
    """Return the tag that gives the pod of a partition's run the memory of its fits.

    So much that `execution.n_jobs` fits at once are within the guard's share of it. Where that is
    null, so much as `execution.max_rss_gb` lets the guard use, or else one fit: the guard looks
    how many fit. None before features were made, whose shape the event log has.
    """
    made = EventLog(instance).latest(region.key("features")) if _in_cluster() else None
    if made is None or made.asset_materialization is None or partition is None:
        return {}
    from model2_assets.training import ModelRegistry, Task
    from model2_assets.training.resources import estimate_training_bytes

    metadata, execution = made.asset_materialization.metadata, region.config.execution
    rows, columns = (metadata.get(name) for name in ("dagster/row_count", "features"))
    if rows is None or columns is None:
        return {}
    shape = int(str(rows.value)), int(str(columns.value))
    registry = ModelRegistry.from_config(region.config, region.name)
    task = Task.of(registry, Partition.parse(partition), region=region.name)
    of_a_value = task.fit_bytes_per_value(shape[0])
    need = estimate_training_bytes(shape, execution.n_jobs or 1, of_a_value)
    limit = execution.max_rss_gb
    if limit is None or (execution.n_jobs and need < limit * 1e9):
        return _memory(need)
    return _memory(limit * 1e9)


def largest_memory_tags(region: Region) -> dict[str, str]:
    """Return the tag of runs that are launched by hand: what training may use in any partition.

    That is `execution.max_rss_gb`; where it is null, the chart's own resources hold. Definitions
    are loaded before there are features to estimate from.
    """
    limit = region.config.execution.max_rss_gb
    return _memory(limit * 1e9) if limit is not None and _in_cluster() else {}


def _in_cluster() -> bool:
    """Tell whether this is a pod: Kubernetes sets the variable in each."""
    return "KUBERNETES_SERVICE_HOST" in os.environ


def _memory(need: float) -> dict[str, str]:
    from model2_assets.training.resources import USABLE_SHARE

    megabytes = max(need, _LEAST_BYTES) // (USABLE_SHARE * 1e6) + 1
    memory = {"memory": f"{megabytes:.0f}M"}
    resources = {"requests": memory, "limits": memory}
    return {K8S_CONFIG_TAG: json.dumps({"container_config": {"resources": resources}})}
