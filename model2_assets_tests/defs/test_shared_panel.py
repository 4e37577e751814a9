"""A part of a real, dirty panel through the whole graph."""

from pathlib import Path

import pandas as pd
import pytest

from model2_assets_tests.defs.small_region import SMALL_XGBOOST, Workbench, small_config

PANEL = Path(__file__).parents[3] / "shared" / "data" / "sp500_ohlcv_2013_2018.parquet"

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.shared_data,
    pytest.mark.skipif(not PANEL.is_file(), reason=f"{PANEL.name} is not beside the repository"),
]


def dirty_part(folder: Path) -> Path:
    """Write the 15 dirtiest instruments and 10 clean ones, and return the file."""
    panel = pd.read_parquet(PANEL)
    prices = panel[["open", "high", "low"]]
    dirty = prices.isna().any(axis=1) | (panel["high"] < panel["low"]) | (panel["volume"] == 0)
    rows = panel.groupby("instrument")["close"].size()
    chosen = [
        *panel.loc[dirty, "instrument"].unique()[:10],
        *rows.sort_values().index[:5],
        *rows.sort_values().index[-10:],
    ]
    path = folder / "part.parquet"
    panel[panel["instrument"].isin(chosen)].to_parquet(path, index=False)
    return path


def test_dirty_real_prices_run_through_the_whole_graph(bench: Workbench, tmp_path: Path) -> None:
    config = small_config(
        regions={
            "sp500": {"market_data": {"source": "parquet", "path": str(dirty_part(tmp_path))}}
        },
        models={"xgboost": {"params": SMALL_XGBOOST}},
    )

    runs = bench.with_config(config).retrain(region="sp500")

    assert [run.failures for run in runs] == [()] * 6
    board = pd.read_parquet(tmp_path / "data" / "sp500" / "leaderboard.parquet")
    assert len(board) == 4
    assert (board["coverage"] == 1).all()
    assert (board["largest_prediction"] < 1000).all()
    features = pd.read_parquet(tmp_path / "data" / "sp500" / "features.parquet")
    assert features.shape[1] == 157
