"""What a retrain ends with: final models, and predictions to trade from."""

import dagster as dg
import pandas as pd
import pytest

from model2_assets_tests.defs.conftest import Trained

pytestmark = pytest.mark.end_to_end

PARTITIONS = [(h, m) for h in ("21d", "63d") for m in ("ridge", "xgboost")]


@pytest.mark.parametrize(("horizon", "model"), PARTITIONS)
def test_every_labelled_row_was_trained_on_and_every_other_is_live(
    trained: Trained, horizon: str, model: str
) -> None:
    live = trained.bench.read("live_predictions", horizon, model)
    oof = trained.bench.read("oof_predictions", horizon, model)
    features = trained.bench.read("features")
    manifest = trained.bench.read("final_models", horizon, model).manifest

    assert manifest.trained_on.rows == len(oof)
    dates = oof.index.get_level_values("datetime")
    assert manifest.trained_on.first_date == str(dates.min().date())
    assert manifest.trained_on.last_date == str(dates.max().date())
    assert not live.index.intersection(oof.index).size
    # All instruments of the synthetic region trade to the end.
    assert live.index.union(oof.index).equals(features.index.sort_values())


@pytest.mark.parametrize(("horizon", "model"), PARTITIONS)
def test_the_newest_date_is_predicted_for_every_instrument(
    trained: Trained, horizon: str, model: str
) -> None:
    live = trained.bench.read("live_predictions", horizon, model)
    dates = trained.bench.read("market_data").index.get_level_values("datetime")

    newest = live.xs(dates.max(), level="datetime")

    assert len(newest) == 12
    n_dates = {"21d": 22, "63d": 64}[horizon]
    assert live.index.get_level_values("datetime").nunique() == n_dates


def test_fold_and_final_models_have_the_same_settings_and_different_rows(trained: Trained) -> None:
    folds = trained.bench.read("fitted_models", "21d", "xgboost").manifest
    final = trained.bench.read("final_models", "21d", "xgboost").manifest

    same = ("trainer", "params", "seed", "sample_weights", "feature_names", "row_order_hash")
    assert {name: getattr(final, name) for name in same} == {
        name: getattr(folds, name) for name in same
    }
    assert (folds.kind, final.kind) == ("fold_models", "final_model")
    (file,) = final.folds
    assert all(file.n_train > fold.n_train for fold in folds.folds)


def test_figures_are_on_the_asset_page(trained: Trained) -> None:
    event = trained.bench.instance.get_latest_materialization_event(
        dg.AssetKey(["us", "live_predictions"])
    )

    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    last = trained.bench.read("market_data").index.get_level_values("datetime").max()
    assert metadata["newest_date"].value == f"{last:%Y-%m-%d}"
    assert metadata["instruments"].value == 12
    assert metadata["psi"].value >= 0
    assert [record.data["rank"] for record in metadata["newest"].value.records] == [*range(1, 13)]


def test_plain_pandas_reads_the_file(trained: Trained) -> None:
    path = trained.bench.store.base / "us" / "live_predictions" / "21d" / "ridge.parquet"

    frame = pd.read_parquet(path)

    assert list(frame.index.names) == ["instrument", "datetime"]
    assert frame.dtypes.astype(str).to_dict() == {"prediction": "float64"}
