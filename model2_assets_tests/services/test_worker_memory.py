"""Workers with less memory than the matrix of features takes."""

import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from model2_assets.config import FeaturesConfig, parse_config
from model2_assets_tests.engines.cluster import running_cluster
from model2_assets_tests.engines.region import bits, fitted, store_tables

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
    pytest.mark.timeout(1800),
]

SIZE = {"n_instruments": 300, "n_dates": 2400, "seed": 3, "signal": 0.0}
N_FEATURES = 400
LIMIT = 900_000_000
"""Bytes that each worker may have; the features take 1.15e9."""

CONFIG = parse_config(
    {
        "regions": {
            "us": {
                "market_data": {"source": "synthetic", "params": SIZE},
                "labels": {"horizons": [21]},
                "cross_validation": {"n_groups": 3},
            }
        },
        "models": {
            "xgboost": {"params": {"n_estimators": 5, "max_bin": 64}, "calibration": "none"}
        },
    }
)


def ranks_of(panel: pd.DataFrame, _settings: FeaturesConfig) -> pd.DataFrame:
    """Draw ranks at random."""
    ranks = np.random.default_rng(0).random((len(panel), N_FEATURES), dtype=np.float32) - 0.5
    names = [f"rank_{number}" for number in range(N_FEATURES)]
    return pd.DataFrame(ranks, panel.index, names)


class Watch(threading.Thread):
    """Looks at the memory of processes, but for the pages of files, and keeps the most."""

    def __init__(self, processes: list[int]) -> None:
        super().__init__(daemon=True)
        self.processes, self.peak, self.over = processes, 0, threading.Event()
        self.start()

    def run(self) -> None:
        while not self.over.wait(0.02):
            for process in self.processes:
                lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
                own = next(line.split()[1] for line in lines if line.startswith("RssAnon"))
                self.peak = max(self.peak, int(own) * 1024)


def test_models_are_fitted_within_less_memory_than_the_features_take(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    tables = store_tables(tmp_path / "data", CONFIG, features_of=ranks_of)
    assert tables.features.size * 4 > 1.2 * LIMIT
    here = {model: bits(fitted(CONFIG, tables, model)) for model in ("xgboost", "ridge")}
    for sums in (tmp_path / "data").rglob("ridge_sums/*"):
        sums.unlink()
    with running_cluster(tmp_path / "cluster", memory=str(LIMIT)) as cluster:
        for model, expected in here.items():
            watch = Watch([worker.pid for worker in cluster.workers])
            made = bits(fitted(CONFIG, tables, model, execution=cluster.execution()))
            watch.over.set()
            watch.join()
            print(f"{model}: {watch.peak / 1e6:.0f} MB of {LIMIT / 1e6:.0f} MB")
            assert made == expected
            assert watch.peak < LIMIT
    assert "each by 2 workers: one needs about" in caplog.text
