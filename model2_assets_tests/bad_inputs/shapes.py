"""Panels shaped like real markets, and what the graph does with each.

``python -m model2_assets_tests.bad_inputs.shapes`` retrains on every one of them by the
``model2`` command and prints a Markdown table; some minutes.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from click.testing import CliRunner

from model2_assets.cli.main import main
from model2_assets.market_data import synthetic_panel
from model2_assets_tests.bad_inputs.folders import open_folder

SHARED = Path(__file__).parents[3] / "shared" / "data" / "sp500_ohlcv_2013_2018.parquet"

REGION = {"labels": {"horizons": [5, 21]}}

_SETTINGS: dict[str, Any] = {
    "models": {"xgboost": {"params": {"n_estimators": 10, "min_child_weight_fraction": 0.02}}},
    "reports": {"pictures": False, "tear_sheets": False},
}


@dataclass(frozen=True)
class Shape:
    """A market, and what it comes to.

    Attributes
    ----------
    name : str
        In words.
    bars : callable
        Makes the bars.
    counts : mapping of str to int
        Of the market data, the labels and the features: what marks the shape.
    refusal : str
        The sentence with which it is refused; empty where the graph runs.
    """

    name: str
    bars: Callable[[], pd.DataFrame]
    counts: Mapping[str, int]
    refusal: str = ""


def _market(n_instruments: int = 15, n_dates: int = 400, **settings: Any) -> pd.DataFrame:
    return synthetic_panel(
        n_instruments=n_instruments,
        n_dates=n_dates,
        seed=3,
        signal=0.0,
        start="2018-01-02",
        **settings,
    )


def _number(bars: pd.DataFrame) -> "pd.Series[int]":
    return bars["instrument"].str.slice(1).astype(int)


def _day(bars: pd.DataFrame) -> pd.Series:
    return pd.Series(bars["datetime"].factorize(sort=True)[0], index=bars.index)


def every_day_of_the_week() -> pd.DataFrame:
    """Crypto: no weekend, prices of a millionth, volumes of 10^12 units."""
    bars = _market()
    days = pd.date_range("2019-01-01", periods=400).as_unit("us")
    bars["datetime"] = days[_day(bars)]
    tiny = _number(bars) < 3
    bars.loc[tiny, ["open", "high", "low", "close"]] *= 1e-8
    bars.loc[tiny, "volume"] *= 1e6
    return bars


def staggered_listings() -> pd.DataFrame:
    """Every instrument lists 20 days after the one before."""
    bars = _market()
    return bars[_day(bars) >= 20 * _number(bars)]


def delistings() -> pd.DataFrame:
    """From day 150 on, an instrument in three leaves every 20 days; one returns."""
    bars = _market()
    last = 150 + 20 * _number(bars)
    leaves = _number(bars) % 3 == 0
    returns = (_number(bars) == 3) & (_day(bars) >= 320)
    return bars[~leaves | (_day(bars) < last) | returns]


def half_days() -> pd.DataFrame:
    """Bars carry their closing time, and close at 13:00 with half the volume on some days."""
    bars = _market()
    is_half = _day(bars) % 40 == 39
    hours = pd.to_timedelta(np.where(is_half, 13, 16), unit="h")
    volume = bars["volume"].where(~is_half, (bars["volume"] / 2).round())
    return bars.assign(datetime=bars["datetime"] + hours, volume=volume)


def instruments_of_44_rows() -> pd.DataFrame:
    """Five instruments of fifteen have 44 rows."""
    bars = _market()
    return bars[(_number(bars) < 10) | (_day(bars) >= 400 - 44)]


def all_of_44_rows() -> pd.DataFrame:
    """No instrument has more than 44 rows, one listing after the other."""
    bars = _market()
    first = 10 * _number(bars)
    return bars[(_day(bars) >= first) & (_day(bars) < first + 44)]


def two_currencies() -> pd.DataFrame:
    """Half of the instruments are quoted in euros."""
    bars = _market()
    return bars.assign(currency=np.where(_number(bars) < 8, "USD", "EUR"))


def a_new_currency() -> pd.DataFrame:
    """One instrument goes from marks to euros, at 1.95583."""
    bars = two_currencies()
    changed = (_number(bars) == 2) & (_day(bars) < 200)
    bars.loc[changed, "currency"] = "DEM"
    bars.loc[changed, ["open", "high", "low", "close"]] *= 1.95583
    return bars


def two_calendars() -> pd.DataFrame:
    """Two exchanges with holidays of their own."""
    bars = _market()
    first = _number(bars) < 8
    return bars[~((first & (_day(bars) % 25 == 7)) | (~first & (_day(bars) % 30 == 11)))]


SHAPES = (
    Shape("24 hours, 7 days (crypto)", every_day_of_the_week, {"dates": 400, "rows": 6000}),
    Shape("staggered listings", staggered_listings, {"rows": 3900, "too_little_history": 900}),
    Shape(
        "delistings, and one that returns",
        delistings,
        # Four are delisted, one of which returns after 110 dates; a fifth left ten dates before
        # the end. Of each a row has no entry.
        {
            **{"rows": 5430, "long_gap_rows_5d": 0, "long_gap_rows_21d": 0, "new_histories": 1},
            **{"delisted_rows_21d": 4, "labelled_at_delisting_rows_21d": 4 * 21},
        },
    ),
    Shape("half-days, closing times", half_days, {"times_floored": 6000, "rows": 6000}),
    Shape(
        "instruments of 44 rows",
        instruments_of_44_rows,
        {"short_instruments": 5, "rows": 4220},
    ),
    Shape(
        "44 rows each, and no more",
        all_of_44_rows,
        {},
        "no row of the panel can have features: of its 660 rows in the universe the one with the "
        "longest history has 43 earlier bars of its instrument, and features.min_history_bars is "
        "60; give a longer history or lower the setting",
    ),
    Shape("two currencies", two_currencies, {"currencies": 2, "rows": 6000}),
    Shape(
        "an instrument that changes its currency",
        a_new_currency,
        {},
        "the currency changes from DEM to USD for S002 on 2018-10-09; convert all prices of an "
        "instrument into one currency",
    ),
    Shape("two exchanges with holidays of their own", two_calendars, {"rows": 5781}),
)


def fifty_of_the_sp500() -> pd.DataFrame:
    """Real bars: the ten shortest histories of the shared panel, and forty others."""
    bars = pd.read_parquet(SHARED)
    by_length = bars["instrument"].value_counts().sort_values(kind="stable").index
    return bars[bars["instrument"].isin([*by_length[:10], *by_length[10::12]])]


def retrain(shape: Shape, folder: Path) -> str:
    """Retrain on a shape by the command; return its row of the table."""
    shape.bars().to_parquet(folder / "bars.parquet", index=False)
    config = folder / "config.yaml"
    market_data = {"source": "parquet", "path": str(folder / "bars.parquet")}
    regions = {"us": {"market_data": market_data, **REGION}}
    config.write_text(yaml.safe_dump({"regions": regions, **_SETTINGS}), encoding="utf-8")
    environment = {"MODEL2_STORAGE": str(folder / "data"), "DAGSTER_HOME": str(folder)}
    done = CliRunner(env=environment).invoke(main, ["--config", str(config), "retrain"])
    if done.exit_code:
        failed = [line for line in done.stderr.splitlines() if line.startswith("FAILED step")]
        return f"| {shape.name} | exit {done.exit_code}: {' '.join(failed[:1]) or done.stderr} |"
    predictions = {
        f"{path.parent.name} {path.stem}": len(pd.read_parquet(path))
        for path in sorted((folder / "data/us/oof_predictions").glob("*/*.parquet"))
    }
    listed = ", ".join(f"{name} {count:,}" for name, count in predictions.items())
    return f"| {shape.name} | runs; out-of-fold rows: {listed} |"


def print_table(names: Sequence[str]) -> None:
    """Retrain on the shapes of these names, or on all, real bars last."""
    print("| shape | outcome |\n| --- | --- |")
    real = Shape("50 of the S&P 500, ten short", fifty_of_the_sp500, {})
    for shape in (*SHAPES, *([real] if SHARED.is_file() else [])):
        if names and shape.bars.__name__ not in names:
            continue
        with open_folder() as folder:
            print(retrain(shape, folder).replace(str(folder), ""), flush=True)


if __name__ == "__main__":
    print_table(sys.argv[1:])
