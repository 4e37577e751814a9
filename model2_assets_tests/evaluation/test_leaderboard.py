from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model2_assets.contracts import load_contract
from model2_assets.evaluation import ic as _date_blocks
from model2_assets.evaluation import oof_rank_correlation
from model2_assets.evaluation.leaderboard import (
    by_model_and_horizon,
    compare_partitions,
    folds_of,
    leaderboard_version,
    rank_ic_changes,
    readable_board,
    readable_changes,
)
from model2_assets.evaluation.overfitting import HorizonOverfitting
from model2_assets.panel import panel_index
from model2_assets.storage.conformity import require_conformity
from model2_assets.storage.data_version import with_provenance
from model2_assets.storage.models import Manifest, ModelFile
from model2_assets_tests.sample_models import sample_provenance
from model2_assets_tests.sample_tables import leaderboard, oof_predictions


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
    provenance = sample_provenance(
        horizon=horizon, model=model, seconds=seconds, peak_rss_bytes=rss
    )
    return Manifest(**vars(provenance), folds=folds, library_versions={})


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


def rank_ic_changes_board(rows):
    columns = ["horizon", "model", "rank_ic", "rank_ic_se", "data_version"]
    return pd.DataFrame(rows, columns=columns).astype({"rank_ic": float, "rank_ic_se": float})


NOW = rank_ic_changes_board(
    [
        ("21d", "xgboost", 0.030, 0.010, "x2"),
        ("21d", "ridge", 0.010, 0.008, "r1"),
        ("63d", "ridge", 0.020, 0.012, "n1"),
    ]
)


def test_each_partition_is_compared_with_itself_whatever_the_order():
    before = rank_ic_changes_board(
        [
            ("5d", "ridge", 0.5, 0.1, "gone"),
            ("21d", "ridge", 0.010, 0.008, "r1"),
            ("21d", "xgboost", 0.045, 0.011, "x1"),
        ]
    )
    changes = rank_ic_changes(NOW, before)
    assert list(zip(changes["horizon"], changes["model"], strict=True)) == [
        ("21d", "xgboost"),
        ("21d", "ridge"),
        ("63d", "ridge"),
    ]
    np.testing.assert_allclose(changes["rank_ic_before"], [0.045, 0.010, np.nan])
    np.testing.assert_allclose(changes["rank_ic"], [0.030, 0.010, 0.020])
    np.testing.assert_allclose(changes["rank_ic_change"], [-0.015, 0.0, np.nan])
    np.testing.assert_allclose(changes["rank_ic_se"], [0.010, 0.008, 0.012])
    assert changes["predictions_changed"].tolist() == [True, False, pd.NA]


def test_without_a_leaderboard_before_nothing_is_known():
    changes = rank_ic_changes(NOW, None)
    assert changes[["rank_ic_before", "rank_ic_change"]].isna().all(axis=None)
    assert changes["predictions_changed"].isna().all()
    assert len(rank_ic_changes(NOW.iloc[:0], None)) == 0
    assert len(rank_ic_changes(NOW.iloc[:0], NOW)) == 0


DATES = pd.bdate_range("2024-01-01", periods=6)


def column(prediction, index):
    return pd.DataFrame({"prediction": np.asarray(prediction, dtype=float)}, index=index)


def dates_by_names(n_dates, n_names):
    names = [f"S{i:02}" for i in range(n_names)]
    return panel_index(names * n_dates, np.repeat(DATES[:n_dates], n_names))


def oracle(oof):
    """Return pandas' own Spearman correlation of every date, averaged."""
    wide = pd.concat({key: frame["prediction"] for key, frame in oof.items()}, axis=1).dropna()
    daily = [date.corr("spearman") for _, date in wide.groupby("datetime") if len(date) >= 3]
    nothing = pd.DataFrame(np.nan, index=list(oof), columns=list(oof))
    return pd.concat([*daily, nothing]).groupby(level=0).mean()


def test_hand_worked_dates():
    # On the first date the ranks 123 and 132 correlate by 1/2, on the second 123 and 321 by -1.
    index = dates_by_names(2, 3)
    oof = {
        "21d|ridge": column([1, 2, 3, 10, 20, 30], index),
        "21d|xgboost": column([1, 9, 2, 3, 2, 1], index),
    }
    found = oof_rank_correlation(oof)
    expected = [[1.0, -0.25], [-0.25, 1.0]]
    np.testing.assert_allclose(found.matrix, expected, atol=1e-15)
    assert list(found.matrix.index) == list(found.matrix.columns) == list(oof)
    assert (found.n_rows, found.n_dates) == (6, 2)
    assert found.mean_between == pytest.approx(-0.25)


def test_a_drift_common_to_all_names_is_no_agreement():
    index = dates_by_names(2, 3)
    first, second = np.array([1, 2, 3]), np.array([3, 2, 1])
    oof = {
        "a": column(np.concatenate([first, first + 1000]), index),
        "b": column(np.concatenate([second, second + 1000]), index),
    }
    assert oof_rank_correlation(oof).mean_between == pytest.approx(-1.0)
    pooled = np.corrcoef(oof["a"]["prediction"], oof["b"]["prediction"])[0, 1]
    assert pooled > 0.99


def test_only_rows_that_all_have_count():
    index = dates_by_names(2, 4)
    short = index[[0, 1, 2, 4, 5]]
    oof = {
        "21d": column([1, 2, 3, 0, 5, 6, 7, 8], index),
        "63d": column([1, 3, 2, 9, 9], short),
    }
    found = oof_rank_correlation(oof)
    assert (found.n_rows, found.n_dates) == (5, 2)
    # The second date has two common names, which say nothing.
    np.testing.assert_allclose(found.matrix, [[1.0, 0.5], [0.5, 1.0]], atol=1e-15)


def test_one_partition_correlates_with_itself_alone():
    found = oof_rank_correlation({"21d|ridge": column(range(6), dates_by_names(2, 3))})
    np.testing.assert_allclose(found.matrix, [[1.0]])
    assert np.isnan(found.mean_between)


def test_without_partitions_or_common_rows_there_is_nothing():
    assert oof_rank_correlation({}).matrix.shape == (0, 0)
    assert np.isnan(oof_rank_correlation({}).mean_between)
    index = dates_by_names(2, 3)
    found = oof_rank_correlation(
        {"a": column(range(3), index[:3]), "b": column(range(3), index[3:])}
    )
    assert found.matrix.isna().all(axis=None)
    assert (found.n_rows, found.n_dates) == (0, 0)


def test_a_date_where_a_column_is_constant_does_not_count_for_its_pairs():
    index = dates_by_names(2, 3)
    oof = {
        "a": column([1, 2, 3, 1, 2, 3], index),
        "b": column([7, 7, 7, 1, 2, 3], index),
        "c": column([3, 2, 1, 1, 2, 3], index),
    }
    matrix = oof_rank_correlation(oof).matrix
    assert matrix.loc["a", "b"] == pytest.approx(1.0)
    assert matrix.loc["a", "c"] == pytest.approx(0.0)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    counts=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    n_columns=st.integers(1, 4),
    seed=st.integers(0, 2**16),
    data=st.data(),
)
def test_agrees_with_pandas_in_any_row_order(counts, n_columns, seed, data):
    rng = np.random.default_rng(seed)
    dates = DATES[: len(counts)]
    index = panel_index([f"S{i}" for n in counts for i in range(n)], np.repeat(dates, counts))
    ints = hnp.arrays(np.int64, len(index), elements=st.integers(-9, 9))
    oof = {}
    for position in range(n_columns):
        rows = rng.permutation(len(index))[: max(1, len(index) - rng.integers(0, 4))]
        oof[str(position)] = column(data.draw(ints)[rows], index[rows])
    found = oof_rank_correlation(oof).matrix
    expected = oracle(oof)
    np.testing.assert_allclose(found, expected.loc[found.index, found.columns], atol=1e-12)


@pytest.mark.parametrize("cells", [1, 30])
def test_chunks_do_not_matter(cells, monkeypatch):
    rng = np.random.default_rng(0)
    index = dates_by_names(6, 9)
    oof = {key: column(rng.integers(0, 9, size=len(index)), index) for key in "abc"}
    expected = oof_rank_correlation(oof).matrix
    monkeypatch.setattr(_date_blocks, "_CHUNK_CELLS", cells)
    pd.testing.assert_frame_equal(oof_rank_correlation(oof).matrix, expected)


SAMPLE = leaderboard().assign(
    horizon=["21d", "5d"],
    model=["ridge", "xgboost"],
    rank_ic=[0.0123456, np.nan],
    n_effective=[1234.6, np.nan],
    top_quantile_turnover=[0.12345, np.nan],
    coverage=[0.98765, np.nan],
    determinism_difference=[1.5e-12, np.nan],
    models_bytes=[1234567.0, np.nan],
    peak_rss_bytes=[987.6e6, np.nan],
    data_version=["0123456789abcdef", "b"],
)


def test_figures_are_rounded_in_the_units_of_their_headings():
    tables = readable_board(SAMPLE)
    scores, making, details = (tables[name].iloc[0] for name in ("scores", "making", "details"))
    assert scores["horizon"] == making["horizon"] == details["horizon"] == "21d"
    assert scores["rank IC"] == 0.0123
    assert scores["turnover %"] == 12.3
    assert making["coverage %"] == 98.76
    assert making["refit bps"] == 1.5e-12
    assert making["models MB"] == 1.23
    assert details["peak RSS MB"] == 988
    assert making["version"] == "01234567"
    assert making["trained UTC"] == "2024-01-03 02:15"
    assert details["eff. dates"] == 1235
    assert np.isnan(tables["scores"]["rank IC"].iloc[1])
    assert tables["making"]["trained UTC"].iloc[1] == "–"


def test_every_column_of_the_leaderboard_is_shown_once_where_there_are_several_paths():
    several = SAMPLE.assign(rank_ic_path_min=[0.1, 0.1], rank_ic_path_max=[0.2, 0.2])
    tables = readable_board(several)
    shown = [heading for table in tables.values() for heading in table.columns[2:]]
    assert len(shown) == len(set(shown)) == SAMPLE.shape[1] - 2
    assert set(tables["details"]) - set(readable_board(SAMPLE)["details"]) == {
        "worst path",
        "median path",
        "best path",
    }


def test_matrix_has_models_by_name_and_horizons_by_length_with_gaps():
    board = pd.DataFrame(
        {
            "horizon": ["126d", "21d", "21d"],
            "model": ["ridge", "xgboost", "lasso"],
            "rank_ic": [0.3, 0.2, np.nan],
        }
    )
    matrix = by_model_and_horizon(board, "rank_ic")
    assert list(matrix.index) == ["lasso", "ridge", "xgboost"]
    assert list(matrix.columns) == ["21d", "126d"]
    np.testing.assert_array_equal(matrix, [[np.nan, np.nan], [np.nan, 0.3], [0.2, np.nan]])
    assert by_model_and_horizon(board.iloc[:1], "rank_ic").to_numpy().tolist() == [[0.3]]
    assert by_model_and_horizon(board.iloc[:0], "rank_ic").empty


def test_changes_are_told_in_standard_errors():
    before = SAMPLE.assign(rank_ic=[0.02, 0.0], data_version=["other", "b"])
    table = readable_changes(rank_ic_changes(SAMPLE.assign(rank_ic_se=0.004), before))
    first = table.iloc[0].to_dict()
    assert first == {
        "horizon": "21d",
        "model": "ridge",
        "rank IC before": 0.02,
        "rank IC": 0.0123,
        "change": -0.0077,
        "std. error": 0.004,
        "change / error": -1.91,
        "predictions": "new",
    }
    assert table["predictions"].tolist() == ["new", "the same"]
    assert readable_changes(rank_ic_changes(SAMPLE, None))["predictions"].isna().all()
