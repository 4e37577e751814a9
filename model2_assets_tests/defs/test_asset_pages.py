"""What the pages of the assets show, in a real instance after one retrain."""

import base64
import re
from io import BytesIO
from typing import Any

import dagster as dg
import pytest
from PIL import Image

from model2_assets.defs import publication
from model2_assets.evaluation.leaderboard import leaderboard_version
from model2_assets.reports import report_digest
from model2_assets.storage import Address
from model2_assets.storage.data_version import table_digest
from model2_assets_tests.defs.conftest import Trained
from model2_assets_tests.defs.small_region import Workbench

pytestmark = pytest.mark.end_to_end

PARTITIONS = ("21d|ridge", "21d|xgboost", "63d|ridge", "63d|xgboost")

PICTURES = {
    "labels": {"Distribution of the 21d label", "Distribution of the 63d label"},
    "features": {"Feature coverage over time"},
    "cv_splits": {"Fold timeline"},
    "oof_predictions": {"Distribution of the predictions"},
    "cv_scores": {
        "Rank IC over time",
        "Rank IC of every fold",
        "Realized return by quantile of the prediction",
        "Label against prediction",
    },
    "feature_importance": {
        "The 20 most important of 157 features",
        "Rank correlation of importances between fold models",
    },
}

NUMBERS = {
    "market_data": {"dagster/row_count"},
    "labels": {"dagster/row_count"},
    "features": {"dagster/row_count", "features"},
    "cv_splits": {"dagster/row_count", "splits", "label_overlaps"},
    "fitted_models": {"models", "fit_seconds", "fit_peak_rss_mb", "models_mb"},
    "oof_predictions": {"rank_ic", "coverage", "largest_bps", "determinism_difference_bps"},
    "oof_paths": {"dagster/row_count", "splits", "paths"},
    "feature_importance": {"mean_rank_correlation_of_folds"},
    "cv_scores": {"rank_ic", "icir", "rmse_bps", "mae_bps", "r2", "hit_rate"},
    "leaderboard": {"models_mb", "hours", "peak_rss_gb"},
}


def six_digits(value: float) -> float:
    return float(f"{value:.6g}")


def partitions_of(trained: Trained, asset: str) -> tuple[str | None, ...]:
    graph = trained.bench.definitions.resolve_asset_graph()
    return PARTITIONS if graph.get(trained.bench.key(asset)).partitions_def else (None,)


def materializations(trained: Trained, asset: str) -> dict[str | None, dg.AssetMaterialization]:
    """Return the latest materialization of every partition."""
    found: dict[str | None, dg.AssetMaterialization] = {}
    records = trained.bench.instance.fetch_materializations(trained.bench.key(asset), limit=50)
    for record in records.records:
        assert record.asset_materialization is not None
        found.setdefault(record.partition_key, record.asset_materialization)
    assert set(found) == set(partitions_of(trained, asset)), asset
    return found


def pictures_in(metadata: dict[str, Any]) -> dict[str, bytes]:
    text = metadata["pictures"].value
    pattern = r"#### ([^\n]+)\n\n!\[\]\(data:image/png;base64,([^)]+)\)"
    return {title: base64.b64decode(data) for title, data in re.findall(pattern, text)}


@pytest.mark.parametrize("asset", PICTURES)
def test_every_picture_is_on_its_page_and_small(trained: Trained, asset: str) -> None:
    for partition, event in materializations(trained, asset).items():
        found = pictures_in(dict(event.metadata))
        assert set(found) == PICTURES[asset], partition
        for title, picture in found.items():
            assert len(picture) < 60_000, title
            with Image.open(BytesIO(picture)) as image:
                image.load()
                assert image.format == "PNG"
                assert image.width == 900
                assert image.height >= 100
                assert len(image.convert("RGB").getcolors() or []) > 3, title


@pytest.mark.parametrize("asset", NUMBERS)
def test_numbers_are_numbers_so_that_their_history_is_plotted(trained: Trained, asset: str) -> None:
    for partition, event in materializations(trained, asset).items():
        for name in NUMBERS[asset]:
            value = event.metadata[name]
            plotted = (dg.IntMetadataValue, dg.FloatMetadataValue)
            assert isinstance(value, plotted), (partition, name)


def test_numbers_are_those_of_the_stored_results(trained: Trained) -> None:
    scores = materializations(trained, "cv_scores")["63d|xgboost"].metadata
    stored = trained.bench.read("cv_scores", "63d", "xgboost")
    overall = stored[stored["scope"] == "all"].set_index("metric")["value"]
    models = materializations(trained, "fitted_models")["63d|xgboost"].metadata
    folder = trained.bench.store.base / "us" / "fitted_models" / "63d" / "xgboost"
    manifest = trained.bench.read("fitted_models", "63d", "xgboost").manifest
    on_disk = sum((folder / fold.file).stat().st_size for fold in manifest.folds)

    assert scores["rank_ic"].value == six_digits(overall["rank_ic"])
    assert scores["icir"].value == six_digits(overall["icir"])
    assert scores["rmse_bps"].value == six_digits(overall["rmse"])
    assert models["models_mb"].value == on_disk / 1e6
    assert models["fit_seconds"].value == six_digits(manifest.seconds)
    assert models["fit_peak_rss_mb"].value == six_digits(manifest.peak_rss_bytes / 1e6)


def test_every_result_says_what_it_cost(trained: Trained) -> None:
    graph = trained.bench.definitions.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        for partition, event in materializations(trained, key.path[-1]).items():
            costs = {name: entry.value for name, entry in event.metadata.items()}
            for name in ("seconds", "write_seconds", "peak_rss_mb", "io_peak_rss_mb"):
                assert costs[name] > 0, (key, partition, name)
            assert (costs["load_seconds"] > 0) == bool(graph.get(key).parent_keys), (key, partition)
            assert costs.get("fit_seconds", 0) <= costs["seconds"]


def test_every_asset_has_a_data_version_made_from_its_stored_content(trained: Trained) -> None:
    for key in trained.bench.definitions.resolve_asset_graph().materializable_asset_keys:
        asset = key.path[-1]
        for partition, event in materializations(trained, asset).items():
            assert event.tags is not None
            version = event.tags["dagster/data_version"]
            assert version == version_of_content(trained, asset, partition), (asset, partition)
            assert event.tags["dagster/code_version"]


def version_of_content(trained: Trained, asset: str, partition: str | None) -> str:
    address = Address("us", asset, *(partition.split("|") if partition else ()))
    stored = trained.bench.store.load(address)
    if address.product.format == "fold_models":
        return str(stored.manifest.data_version)
    if address.product.format == "html":
        return report_digest(stored)
    if asset == "leaderboard":
        return leaderboard_version(stored)
    return table_digest(stored)


def test_a_picture_that_cannot_be_drawn_costs_no_result(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr(publication, "gallery", broken)
    result = dg.materialize(
        [asset for asset in bench.definitions.assets or () if asset.key == bench.key("market_data")]
        + [asset for asset in bench.definitions.assets or () if asset.key == bench.key("labels")],
        instance=bench.instance,
        resources=bench.definitions.resources,
    )

    assert result.success
    (event,) = result.asset_materializations_for_node("us__labels")
    assert "pictures" not in event.metadata
    assert "summary" in event.metadata
