"""One market in files that differ in everything but their bars."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from model2_assets.market_data import synthetic_panel

MARKET: Mapping[str, Any] = {"n_instruments": 12, "n_dates": 460, "seed": 11, "signal": 0.0}

FORMS = ("parquet", "parquet, rows shuffled", "parquet, columns shuffled", "csv, rows shuffled")


def write_market(folder: Path, form: str) -> dict[str, Any]:
    """Write the market in one of `FORMS`; return the ``market_data`` section that reads it."""
    bars = synthetic_panel(**MARKET)
    shuffled = np.random.default_rng(5)
    if "rows" in form:
        bars = bars.iloc[shuffled.permutation(len(bars))]
    if "columns" in form:
        bars = bars[list(shuffled.permutation(bars.columns))]
    source = form.partition(",")[0]
    path = folder / f"bars.{source}"
    _write(bars, path)
    return {"source": source, "path": str(path)}


def _write(bars: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".csv":
        bars.to_csv(path, index=False)
    else:
        bars.to_parquet(path, index=False)
