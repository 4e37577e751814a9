"""What speaks of returns is scored on realized returns, what speaks of the fit on labels."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from model2_assets.config import LabelsConfig
from model2_assets.config.partition import Partition
from model2_assets.errors import ContractError, LabelError
from model2_assets.evaluation import METRICS, score_predictions
from model2_assets.evaluation.metrics import explained
from model2_assets.evaluation.scores import overall_scores, score_partition
from model2_assets.labels import build_labels_from_config
from model2_assets.panel import panel_index
from model2_assets.storage.data_version import data_versions_of
from model2_assets_tests.evaluation.paths_example import example, outcomes_of, stored
from model2_assets_tests.sample_tables import mark

SETTINGS = {"horizon_days": 5, "overlap_days": 5, "n_trials": 4}


def test_every_metric_is_scored_on_what_the_catalogue_says():
    made = example(n_groups=5, k=1, n_dates=120)
    rng = np.random.default_rng(5)
    realized = made.label * rng.uniform(-1, 3, len(made.label))

    def scores(label, earned):
        found = score_predictions(made.oof, outcomes_of(label, earned), **SETTINGS)
        return pd.Series(overall_scores(found))

    both, plain = scores(made.label, realized), scores(made.label, made.label)
    earned = scores(realized, realized)

    for name in both.index:
        on = METRICS[name].on
        expected = earned if on == "realized returns" else plain
        assert both[name] == expected[name], name
        assert (plain[name] != earned[name]) == bool(on), name
    named = {on: {m.name for m in METRICS.values() if m.on == on} for on in ("labels", "")}
    assert named["labels"] == {"r2", "rmse", "mae", "mse"}
    assert {"samples", "dates", "top_quantile_turnover", "coverage"} <= named[""]


def test_notes_say_which():
    chosen = [METRICS[name] for name in ("rank_ic", "r2", "decile_spread_bps", "samples", "mae")]
    assert explained(chosen).endswith(
        "On realized returns, which are never winsorized: rank IC, spread. "
        "On labels, as models are fitted to them: R², MAE."
    )
    assert " On " not in explained([METRICS["samples"]])


def test_rows_without_a_realized_return_are_named():
    made = example()
    realized = made.label.copy()
    realized.iloc[30] = math.nan
    name, day = made.label.index[30]
    with pytest.raises(ContractError, match=f"{name} on {day:%Y-%m-%d} has no label with a real"):
        score_predictions(made.oof, outcomes_of(made.label, realized), **SETTINGS)


def test_labels_without_forward_returns_are_refused():
    oof, paths, labels = stored(example(k=1))
    with pytest.raises(LabelError, match="no column 'forward_return_5d'"):
        score_partition(
            oof,
            labels.drop(columns="forward_return_5d"),
            Partition("5d", "ridge"),
            paths=paths,
            config=LabelsConfig(),
            n_trials=4,
        )


N_NAMES, N_DATES, HORIZON, LAG, N_TRIALS = 100, 800, 21, 1, 4
CRASHING = 10


def crashing_book() -> pd.DataFrame:
    """Return closes of a market whose first ten names drift up, and lose 60% once in 400 days."""
    rng = np.random.default_rng(0)
    returns = rng.normal(0, 0.024, (N_DATES, N_NAMES))
    returns[:, :CRASHING] += 0.0016
    for name in range(CRASHING):
        for start in range(0, N_DATES, 400):
            returns[start + rng.integers(400), name] = math.log(0.4)
    dates = pd.bdate_range("2015-01-01", periods=N_DATES).as_unit("us")
    names = [f"N{number:03}" for number in range(N_NAMES)]
    return pd.DataFrame(100 * np.exp(np.cumsum(returns, axis=0)), index=dates, columns=names)


def sharpe_probability(returns: np.ndarray) -> float:
    """Deflate the Sharpe ratio as Bailey and López de Prado write it."""
    n, sharpe = len(returns), np.mean(returns) / np.std(returns)
    best = (1 - np.euler_gamma) * stats.norm.ppf(1 - 1 / N_TRIALS)
    best += np.euler_gamma * stats.norm.ppf(1 - 1 / (N_TRIALS * math.e))
    skewness = stats.skew(returns, bias=False)
    kurtosis = stats.kurtosis(returns, bias=False, fisher=True) + 3
    variance = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2
    benchmark = best / math.sqrt(n - 1)
    return stats.norm.cdf((sharpe - benchmark) * math.sqrt(n - 1) / math.sqrt(variance))


def test_a_book_that_crashes_now_and_then_is_scored_by_what_it_earned():
    close = crashing_book()
    index = panel_index([*close.columns] * N_DATES, np.repeat(close.index, N_NAMES))
    panel = pd.DataFrame({"close": close.to_numpy().ravel()}, index=index)
    config = LabelsConfig(horizons=[HORIZON], execution_lag_days=LAG)
    labels = mark(build_labels_from_config(panel, config))
    chosen = panel.index.get_level_values("instrument") < f"N{CRASHING:03}"
    known = labels["label_21d"].notna().to_numpy()
    oof = pd.DataFrame({"prediction": 1.0 * chosen, "fold_id": np.int16(0)}, index=panel.index)
    oof = mark(oof[known], **data_versions_of(labels=labels))
    paths = oof.reset_index().assign(split_id=0, path_id=0)

    found = overall_scores(
        score_partition(
            oof, labels, Partition("21d", "ridge"), paths=paths, config=config, n_trials=N_TRIALS
        )
    )

    # From the closes alone: bought a day after the signal, sold 21 days later, of the ten names on
    # top less the ten at the bottom (which rank by name, their predictions being equal).
    prices = close.to_numpy()
    earned = prices[LAG + HORIZON :] / prices[LAG:-HORIZON] - 1
    spread = 1e4 * (earned[:, :10].mean(axis=1) - earned[:, 10:20].mean(axis=1))
    probabilities = [sharpe_probability(spread[start::HORIZON]) for start in range(HORIZON)]
    assert found["decile_spread_bps"] == pytest.approx(spread.mean(), rel=1e-9)
    assert found["deflated_sharpe"] == pytest.approx(np.median(probabilities), rel=1e-9)
    assert found["decile_spread_bps"] == pytest.approx(99.3, abs=0.05)
    assert found["deflated_sharpe"] == pytest.approx(0.441, abs=0.0005)
    # On labels, whose crashes are clipped, the same book looks certain.
    clipped = labels["label_21d"].to_numpy().reshape(N_DATES, N_NAMES)[: len(earned)]
    spread = clipped[:, :10].mean(axis=1) - clipped[:, 10:20].mean(axis=1)
    probabilities = [sharpe_probability(spread[start::HORIZON]) for start in range(HORIZON)]
    assert spread.mean() == pytest.approx(249.3, abs=0.05)
    assert np.median(probabilities) == pytest.approx(0.988, abs=0.0005)
