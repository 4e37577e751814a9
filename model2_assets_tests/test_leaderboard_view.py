import numpy as np
import pandas as pd

from model2_assets.evaluation import rank_ic_changes
from model2_assets.leaderboard_view import rank_ic_matrix, readable_board, readable_changes
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
    row, unknown = readable_board(SAMPLE).to_dict("records")
    assert row["horizon"] == "21d"
    assert row["rank IC"] == 0.0123
    assert row["effective dates"] == 1235
    assert row["turnover of top decile (% a date)"] == 12.3
    assert row["coverage (%)"] == 98.76
    assert row["difference after refit (bps)"] == 1.5e-12
    assert row["models (MB)"] == 1.23
    assert row["peak memory (MB)"] == 988
    assert row["data version"] == "0123456789ab"
    assert row["trained (UTC)"] == "2024-01-03 02:15"
    assert np.isnan(unknown["rank IC"])
    assert unknown["trained (UTC)"] == "–"


def test_every_column_of_the_leaderboard_is_shown_where_there_are_several_paths():
    several = SAMPLE.assign(rank_ic_path_min=[0.1, 0.1], rank_ic_path_max=[0.2, 0.2])
    assert readable_board(several).shape[1] == SAMPLE.shape[1]
    assert readable_board(SAMPLE).shape[1] == SAMPLE.shape[1] - 3


def test_matrix_has_models_by_name_and_horizons_by_length_with_gaps():
    board = pd.DataFrame(
        {
            "horizon": ["126d", "21d", "21d"],
            "model": ["ridge", "xgboost", "lasso"],
            "rank_ic": [0.3, 0.2, np.nan],
        }
    )
    matrix = rank_ic_matrix(board)
    assert list(matrix.index) == ["lasso", "ridge", "xgboost"]
    assert list(matrix.columns) == ["21d", "126d"]
    np.testing.assert_array_equal(matrix, [[np.nan, np.nan], [np.nan, 0.3], [0.2, np.nan]])
    assert rank_ic_matrix(board.iloc[:1]).to_numpy().tolist() == [[0.3]]
    assert rank_ic_matrix(board.iloc[:0]).empty


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
        "standard error": 0.004,
        "change / standard error": -1.91,
        "predictions": "new",
    }
    assert table["predictions"].tolist() == ["new", "the same"]
    assert readable_changes(rank_ic_changes(SAMPLE, None))["predictions"].isna().all()
