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
from model2_assets.training import ModelRegistry, Task
from model2_assets.training.resources import estimate_training_bytes
from model2_assets_tests.defs.small_region import Workbench

SHAPE = (7_500_000, 158)


@pytest.fixture(autouse=True)
def in_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")


def region_of(bench: Workbench, **execution: Any) -> Region:
    return Region("us", parse_config({"execution": execution}), bench.store)


def record_features(bench: Workbench, rows: int = SHAPE[0]) -> None:
    shape = {"dagster/row_count": rows, "features": SHAPE[1]}
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
    bench: Workbench, key: str, n_jobs: int
) -> None:
    record_features(bench)
    region = region_of(bench, n_jobs=n_jobs)
    registry = ModelRegistry.from_config(region.config, "us")
    of_a_value = Task.of(registry, Partition.parse(key), region="us").fit_bytes_per_value(SHAPE[0])

    memory = memory_of(memory_tags(region, bench.instance, key))

    # The guard uses 75% of a pod's memory.
    need = estimate_training_bytes(SHAPE, n_jobs, of_a_value)
    assert need < 0.75 * memory <= need + 1_000_000


def test_no_partition_asks_for_more_than_training_may_use(bench: Workbench) -> None:
    record_features(bench)
    region = region_of(bench, n_jobs=64, max_rss_gb=6)

    assert memory_of(memory_tags(region, bench.instance, "21d|xgboost")) == 8_001_000_000
    assert largest_memory_tags(region) == memory_tags(region, bench.instance, "21d|xgboost")
    assert {job.tags[K8S_CONFIG_TAG] for job in region_jobs(region)} == {
        largest_memory_tags(region)[K8S_CONFIG_TAG]
    }


def test_fits_whose_number_is_open_get_what_the_guard_may_use_for_them(bench: Workbench) -> None:
    record_features(bench)
    limited = region_of(bench, max_rss_gb=60)
    one, open_ended = region_of(bench, n_jobs=1), region_of(bench)

    for key in ("21d|ridge", "21d|xgboost"):
        assert memory_of(memory_tags(limited, bench.instance, key)) == 80_001_000_000
        assert memory_tags(open_ended, bench.instance, key) == memory_tags(one, bench.instance, key)


def test_a_small_region_gets_what_its_other_steps_need(bench: Workbench) -> None:
    record_features(bench, rows=3_000)

    tags = memory_tags(region_of(bench, n_jobs=4), bench.instance, "21d|xgboost")

    assert memory_of(tags) == 2_001_000_000


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
