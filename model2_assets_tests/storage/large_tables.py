"""Tables of several parts: stores that write every table in parts of a few rows, and rows."""

import numpy as np
import pandas as pd

from model2_assets.panel import panel_index
from model2_assets.storage import Address
from model2_assets_tests.sample_tables import mark

ROWS_A_PART = 7

FEATURES, LABELS, MARKET_DATA = (
    Address("us", asset) for asset in ("features", "labels", "market_data")
)


def rows(counts=(3, 4, 9, 1, 2, 2)) -> pd.MultiIndex:
    """Return as many instruments on each business day; the first are listed last."""
    dates = pd.bdate_range("2024-01-01", periods=len(counts))
    names = [f"S{i}" for count in counts for i in range(9 - count, 9)]
    return panel_index(names, np.repeat(dates.to_numpy(), counts))


def table(address: Address, seed: int = 0, index: pd.MultiIndex | None = None) -> pd.DataFrame:
    """Return a table of an asset, with missing values, that states its data version."""
    index = rows() if index is None else index
    numbers = np.random.default_rng(seed).uniform(1, 2, (len(index), 2))
    numbers[len(index) // 2, 1] = np.nan
    frame = _table(address.asset, index, numbers)
    return mark(frame, market_data="m")


def _table(asset: str, index: pd.MultiIndex, numbers: np.ndarray) -> pd.DataFrame:
    if asset == "features":
        return pd.DataFrame(numbers.astype(np.float32), index=index, columns=["KMID", "ROC5"])
    if asset == "labels":
        ends = index.get_level_values("datetime") + pd.Timedelta(days=31)
        names = ["forward_return_21d", "label_21d"]
        frame = pd.DataFrame(numbers, index=index, columns=names)
        frame["label_end_21d"] = ends.as_unit("us")
        frame.loc[frame["label_21d"].isna(), ["forward_return_21d", "label_end_21d"]] = None
        return frame
    frame = pd.DataFrame(numbers, index=index, columns=["close", "volume"])
    frame["in_universe"] = numbers[:, 0] > 1.5
    return frame.assign(history=np.ones(len(index), dtype=np.int16))
