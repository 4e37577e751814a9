from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from model2_assets.contracts import load_contract
from model2_assets.evaluation.leaderboard import compare_partitions, folds_of, leaderboard_version
from model2_assets.evaluation.overfitting import HorizonOverfitting
from model2_assets.storage.conformity import require_conformity
from model2_assets.storage.data_version import with_provenance
from model2_assets.storage.models import Manifest, ModelFile, Provenance
from model2_assets_tests.sample_tables import oof_predictions


def manifest(horizon: str, model: str, *, sizes=(100, 250), seconds=1.5, rss=10**8) -> Manifest:
    folds = tuple(
        ModelFile(
            split_id=split_id,
            file=f"fold_{split_id}-{'0' * 12}.joblib",
            sha256="0" * 64,
            bytes=size,
            digest="1" * 64,
            n_train=10,
            n_test=5,
            seconds=0.1,
        )
        for split_id, size in enumerate(sizes)
    )
    provenance = Provenance(
        region="us",
        horizon=horizon,
        model=model,
        trainer="model2_assets.training:RidgeTrainer",
        params={},
        seed=7,
        feature_names=("a",),
        data_versions={},
        row_order_hash="",
        seconds=seconds,
        peak_rss_bytes=rss,
    )
    return Manifest.of(provenance, folds=folds, library_versions={})


def scores(rank_ic: float, of_paths=(0.03, -0.01, 0.02, 0.01)) -> pd.DataFrame:
    overall = {
        "rank_ic": rank_ic,
        "rank_ic_se": 0.004,
        "rank_ic_t": 1.25,
        "n_effective": 40.0,
        "icir": 0.5,
        "r2": -0.01,
        "mse": 900.0,
        "decile_spread_bps": 12.0,
        "deflated_sharpe": 0.75,
    }
    rows = [("fold", name, 99.0) for name in overall] + [("split", "rank_ic", 88.0)]
    rows += [("path", "rank_ic", value) for value in of_paths]
    rows += [("path", "rank_ic_t", 77.0) for _ in of_paths]
    rows += [("all", name, value) for name, value in overall.items()]
    return pd.DataFrame(rows, columns=["scope", "metric", "value"]).assign(path_id=0)


OVERFITTING = {horizon: HorizonOverfitting(0.25, "") for horizon in ("5d", "21d", "63d", "126d")}


def oof(*, rows_tested: int = 4, n_folds: int = 5, version: str = "v") -> pd.DataFrame:
    return with_provenance(
        oof_predictions(),
        data_version=version,
        inputs={},
        rows_tested=rows_tested,
        n_folds=n_folds,
        determinism_difference_bps=1e-12,
    )


def three_dates_of_ten_names() -> pd.DataFrame:
    """Return predictions of which one of the five best is replaced on one of two dates."""
    ranked = ["ABCDEFGHIJ", "BCDEFAGHIJ", "BCDEFAGHIJ"]
    rows = [
        (name, f"2024-01-0{day}") for day, names in enumerate(ranked, start=2) for name in names
    ]
    table = oof_predictions(rows, prediction=np.arange(30.0), fold_id=[0] * 30)
    table.attrs = oof(rows_tested=40, version="21d|ridge").attrs
    return table


def board(**rank_ics: float) -> pd.DataFrame:
    """Compare partitions given as ``ridge_21d=0.01``."""
    parts = {name: name.rsplit("_", 1)[::-1] for name in rank_ics}
    keys = {name: "|".join(part) for name, part in parts.items()}
    return compare_partitions(
        scores={keys[name]: scores(value) for name, value in rank_ics.items()},
        oof={key: oof(version=key) for key in keys.values()},
        manifests={keys[name]: manifest(*part) for name, part in parts.items()},
        overfitting=OVERFITTING,
    )


def test_row_of_a_partition():
    (row,) = compare_partitions(
        scores={"21d|ridge": scores(0.02)},
        oof={"21d|ridge": three_dates_of_ten_names()},
        manifests={"21d|ridge": manifest("21d", "ridge")},
        overfitting=OVERFITTING,
        trained_at={"21d|ridge": datetime(2024, 1, 3, 2, 30, tzinfo=timezone(timedelta(hours=1)))},
        previous=board(ridge_21d=0.015),
    ).to_dict("records")
    assert row == {
        "horizon": "21d",
        "model": "ridge",
        "rank_ic": 0.02,
        "rank_ic_se": 0.004,
        "rank_ic_t": 1.25,
        "rank_ic_change": pytest.approx(0.005),
        "n_effective": 40.0,
        "rank_ic_path_min": -0.01,
        "rank_ic_path_median": 0.015,
        "rank_ic_path_max": 0.03,
        "icir": 0.5,
        "r2": -0.01,
        "mse": 900.0,
        "decile_spread_bps": 12.0,
        "top_quantile_turnover": pytest.approx(0.1),
        "deflated_sharpe": 0.75,
        "pbo": 0.25,
        "coverage": 0.75,
        "largest_prediction": 29.0,
        "determinism_difference": 1e-12,
        "models_bytes": 350.0,
        "seconds": 1.5,
        "peak_rss_bytes": 1e8,
        "data_version": "21d|ridge",
        "trained_at": pd.Timestamp("2024-01-03 01:30:00"),
    }


def test_board_keeps_its_contract():
    require_conformity(
        board(ridge_21d=0.02, ridge_63d=np.nan), load_contract("Leaderboard"), origin="board"
    )


def test_best_rank_ic_comes_first_within_a_horizon_and_horizons_count_as_numbers():
    table = board(
        ridge_21d=-0.01, xgboost_21d=0.03, lasso_21d=0.01, ridge_5d=0.0, ridge_126d=0.9,
        broken_21d=np.nan,
    )  # fmt: skip
    assert list(zip(table["horizon"], table["model"], strict=True)) == [
        ("5d", "ridge"),
        ("21d", "xgboost"),
        ("21d", "lasso"),
        ("21d", "ridge"),
        ("21d", "broken"),
        ("126d", "ridge"),
    ]
    assert table.index.tolist() == list(range(6))


def test_equal_scores_are_ordered_by_name_whatever_the_order_of_the_input():
    one = board(xgboost_21d=0.01, ridge_21d=0.01, lasso_21d=0.01)
    other = board(lasso_21d=0.01, xgboost_21d=0.01, ridge_21d=0.01)
    assert one["model"].tolist() == ["lasso", "ridge", "xgboost"]
    pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize("absent", ["scores", "oof", "manifests"])
def test_partition_that_lacks_an_input_is_left_out(absent):
    keys = {"21d|ridge": ("21d", "ridge"), "21d|xgboost": ("21d", "xgboost")}
    inputs = {
        "scores": {key: scores(0.01) for key in keys},
        "oof": {key: oof() for key in keys},
        "manifests": {key: manifest(*part) for key, part in keys.items()},
    }
    del inputs[absent]["21d|xgboost"]
    assert compare_partitions(**inputs, overfitting=OVERFITTING)["model"].tolist() == ["ridge"]


def test_board_without_partitions_is_empty_and_keeps_its_contract():
    table = compare_partitions(scores={}, oof={}, manifests={}, overfitting={})
    assert table.shape == (0, 25)
    require_conformity(table, load_contract("Leaderboard"), origin="board")
    assert leaderboard_version(table) == leaderboard_version(table.copy())


def test_version_leaves_out_costs_and_history_and_nothing_else():
    table = board(ridge_21d=0.02, xgboost_21d=0.01)
    version = leaderboard_version(table)
    others = dict.fromkeys(("horizon", "model", "data_version"), "9d")
    others["trained_at"] = pd.Timestamp("2024-01-03")
    left_out = ("seconds", "peak_rss_bytes", "rank_ic_change", "trained_at")
    for column in table.columns:
        changed = table.copy()
        changed.loc[1, column] = others.get(column, 123.0)
        assert (leaderboard_version(changed) == version) == (column in left_out), column


def test_partition_whose_time_is_not_known_has_none():
    assert board(ridge_21d=0.02)["trained_at"].isna().all()
    keys = {"21d|ridge": ("21d", "ridge"), "21d|lasso": ("21d", "lasso")}
    table = compare_partitions(
        scores={key: scores(0.01) for key in keys},
        oof={key: oof() for key in keys},
        manifests={key: manifest(*part) for key, part in keys.items()},
        overfitting=OVERFITTING,
        trained_at={"21d|ridge": datetime(2024, 1, 3, tzinfo=UTC), "21d|lasso": None},
    )
    assert table.set_index("model")["trained_at"].isna().to_dict() == {
        "lasso": True,
        "ridge": False,
    }
    require_conformity(table, load_contract("Leaderboard"), origin="board")


def test_folds_of_each_partition_come_from_its_provenance():
    assert folds_of({"21d|ridge": oof(n_folds=5), "63d|ridge": oof(n_folds=4)}) == {
        "21d|ridge": 5,
        "63d|ridge": 4,
    }
    assert folds_of({}) == {}


def test_overfitting_is_that_of_the_horizon_and_empty_where_it_is_withheld():
    keys = {"21d|ridge": ("21d", "ridge"), "63d|ridge": ("63d", "ridge")}
    table = compare_partitions(
        scores={key: scores(0.01) for key in keys},
        oof={key: oof() for key in keys},
        manifests={key: manifest(*part) for key, part in keys.items()},
        overfitting={
            "21d": HorizonOverfitting(0.5, "as told"),
            "63d": HorizonOverfitting(np.nan, "withheld"),
        },
    )
    assert table["pbo"].fillna(-1).tolist() == [0.5, -1]
    require_conformity(table, load_contract("Leaderboard"), origin="board")


def test_one_path_is_the_whole_distribution():
    key = "21d|ridge"
    table = compare_partitions(
        scores={key: scores(0.01, of_paths=(0.01,))},
        oof={key: oof()},
        manifests={key: manifest("21d", "ridge")},
        overfitting=OVERFITTING,
    )
    names = ["rank_ic_path_min", "rank_ic_path_median", "rank_ic_path_max"]
    assert table[names].iloc[0].tolist() == [0.01] * 3
