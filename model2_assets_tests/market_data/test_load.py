import subprocess
import sys

import pandas as pd
import pytest
from skfolio.datasets import load_sp500_dataset

from model2_assets.config import MarketDataConfig
from model2_assets.errors import ConfigError, MarketDataError
from model2_assets.market_data import load_market_data


def test_demo_is_twenty_stocks_of_closes():
    data = load_market_data(MarketDataConfig())
    assert data.counts["rows"] == 8313 * 20
    assert data.counts["instruments"] == 20
    assert list(data.panel.columns) == ["close", "in_universe", "history"]
    assert data.panel.loc[("AAPL", pd.Timestamp("1990-01-02")), "close"] == 0.264
    assert "skfolio" in data.source
    closes = data.panel.reset_index().pivot_table("close", "datetime", "instrument")
    pd.testing.assert_frame_equal(closes, load_sp500_dataset(), check_names=False, check_exact=True)


def test_demo_without_skfolio_names_the_extra(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(MarketDataError, match=r"model2-assets\[demo\]"):
        load_market_data(MarketDataConfig())


def test_importing_the_package_does_not_import_skfolio_or_dagster():
    code = (
        "import sys, model2_assets.market_data, model2_assets.labels; "
        "print({'skfolio', 'dagster'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "set()"


def test_synthetic_params_reach_the_generator():
    config = MarketDataConfig(source="synthetic", params={"n_instruments": 3, "n_dates": 80})
    data = load_market_data(config)
    assert data.counts["rows"] == 240
    assert data.source == "synthetic market (n_dates=80, n_instruments=3)"
    with pytest.raises(ConfigError, match=r"market_data\.params: days: unknown key"):
        load_market_data(MarketDataConfig(source="synthetic", params={"days": 80}))
