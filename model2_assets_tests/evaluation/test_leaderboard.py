import numpy as np
import pandas as pd
import pytest

from model2_assets.conformity import require_conformity
from model2_assets.contracts import load_contract
from model2_assets.evaluation import compare_partitions, folds_of, leaderboard_version
from model2_assets.provenance import with_provenance
from model2_assets.training import FoldFile, Manifest, Provenance
from model2_assets_tests.sample_tables import oof_predictions


def manifest(horizon: str, model: str, *, sizes=(100, 250), seconds=1.5, rss=10**8) -> Manifest:
    folds = tuple(
        FoldFile(
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


def scores(rank_ic: float) -> pd.DataFrame:
    overall = {"rank_ic": rank_ic, "rank_ic_t": 1.25, "icir": 0.5, "r2": -0.01, "mse": 900.0}
    rows = [("fold", 0, name, 99.0) for name in overall]
    rows += [("all", None, name, value) for name, value in overall.items()]
    frame = pd.DataFrame(rows, columns=["scope", "fold_id", "metric", "value"])
    return frame.astype({"fold_id": "Int16"})


def oof(*, rows_with_label: int = 4, n_folds: int = 5, version: str = "v") -> pd.DataFrame:
    return with_provenance(
        oof_predictions(),
        data_version=version,
        inputs={},
        rows_with_label=rows_with_label,
        n_folds=n_folds,
        determinism_difference_bps=1e-12,
    )


def board(**rank_ics: float) -> pd.DataFrame:
    """Compare partitions given as ``ridge_21d=0.01``."""
    parts = {name: name.rsplit("_", 1)[::-1] for name in rank_ics}
    keys = {name: "|".join(part) for name, part in parts.items()}
    return compare_partitions(
        scores={keys[name]: scores(value) for name, value in rank_ics.items()},
        oof={key: oof(version=key) for key in keys.values()},
        manifests={keys[name]: manifest(*part) for name, part in parts.items()},
    )


def test_row_of_a_partition():
    (row,) = board(ridge_21d=0.02).to_dict("records")
    assert row == {
        "horizon": "21d",
        "model": "ridge",
        "rank_ic": 0.02,
        "rank_ic_t": 1.25,
        "icir": 0.5,
        "r2": -0.01,
        "mse": 900.0,
        "coverage": 0.75,
        "largest_prediction": 3.25,
        "determinism_difference": 1e-12,
        "models_bytes": 350.0,
        "seconds": 1.5,
        "peak_rss_bytes": 1e8,
        "data_version": "21d|ridge",
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
    assert compare_partitions(**inputs)["model"].tolist() == ["ridge"]


def test_board_without_partitions_is_empty_and_keeps_its_contract():
    table = compare_partitions(scores={}, oof={}, manifests={})
    assert table.shape == (0, 14)
    require_conformity(table, load_contract("Leaderboard"), origin="board")
    assert leaderboard_version(table) == leaderboard_version(table.copy())


def test_version_leaves_out_time_and_memory_and_nothing_else():
    table = board(ridge_21d=0.02, xgboost_21d=0.01)
    version = leaderboard_version(table)
    for column in table.columns:
        changed = table.copy()
        value = "9d" if column in ("horizon", "model", "data_version") else 123.0
        changed.loc[1, column] = value
        is_cost = column in ("seconds", "peak_rss_bytes")
        assert (leaderboard_version(changed) == version) == is_cost, column


def test_folds_of_each_partition_come_from_its_provenance():
    assert folds_of({"21d|ridge": oof(n_folds=5), "63d|ridge": oof(n_folds=4)}) == {
        "21d|ridge": 5,
        "63d|ridge": 4,
    }
    assert folds_of({}) == {}
