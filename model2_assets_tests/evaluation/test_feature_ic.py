"""What features alone say: scipy's numbers, and what a planted leak looks like beside noise."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from model2_assets.evaluation import mean_ic_inference
from model2_assets.evaluation.feature_ic import (
    CHANCE,
    conspicuous_features,
    daily_feature_rank_ic,
    feature_rank_ic,
)
from model2_assets.evaluation.inference import critical_t, standard_error_lag
from model2_assets.features import build_features_from_config
from model2_assets.labels import build_labels_from_config, realized_returns
from model2_assets.market_data.synthetic import synthetic_panel
from model2_assets.panel import panel_index


def panel(n_dates: int, n_names: int) -> pd.MultiIndex:
    dates = pd.bdate_range("2020-01-01", periods=n_dates)
    return panel_index([f"S{i:03}" for i in range(n_names)] * n_dates, np.repeat(dates, n_names))


def spearman_by_date(features: pd.DataFrame, realized: pd.Series) -> pd.DataFrame:
    both = features.join(realized.rename("realized"), how="left")
    both = both.astype(np.float64).replace([np.inf, -np.inf], np.nan)
    rows = {}
    for date, part in both.groupby(level="datetime"):
        pairs = {name: part[[name, "realized"]].dropna().to_numpy().T for name in features}
        rows[date] = {
            name: stats.spearmanr(*pair).statistic if pair.shape[1] >= 3 else np.nan
            for name, pair in pairs.items()
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def awkward() -> tuple[pd.DataFrame, pd.Series]:
    """Return features and returns with ties, gaps, infinities, thin dates and stray rows."""
    rng = np.random.default_rng(0)
    index = panel(40, 23)
    values = rng.normal(size=(len(index), 5)).astype(np.float32)
    values[:, 1] = values[:, 1].round()
    values[:, 2][rng.random(len(index)) < 0.3] = np.nan
    values[:, 3] = np.where(rng.random(len(index)) < 0.5, 0.0, -0.0)
    values[:, 3][rng.random(len(index)) < 0.4] = 1.0
    values[:40, 4] = np.inf
    features = pd.DataFrame(values, index, columns=list("VWXYZ"))
    realized = pd.Series(rng.normal(size=len(index)).round(1), index)
    realized[rng.random(len(index)) < 0.2] = np.nan
    realized.iloc[2 * 23 : 3 * 23] = np.nan
    realized.iloc[3 * 23 + 2 : 4 * 23] = np.nan
    return features.drop(features.index[::11]), realized.drop(realized.index[::7])


@pytest.mark.filterwarnings("ignore:An input array is constant")
def test_equals_spearman_of_scipy_on_every_date() -> None:
    features, realized = awkward()

    found = daily_feature_rank_ic(features, realized)

    expected = spearman_by_date(features, realized)
    assert found.index.equals(expected.index)
    assert expected.isna().to_numpy().sum() > 10
    np.testing.assert_allclose(found, expected, atol=1e-13)


def test_neither_order_nor_threads_change_a_bit() -> None:
    features, realized = awkward()
    found = daily_feature_rank_ic(features, realized, n_threads=1)
    shuffled = features.sample(frac=1, random_state=0), realized.sample(frac=1, random_state=1)

    pd.testing.assert_frame_equal(
        daily_feature_rank_ic(*shuffled, n_threads=3), found, check_exact=True
    )


def test_hand_worked_ranks_of_the_names_that_have_both() -> None:
    # Of X, A to C: ranks 1, 2, 3 against 1, 3, 2: 1 - 6 * 2 / (3 * 8) = 0.5.
    index = panel_index(list("ABCD"), ["2024-01-02"] * 4)
    features = pd.DataFrame({"X": [1.0, 2.0, 3.0, np.nan], "Y": [np.nan, np.nan, 1.0, 2.0]}, index)
    realized = pd.Series([-10.0, 90.0, 20.0, 50.0], index)

    found = daily_feature_rank_ic(features, realized).iloc[0]

    assert found["X"] == 0.5
    assert np.isnan(found["Y"])


def test_mean_and_t_are_those_of_the_daily_values() -> None:
    features, realized = awkward()
    daily = daily_feature_rank_ic(features, realized)

    found = feature_rank_ic(features, realized, lag=4)

    assert list(found.index) == list("VWXYZ")
    assert found.index.name == "feature"
    np.testing.assert_allclose(found["rank_ic"], daily.mean())
    expected = [mean_ic_inference(daily[name], lag=4).t_statistic for name in daily]
    np.testing.assert_array_equal(found["rank_ic_t"], expected)


@pytest.mark.parametrize(("n_dates", "lag"), [(576, 126), (618, 42), (10_000_000, 42)])
def test_five_standard_errors_of_short_history_are_more(n_dates: int, lag: int) -> None:
    least = critical_t(n_dates, lag=lag, chance=CHANCE)
    assert stats.t.sf(least, 1.5 * n_dates / (lag + 1)) == pytest.approx(stats.norm.sf(5), rel=1e-6)
    assert least > 5
    assert n_dates < 1000 or least == pytest.approx(5, abs=1e-3)


HORIZON = "21d"
LAG = standard_error_lag(HORIZON, execution_lag_days=1)
SETTINGS = {"horizons": [21], "execution_lag_days": 1, "excess": True, "winsorize": 0.1}


@cache
def market(seed: int, n_names: int = 100, n_dates: int = 1000) -> tuple[pd.DataFrame, pd.Series]:
    """Return the features of a market without any signal, and what its names earned."""
    bars = synthetic_panel(n_instruments=n_names, n_dates=n_dates, seed=seed, signal=0.0)
    bars = bars.set_index(["instrument", "datetime"]).sort_index()
    features = build_features_from_config(bars, {"set": "alpha158", "normalization": "rank"})
    labels = build_labels_from_config(bars, SETTINGS)
    return features, realized_returns(labels, HORIZON, excess=True)


def vendor(correlation: float, *, seed: int = 5) -> tuple[pd.DataFrame, pd.Series]:
    """Return that market with a column that knows the future to a correlation."""
    features, realized = market(0)
    future = realized.reindex(features.index).groupby(level="datetime")
    known = future.transform(lambda r: (r - r.mean()) / r.std()).to_numpy()
    noise = np.random.default_rng(seed).normal(size=len(features))
    column = correlation * known + np.sqrt(1 - correlation**2) * noise
    return features.assign(VENDOR=column.astype(np.float32)), realized


def named(features: pd.DataFrame, realized: pd.Series, *, limit: float = 0.1) -> dict[str, str]:
    alone = feature_rank_ic(features, realized, lag=LAG)
    return conspicuous_features(alone, features, realized, limit=limit, lag=LAG)


def test_a_vendor_column_that_knows_a_little_of_the_future_is_named() -> None:
    features, realized = vendor(0.1)
    rank_ic = feature_rank_ic(features[["VENDOR"]], realized, lag=LAG)["rank_ic"].item()

    found = named(features, realized)

    assert 0.06 < rank_ic < 0.10
    assert list(found) == ["VENDOR"]
    assert found["VENDOR"].startswith(f"{rank_ic:+.4f}, t ")
    assert "more than twice the" in found["VENDOR"]


def test_what_copies_or_mirrors_it_is_named_with_it() -> None:
    features, realized = vendor(0.1)
    features = features.assign(COPY=features["VENDOR"] ** 3, MIRROR=-features["VENDOR"])

    assert set(named(features, realized)) == {"VENDOR", "COPY", "MIRROR"}


def test_beyond_the_limit_the_others_do_not_count() -> None:
    features, realized = vendor(0.2)
    another, _ = vendor(0.15, seed=6)

    found = named(features.assign(ANOTHER=another["VENDOR"]), realized)

    assert list(found) == ["VENDOR", "ANOTHER"]
    assert all(reason.endswith("above 0.1") for reason in found.values())


def test_two_that_know_different_things_are_named_by_the_limit_alone() -> None:
    features, realized = vendor(0.1)
    another, _ = vendor(0.1, seed=6)
    both = pd.DataFrame({"A": features["VENDOR"], "B": another["VENDOR"]})

    assert named(both, realized) == {}
    assert set(named(both, realized, limit=0.05)) == {"A", "B"}
    assert named(both[["A"]], realized) == {}, "nothing to compare it with"


def test_a_feature_on_few_dates_is_held_to_the_t_of_as_many() -> None:
    """A t of 5 is rare over all of history; over the last 62 dates luck alone exceeds it."""
    features, realized = vendor(0.1)
    dates = features.index.get_level_values("datetime")
    last = np.unique(dates)[-62 - 22 :]
    recent = features.assign(VENDOR=features["VENDOR"].where(dates >= last[0]))
    rank_ic, t = feature_rank_ic(recent[["VENDOR"]], realized, lag=LAG).iloc[0]
    assert rank_ic > 0.06
    least, of_few = (critical_t(n, lag=LAG, chance=CHANCE) for n in (len(np.unique(dates)), 62))
    assert least < t < of_few

    assert named(recent, realized, limit=0.05) == {}


def test_a_feature_is_like_itself_where_it_is_on_none_of_the_sampled_dates() -> None:
    features, realized = vendor(0.2)
    dates, n_dates = np.unique(features.index.get_level_values("datetime"), return_inverse=True)
    sampled = np.linspace(0, len(dates) - 1, 20).round().astype(int)
    kept = features["VENDOR"].where(~np.isin(n_dates, sampled))

    found = named(features.assign(VENDOR=kept), realized, limit=1.0)

    assert list(found) == ["VENDOR"]


@pytest.mark.parametrize("seed", range(20))
def test_markets_without_a_leak_name_nothing(seed: int) -> None:
    assert named(*market(seed, 25, 600)) == {}
