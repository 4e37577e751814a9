"""The leaderboard as the UI shows it, and what it warns of, on a real instance."""

import base64
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from model2_assets.defs.assets import PREPARATION, asset_names
from model2_assets.defs.region import Region
from model2_assets.evaluation import oof_rank_correlation
from model2_assets.storage import Address
from model2_assets_tests.defs.conftest import Trained
from model2_assets_tests.defs.small_region import Workbench, small_config

pytestmark = pytest.mark.end_to_end

BOARD = Address("us", "leaderboard")
KEYS = ("21d|ridge", "21d|xgboost", "63d|ridge", "63d|xgboost")


def as_shown(value: float) -> object:
    """Return a number as the page has it: six significant digits."""
    return pytest.approx(value, rel=1e-5)


def metadata(bench: Workbench) -> Mapping[str, Any]:
    event = bench.instance.get_latest_materialization_event(bench.key("leaderboard"))
    assert event is not None
    assert event.asset_materialization is not None
    return event.asset_materialization.metadata


def records(value: dg.TableMetadataValue) -> list[Mapping[str, Any]]:
    return [record.data for record in value.records]


def summarize(bench: Workbench) -> None:
    job = bench.definitions.resolve_job_def("us_summary")
    assert job.execute_in_process(instance=bench.instance).success


def train(bench: Workbench, partition: str) -> None:
    job = bench.definitions.resolve_job_def("us_training")
    assert job.execute_in_process(instance=bench.instance, partition_key=partition).success


def latest_check(bench: Workbench, name: str) -> tuple[bool, str]:
    evaluation = bench.check_records("leaderboard", name)[0].evaluation
    return evaluation.passed, evaluation.description


def rewrite_board(bench: Workbench, **columns: Any) -> None:
    bench.store.write(BOARD, bench.read("leaderboard").assign(**columns))


def test_page_shows_tables_with_units_and_pictures_that_decode(trained: Trained) -> None:
    shown = metadata(trained.bench)

    scores, making = (records(shown[name]) for name in ("leaderboard", "leaderboard_making"))
    for rows, headings in (
        (scores, ("rank IC", "std. error", "t", "ICIR", "R²", "spread bps", "turnover %")),
        (making, ("coverage %", "refit bps", "models MB", "time s", "version", "trained UTC")),
    ):
        assert {f"{row['horizon']}|{row['model']}" for row in rows} == set(KEYS)
        for heading in headings:
            assert all(row[heading] is not None for row in rows), heading
    for name in ("rank_ic_heatmap", "oof_rank_correlation_heatmap"):
        encoded = shown[name].value.removeprefix("![](data:image/png;base64,").removesuffix(")")
        png = base64.b64decode(encoded, validate=True)
        with Image.open(BytesIO(png)) as picture:
            picture.load()
            assert len(picture.convert("RGB").getcolors(1 << 20)) > 10
        assert len(png) < 20_000


def test_numbers_are_plotted_one_for_each_model_and_horizon(trained: Trained) -> None:
    shown = metadata(trained.bench)
    board = trained.bench.read("leaderboard")

    for row in board.itertuples():
        partition = f"{row.horizon}_{row.model}"
        assert shown[f"rank_ic_{partition}"].value == as_shown(row.rank_ic)
        assert shown[f"icir_{partition}"].value == as_shown(row.icir)
        assert shown[f"rmse_bps_{partition}"].value == as_shown(row.mse**0.5)
        assert shown[f"coverage_{partition}"].value == as_shown(row.coverage)
        assert shown[f"seconds_{partition}"].value == as_shown(row.seconds)
        assert shown[f"peak_rss_mb_{partition}"].value == as_shown(row.peak_rss_bytes / 1e6)
        assert shown[f"models_mb_{partition}"].value == as_shown(row.models_bytes / 1e6)
    best = board.groupby("horizon")["rank_ic"].max()
    assert shown["best_rank_ic_21d"].value == as_shown(best["21d"])
    assert shown["best_rank_ic_63d"].value == as_shown(best["63d"])
    assert shown["outdated_partitions"].value == 0
    assert shown["models_mb"].value == as_shown(board["models_bytes"].sum() / 1e6)


def test_costs_are_those_of_the_materializations(trained: Trained) -> None:
    shown = metadata(trained.bench)
    rows = records(shown["costs"])

    region = Region("us", trained.bench.config, trained.bench.store)
    expected = {(name, "") for name in PREPARATION}
    expected |= {(name, key) for name in asset_names(region, "training") for key in KEYS}
    assert {(row["asset"], row["partition"] or "") for row in rows} == expected
    for row in rows:
        event = trained.bench.instance.fetch_materializations(
            dg.AssetRecordsFilter(
                trained.bench.key(row["asset"]),
                asset_partitions=[row["partition"]] if row["partition"] else None,
            ),
            limit=1,
        ).records[0]
        made = event.asset_materialization
        assert made is not None
        for name in ("load_seconds", "seconds", "write_seconds"):
            assert row[name] == made.metadata[name].value
        peaks = [made.metadata[name].value for name in ("peak_rss_mb", "io_peak_rss_mb")]
        assert row["peak_rss_mb"] == max(peaks)
    seconds = sum(row[name] for row in rows for name in row if name.endswith("seconds"))
    assert shown["hours"].value == as_shown(seconds / 3600)
    assert shown["peak_rss_gb"].value == as_shown(max(row["peak_rss_mb"] for row in rows) / 1e3)
    held, told = latest_check(trained.bench, "within_budget")
    assert held
    assert told.endswith("not known: leaderboard, stacking_frame, region_report")


def test_correlations_are_those_of_the_stored_columns(trained: Trained) -> None:
    oof = {key: trained.bench.read("oof_predictions", *key.split("|")) for key in KEYS}
    wide = pd.concat({key: frame["prediction"] for key, frame in oof.items()}, axis=1).dropna()
    expected = wide.groupby("datetime").corr(method="spearman").groupby(level=1).mean()

    shown = metadata(trained.bench)

    table = pd.DataFrame(records(shown["oof_rank_correlation"])).set_index("partition")
    np.testing.assert_allclose(table, expected.loc[table.index, table.columns], atol=6e-4)
    assert shown["oof_rank_correlation_mean"].value == as_shown(
        oof_rank_correlation(oof).mean_between
    )
    assert shown["oof_rank_correlation_rows"].value == len(wide)


def test_time_of_training_is_when_the_models_were_published(trained: Trained) -> None:
    board = trained.bench.read("leaderboard").set_index(["horizon", "model"])

    for key in KEYS:
        filters = dg.AssetRecordsFilter(trained.bench.key("fitted_models"), asset_partitions=[key])
        (record,) = trained.bench.instance.fetch_materializations(filters, limit=1).records
        recorded = pd.Timestamp(record.timestamp, unit="s")
        before = recorded - board.loc[tuple(key.split("|")), "trained_at"]
        assert pd.Timedelta(0) < before < pd.Timedelta("30s")


def test_all_is_well_after_a_retrain(trained: Trained) -> None:
    assert latest_check(trained.bench, "partitions_current") == (
        True,
        "all 4 partitions are there and made from what is current",
    )
    assert latest_check(trained.bench, "rank_ic_held") == (
        True,
        "nothing to compare with: there is no leaderboard before this one",
    )


def test_mornings_after(bench: Workbench) -> None:
    """One partition only; a fall of rank IC; a damaged leaderboard; changed parameters."""
    bench = bench.with_config(small_config(models={"xgboost": None}))
    for planned in bench.retrain(horizons=("21d",)):
        assert planned.success

    held, told = latest_check(bench, "partitions_current")
    assert not held
    assert told == (
        "1 of 2 partitions are missing or outdated: 63d|ridge: fitted_models is missing; "
        "materialize what is named, and what is made from it"
    )
    shown = metadata(bench)
    assert records(shown["partitions_to_renew"]) == [
        {"horizon": "63d", "model": "ridge", "what is wrong": "fitted_models is missing"}
    ]
    assert "oof_rank_correlation" not in shown
    assert shown["rank_ic_heatmap"].value.startswith("![](data:image/png;base64,")

    train(bench, "63d|ridge")
    summarize(bench)
    assert latest_check(bench, "partitions_current")[0]
    assert latest_check(bench, "rank_ic_held")[1].startswith("1 rank ICs compared")

    board = bench.read("leaderboard")
    falls = pd.Series([1.01, 0.99], index=["21d", "63d"])[board["horizon"]].to_numpy()
    rewrite_board(bench, rank_ic=board["rank_ic"] + falls * board["rank_ic_se"])
    summarize(bench)
    held, told = latest_check(bench, "rank_ic_held")
    assert not held
    assert "21d|ridge from" in told
    assert "63d|ridge" not in told
    (first, second) = records(metadata(bench)["rank_ic_changes"])
    assert (first["change / error"], second["change / error"]) == (-1.01, -0.99)
    after = bench.read("leaderboard")
    np.testing.assert_allclose(after["rank_ic_change"], -falls * after["rank_ic_se"], rtol=1e-9)

    bench.store.path(BOARD).write_bytes(b"damaged")
    summarize(bench)
    held, told = latest_check(bench, "rank_ic_held")
    assert held
    assert "cannot be read" in told
    assert bench.read("leaderboard")["rank_ic_change"].isna().all()

    changed = small_config(
        models={"ridge": {"params": {"alpha": 7.0}}, "xgboost": None}, checks={"hours": 1e-6}
    )
    bench.store.path(Address("us", "cv_scores", "63d", "ridge")).unlink()
    summarize(bench.with_config(changed))
    held, told = latest_check(bench, "partitions_current")
    assert not held
    assert told.startswith(
        "2 of 2 partitions are missing or outdated: 21d|ridge: fitted_models was made with "
        "other settings of the model; 63d|ridge: cv_scores is missing; "
    )
    beyond = bench.check_records("leaderboard", "within_budget")[0].evaluation
    assert (beyond.passed, beyond.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "(checks.hours)" in beyond.description
    assert len(bench.read("leaderboard")) == 1
