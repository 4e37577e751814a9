"""The configurations of docs/markets.md run through the graph, and what the page says of them."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from model2_assets.checks.label_scale import LabelScale, widest_labels
from model2_assets.config import CrossValidationConfig, LabelsConfig, parse_config
from model2_assets.cross_validation import build_cv_splits
from model2_assets.labels import make_labels
from model2_assets.market_data import validate_panel
from model2_assets.storage import Address
from model2_assets_tests.defs.small_region import NO_DRAWINGS, SMALL_XGBOOST, Workbench, workbench

pytestmark = pytest.mark.services

PAGE = (Path(__file__).parents[2] / "docs" / "markets.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())
FILES: dict[str, dict[str, Any]] = {
    name: yaml.safe_load(text)
    for name, text in re.findall(r"```yaml\n# (\w+)\.yaml\n(.*?)```", PAGE, re.DOTALL)
}


def trained(folder: Path, name: str, models: dict[str, Any]) -> Workbench:
    """Run the graph as the page configures it, with models that take less time."""
    checks = {**FILES[name].get("checks", {}), "lookahead_control_dates": 1}
    config = parse_config(
        {**FILES[name], "checks": checks, "models": models, "reports": NO_DRAWINGS}
    )
    bench = workbench(folder, config)
    with bench.instance:
        runs = bench.retrain(name)
    assert [run.failures for run in runs] == [()] * len(runs)
    return bench


def table(bench: Workbench, asset: str, *partition: str) -> pd.DataFrame:
    (region,) = bench.config.regions
    found: pd.DataFrame = bench.store.load(Address(region, asset, *partition))
    return found


def largest(bench: Workbench) -> float:
    (region,) = bench.config.regions
    return max(
        float(table(bench, "oof_predictions", *partition)["prediction"].abs().max())
        for partition in bench.config.partitions_of(region)
    )


def fitting_limit(bench: Workbench) -> int:
    (settings,) = bench.config.regions.values()
    labels = table(bench, "labels")
    return widest_labels(labels, settings.labels.horizon_keys).fitting_limit_bps


def relabelled(bench: Workbench, **settings: Any) -> pd.DataFrame:
    return make_labels(table(bench, "market_data"), LabelsConfig(**settings))


def window_dates(labels: pd.DataFrame, horizon: str) -> float:
    """Return how many dates a label looks ahead, in the median."""
    calendar = labels.index.unique("datetime").sort_values()
    end = labels[f"label_end_{horizon}"].dropna()
    start = end.index.get_level_values("datetime")
    return float(np.median(calendar.get_indexer(pd.Index(end)) - calendar.get_indexer(start)))


def test_the_page_has_a_configuration_of_each_market() -> None:
    assert set(FILES) == {"coins", "growing", "biotech", "frontier"}


def test_coins_train_every_day_within_the_limit_that_fits(tmp_path: Path) -> None:
    bench = trained(tmp_path, "coins", {"xgboost": {"params": SMALL_XGBOOST}})

    dates = pd.DatetimeIndex(table(bench, "market_data").index.unique("datetime"))
    assert set(dates.day_of_week) == set(range(7))
    limit = bench.config.checks.prediction_bps
    assert fitting_limit(bench) == limit
    assert 1000 < largest(bench) < limit


def test_a_growing_cross_section_has_labels_once_it_is_one(tmp_path: Path) -> None:
    bench = trained(tmp_path, "growing", {"xgboost": None})

    market, labels = table(bench, "market_data"), table(bench, "labels")
    assert (market.groupby("datetime").size() == 1).sum() > 1
    for horizon in ("21d", "63d"):
        names = labels[f"label_{horizon}"].dropna().groupby("datetime").size()
        assert names.min() == 10
        assert names.max() == 40
    by_dates = build_cv_splits(table(bench, "features").index, labels, CrossValidationConfig())
    sizes = by_dates.groupby("group_id").size()
    assert f"{sizes.min():,} here, and up to {sizes.max():,} later" in TEXT
    balanced = table(bench, "cv_splits").groupby("group_id").size()
    assert balanced.max() < 1.1 * balanced.min()


def test_a_volatile_market_trains_within_the_limit_that_fits(tmp_path: Path) -> None:
    bench = trained(tmp_path, "biotech", {"xgboost": None})

    limit = bench.config.checks.prediction_bps
    assert fitting_limit(bench) == limit
    assert 1000 < largest(bench) < limit
    scale = LabelScale.of(table(bench, "labels"), "63d")
    assert f"In the market below they have {scale.std_bps:,.0f} bps" in TEXT
    assert f"there is room for {scale.largest_correlation(1000):.2f}," in TEXT


def test_halts_lengthen_windows_and_the_settings_shorten_them(tmp_path: Path) -> None:
    bench = trained(tmp_path, "frontier", {"xgboost": None})

    labels, default = table(bench, "labels"), relabelled(bench)
    assert f"63-day windows span {window_dates(labels, '63d'):.0f} dates" in TEXT
    waits, waits_not = window_dates(default, "21d"), window_dates(labels, "21d")
    came_back = default.attrs["counts"]["names_that_came_back"]
    assert (
        f"{came_back} names here, and 21-day windows wait for it, {waits:.0f} dates in place of "
        f"{waits_not:.0f}"
    ) in TEXT
    market = table(bench, "market_data")
    assert market["history"].max() == 1
    assert validate_panel(market)[1]["new_histories"] == 1
    splits = table(bench, "cv_splits")
    trains = {h: (splits.filter(regex=f"_{h}$") == 0).to_numpy().mean() for h in ("21d", "63d")}
    assert trains["21d"] > 1.3 * trains["63d"]
