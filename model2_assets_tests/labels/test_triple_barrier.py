"""Labels whose ends differ by row: the builder of docs/triple_barrier.py, all the way down."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from model2_assets.checks.controls import label_end_control
from model2_assets.config import CrossValidationConfig, LabelsConfig
from model2_assets.cross_validation import build_cv_splits, prove_no_overlap
from model2_assets.labels import make_labels, realized_returns
from model2_assets.panel import panel_index
from model2_assets.training.weights import label_spans
from model2_assets_tests.checks.test_controls_labels import market
from model2_assets_tests.cross_validation.agreement import PURGES, SCHEMES, require_agreement
from model2_assets_tests.cross_validation.panels import RandomCase
from model2_assets_tests.training.test_weights import brute_force

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(autouse=True)
def _docs_can_be_imported(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))


def settings(**changes: object) -> LabelsConfig:
    given = {"horizons": [4, 9], "excess": False, "winsorize": 0.0, "params": {"barrier": 0.03}}
    return LabelsConfig(builder="triple_barrier:build_labels", **{**given, **changes})


def with_histories(panel: pd.DataFrame) -> pd.DataFrame:
    """Let a name be another one from its 41st bar on, and one be delisted for half of its price."""
    numbers = panel.groupby(level="instrument").cumcount()
    first, second = panel.index.unique("instrument")[:2]
    name = panel.index.get_level_values("instrument")
    is_other, is_last = (name == first) & (numbers >= 40), (name == second) & (numbers == 50)
    returns = np.where(is_last, -0.5, np.nan)
    panel = panel.assign(history=np.where(is_other, 2, 1), delisting_return=returns)
    return panel[~((name == second) & (numbers > 50))]


def window_by_hand(bars, calendar, at, config, horizon):
    """Return what the row at a bar of one name earned in bps, and when it ended; None: nothing."""
    closes, dates = bars["close"].tolist(), list(bars.index.get_level_values("datetime"))
    entry = at + config.execution_lag_days
    if entry >= len(closes):
        return None
    for exit_bar in range(entry + 1, min(entry + horizon, len(closes) - 1) + 1):
        earned = closes[exit_bar] / closes[entry] - 1
        if abs(earned) >= config.params["barrier"] or exit_bar == entry + horizon:
            return 1e4 * earned, dates[exit_bar]
    paid = bars["delisting_return"].iloc[-1]
    known = calendar.index(dates[-1]) + (config.delisted_after + 1 if np.isnan(paid) else 0)
    if known >= len(calendar):
        return None
    final = closes[-1] if np.isnan(paid) else closes[-1] * (1 + paid)
    return 1e4 * (final / closes[entry] - 1), calendar[known]


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_every_window_is_that_of_its_own_bars(lag):
    panel = with_histories(market(3, n_names=6, n_dates=90))
    config = settings(execution_lag_days=lag)
    labels = make_labels(panel, config)
    calendar = sorted(panel.index.unique("datetime"))
    assert labels.index.equals(panel.index)
    for horizon in config.horizons:
        names = [f"{kind}_{horizon}d" for kind in ("forward_return", "label", "label_end")]
        made = dict(zip(labels.index, labels[names].itertuples(index=False), strict=True))
        n_early = n_labels = 0
        for _, bars in panel.groupby(["instrument", "history"]):
            for at, row in enumerate(bars.index):
                found = window_by_hand(bars, calendar, at, config, horizon)
                earned, label, end = made[row]
                if found is None:
                    assert np.isnan([earned, label]).all()
                    assert end is pd.NaT
                    continue
                assert earned == label == pytest.approx(found[0], abs=1e-9)
                assert end == found[1]
                n_labels += 1
                n_early += at + lag + horizon >= len(bars)
        assert n_labels > n_early > 0  # some are known before their horizon is over


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("purge", PURGES)
def test_splits_purge_every_row_by_its_own_end_as_brute_force_does(scheme, purge):
    panel = market(5, n_names=5, n_dates=90, delisted=1)
    labels = make_labels(panel, settings())
    cut = {"scheme": scheme, "purge": purge, "n_groups": 4, "embargo_days": 2}
    known = labels.dropna(how="all")
    ends = {key: pd.DatetimeIndex(known[f"label_end_{key}"]) for key in ("4d", "9d")}
    apart = known.groupby(level="datetime")["label_end_9d"].nunique()
    assert (apart > 1).sum() > 40

    found = require_agreement(RandomCase(known.index, ends, CrossValidationConfig(**cut)))

    assert found["roles"] > 500


def test_own_ends_keep_train_rows_that_the_latest_of_the_date_would_purge():
    labels = make_labels(market(5), settings())
    known = labels[labels["label_9d"].notna()]
    cut = CrossValidationConfig(n_groups=4, embargo_days=0)
    late = known.assign(
        **{
            name: known[name].groupby(level="datetime").transform("max")
            for name in ("label_end_4d", "label_end_9d")
        }
    )
    own, latest = (build_cv_splits(known.index, table, cut) for table in (known, late))
    assert (own == 0).sum().sum() > (latest == 0).sum().sum()
    assert prove_no_overlap(own, known).n_overlaps == 0
    assert prove_no_overlap(own, late).n_overlaps > 0


def test_ends_are_proved_and_one_that_comes_too_early_is_found():
    panel, config = market(7), settings()
    labels = make_labels(panel, config)
    assert label_end_control(labels, panel, config, n_dates=6).passed
    end = labels["label_end_9d"]
    early = end.mask(end.notna(), labels.index.get_level_values("datetime") + pd.Timedelta(days=1))
    found = label_end_control(labels.assign(label_end_9d=early), panel, config)
    assert not found.passed
    assert "label_9d of instrument S0" in found.description


def test_realized_returns_and_weights_are_those_of_the_row():
    panel, config = market(9, n_names=5, n_dates=60, halts=2, delisted=0), settings()
    labels = make_labels(panel, config)
    earned = labels["forward_return_9d"]
    by_hand = earned - earned.groupby(level="datetime").transform("mean")
    pd.testing.assert_series_equal(
        realized_returns(labels, "9d", excess=True), by_hand, check_names=False
    )
    rows = labels.index[labels["label_9d"].notna()]
    spans = label_spans(rows, labels, horizon="9d", execution_lag_days=1)
    found = spans.average_uniqueness(np.arange(len(rows)))
    own = labels[["label_end_9d"]]
    np.testing.assert_allclose(found, brute_force(rows, own, horizon=9, lag=1), rtol=1e-12)


def test_a_window_by_hand():
    # Entered at 100 on the second day: 104 touches the barrier of 3% on the fourth.
    days = pd.bdate_range("2024-01-01", periods=8).as_unit("us")
    closes = [99.0, 100, 102, 104, 90, 100, 100, 101]
    panel = pd.DataFrame({"close": closes, "in_universe": True}, index=panel_index(["A"] * 8, days))
    labels = make_labels(panel, settings(horizons=[3]))
    assert labels["label_end_3d"].tolist()[:2] == [days[3], days[4]]
    np.testing.assert_allclose(labels["label_3d"].iloc[:2], [400, 1e4 * (90 / 102 - 1)])
