"""What runs ask of Kubernetes: memory in which the fits of their partition fit, and just so."""

import json
from typing import Any

import dagster as dg
import pytest

from model2_assets.config import parse_config
from model2_assets.config.partition import Partition
from model2_assets.defs.build import region_jobs
from model2_assets.defs.kubernetes import K8S_CONFIG_TAG, largest_memory_tags, memory_tags
from model2_assets.defs.region import Region
from model2_assets.training import ModelRegistry, Task, resources
from model2_assets_tests.defs.small_region import Workbench

SHAPE = (7_500_000, 158)


@pytest.fixture(autouse=True)
def in_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")


def region_of(bench: Workbench, **execution: Any) -> Region:
    return Region("us", parse_config({"execution": execution}), bench.store)


def record_features(bench: Workbench) -> None:
    shape = dict(zip(("dagster/row_count", "features"), SHAPE, strict=True))
    bench.instance.report_runless_asset_event(
        dg.AssetMaterialization(bench.key("features"), metadata=shape)
    )


def memory_of(tags: dict[str, str]) -> int:
    """Return the memory of a tag in bytes; what is asked for is what is allowed."""
    assert set(tags) == {K8S_CONFIG_TAG}
    config = json.loads(tags[K8S_CONFIG_TAG])["container_config"]["resources"]
    assert config["requests"] == config["limits"]
    memory = config["limits"]["memory"]
    assert memory.endswith("M")
    return int(memory.removesuffix("M")) * 1_000_000


@pytest.mark.parametrize("n_jobs", [2, 4])
@pytest.mark.parametrize("key", ["21d|ridge", "63d|xgboost"])
def test_as_many_fits_run_at_once_in_a_pod_of_that_memory_as_were_asked_for(
    bench: Workbench, key: str, n_jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_features(bench)
    region = region_of(bench, n_jobs=n_jobs)
    registry = ModelRegistry.from_config(region.config, "us")
    of_a_value = Task.of(registry, Partition.parse(key), region="us").fit_bytes_per_value(SHAPE[0])

    memory = memory_of(memory_tags(region, bench.instance, key))

    monkeypatch.setattr(resources, "usable_memory", lambda: memory)
    assert resources.fits_in_memory(n_jobs + 1, SHAPE, of_a_value, None) == n_jobs
    monkeypatch.setattr(resources, "usable_memory", lambda: memory - 2_000_000)
    assert resources.fits_in_memory(n_jobs + 1, SHAPE, of_a_value, None) == n_jobs - 1


def test_no_partition_asks_for_more_than_training_may_use(bench: Workbench) -> None:
    record_features(bench)
    region = region_of(bench, n_jobs=64, max_rss_gb=6)

    assert memory_of(memory_tags(region, bench.instance, "21d|xgboost")) == 8_000_000_000
    assert largest_memory_tags(region) == memory_tags(region, bench.instance, "21d|xgboost")
    assert {job.tags[K8S_CONFIG_TAG] for job in region_jobs(region)} == {
        largest_memory_tags(region)[K8S_CONFIG_TAG]
    }


def test_there_is_no_tag_where_nothing_is_known_or_nobody_reads_it(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = region_of(bench, max_rss_gb=6)

    assert memory_tags(limited, bench.instance, "21d|ridge") == {}  # no features yet
    record_features(bench)
    assert memory_tags(limited, bench.instance, None) == {}
    assert largest_memory_tags(region_of(bench)) == {}
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    assert memory_tags(limited, bench.instance, "21d|ridge") == {}
    assert largest_memory_tags(limited) == {}
