import numpy as np
import pandas as pd

from model2_assets.evaluation.leaderboard import (
    by_model_and_horizon,
    rank_ic_changes,
    readable_board,
    readable_changes,
)
from model2_assets_tests.sample_tables import leaderboard

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
