"""docs/files.md shows how files of others are read, or saved otherwise; its examples are run."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from model2_assets.config import MarketDataConfig
from model2_assets.market_data import load_market_data
from model2_assets.market_data.universe import mark_universe, read_universe
from model2_assets_tests.market_data.small_bars import BARS, PANEL, load

PAGE = (Path(__file__).parents[2] / "docs" / "files.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def example(first_line: str) -> str:
    (found,) = re.findall(rf"```\w+\n(# {re.escape(first_line)}.*?)```", PAGE, flags=re.DOTALL)
    return str(found)


def run(first_line: str) -> None:
    exec(compile(example(first_line), "docs/files.md", "exec"), {})


def test_bulk_files_of_stooq_are_read():
    folder = Path("data/daily/us/nasdaq stocks/1")
    folder.mkdir(parents=True)
    for name, own in BARS.groupby("instrument"):
        columns = {f"<{key.upper()}>": own[key] for key in ("open", "high", "low", "close")}
        ticker, day = f"{name}.US", own["datetime"].dt.strftime("%Y%m%d")
        start = {"<TICKER>": ticker, "<PER>": "D", "<DATE>": day, "<TIME>": "000000"}
        table = pd.DataFrame({**start, **columns, "<VOL>": own["volume"], "<OPENINT>": 0})
        table.to_csv(folder / f"{name.lower()}.us.txt", index=False)
    settings = yaml.safe_load(example("stooq.yaml"))["regions"]["us"]["market_data"]

    panel = load_market_data(MarketDataConfig(**settings)).panel

    expected = PANEL.rename(index=lambda name: f"{name}.US", level="instrument")
    pd.testing.assert_frame_equal(panel, expected, check_exact=True)


def wide(column: str) -> pd.DataFrame:
    return BARS.pivot(index="datetime", columns="instrument", values=column).rename_axis("Date")


@pytest.mark.parametrize("names", [["S000"], ["S000", "S001", "S002", "S003"]])
def test_two_levels_of_columns_become_rows(names: list[str]):
    levels = {"Close": wide("close")[names], "Open": wide("open")[names]}
    pd.concat(levels, axis=1, names=["Price", "Ticker"]).to_csv("prices.csv")

    run("prices.csv as of yfinance")

    columns = {"instrument": "Ticker", "datetime": "Date", "close": "Close", "open": "Open"}
    panel = load("csv", "bars.csv", columns=columns).panel
    expected = PANEL[PANEL.index.isin(names, level="instrument")][["open", "close"]]
    assert panel.index.tolist() == expected.index.tolist()
    np.testing.assert_allclose(panel[["open", "close"]], expected, rtol=1e-12)


def test_a_column_per_instrument_becomes_rows():
    wide("close").to_csv("closes.csv")

    run("closes.csv with")

    panel = load("csv", "bars.csv", columns={"datetime": "Date"}).panel
    pd.testing.assert_series_equal(panel["close"], PANEL["close"], rtol=1e-12)


def test_lists_of_members_become_stints():
    days = PANEL.index.levels[1]
    lists = {days[3]: ["S000", "S001"], days[20]: ["S001", "S003"], days[40]: ["S000", "S003"]}
    rows = [f'{day:%Y-%m-%d},"{",".join(names)}"\n' for day, names in lists.items()]
    Path("sp500.csv").write_text("date,tickers\n" + "".join(reversed(rows)))

    run("sp500.csv with")

    panel, _ = mark_universe(PANEL, read_universe("members.csv"), origin="members.csv")
    for (name, day), is_member in panel["in_universe"].items():
        begun = [date for date in lists if date <= day]
        assert is_member == bool(begun and name in lists[max(begun)])
