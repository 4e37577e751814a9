"""Average uniqueness: by hand, against brute force, and on its way into a fit."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from model2_assets.config import parse_config
from model2_assets.errors import ConfigError, TrainingError
from model2_assets.labels import build_labels_from_config
from model2_assets.panel import panel_index, to_canonical
from model2_assets.training import ModelRegistry, RidgeTrainer, cross_validate
from model2_assets.training.fit import fit_split
from model2_assets.training.predict import refit_difference
from model2_assets.training.weights import label_spans
from model2_assets_tests.training.panels import make_data
from model2_assets_tests.training.trainers import make_ridge, make_xgboost

DAYS = pd.date_range("2024-01-01", periods=40)


def labels_table(bars, *, horizon, lag):
    """Own-bar label ends of instruments given as name: day numbers."""
    parts = []
    for name, days in bars.items():
        for position, day in enumerate(days):
            end = [DAYS[later] for later in days[position + lag + horizon :][:1]]
            parts.append((name, DAYS[day], *(end or [pd.NaT])))
    names, dates, ends = zip(*parts, strict=True)
    table = pd.DataFrame(
        {f"label_end_{horizon}d": pd.DatetimeIndex(ends).as_unit("us")},
        index=panel_index(names, dates),
    )
    return to_canonical(table)


def labelled(labels):
    return labels.index[labels.iloc[:, 0].notna()]


def brute_force(rows, labels, *, horizon, lag):
    """Count bar by bar, instrument by instrument, as chapter 4 of López de Prado has it."""
    bars = {}
    for name, date in labels.index:
        bars.setdefault(name, []).append(date)
    spans = []
    for name, date in rows:
        own = sorted(bars[name])
        entry = own.index(date) + lag
        end = labels.loc[(name, date), f"label_end_{horizon}d"]
        spans.append({(name, bar) for bar in own[entry + 1 :][:horizon] if bar <= end})
    uniqueness = []
    for span in spans:
        shares = [1 / sum(bar in other for other in spans) for bar in span]
        uniqueness.append(np.mean(shares) if shares else np.nan)
    filled = np.array(uniqueness)
    if np.isnan(filled).all():
        return np.ones(len(filled))
    return np.where(np.isnan(filled), np.nanmean(filled), filled)


def test_overlapping_labels_share_their_bars_by_hand():
    # Six bars, labels of two bars entered one bar later: rows 0, 1, 2 span bars 2-3, 3-4, 4-5.
    labels = labels_table({"A": list(range(6))}, horizon=2, lag=1)
    spans = label_spans(labelled(labels), labels, horizon="2d", execution_lag_days=1)
    assert spans.first.tolist() == [2, 3, 4]
    assert spans.stop.tolist() == [4, 5, 6]
    np.testing.assert_allclose(spans.average_uniqueness(np.arange(3)), [0.75, 0.5, 0.75])
    np.testing.assert_allclose(spans.weights(np.arange(3)), [1.125, 0.75, 1.125])


def test_only_the_rows_that_train_count():
    labels = labels_table({"A": list(range(6))}, horizon=2, lag=1)
    spans = label_spans(labelled(labels), labels, horizon="2d", execution_lag_days=1)
    assert spans.average_uniqueness(np.array([0, 2])).tolist() == [1.0, 1.0]
    assert spans.average_uniqueness(np.array([1])).tolist() == [1.0]


def test_other_instruments_do_not_count_and_gaps_are_no_bars():
    # B has no bars on days 3 to 7: its bars 0, 1, 2, 8, 9, 10 are as those of A.
    bars = {"A": [0, 1, 2, 3, 4, 5], "B": [0, 1, 2, 8, 9, 10]}
    labels = labels_table(bars, horizon=2, lag=1)
    spans = label_spans(labelled(labels), labels, horizon="2d", execution_lag_days=1)
    names = labelled(labels).get_level_values("instrument")
    uniqueness = spans.average_uniqueness(np.arange(6))
    for name in ("A", "B"):
        np.testing.assert_allclose(uniqueness[names == name], [0.75, 0.5, 0.75])


def test_a_label_without_a_known_bar_weighs_as_the_others_do_on_average():
    labels = labels_table({"A": list(range(6)), "B": [0]}, horizon=2, lag=1)
    labels.loc[("B", DAYS[0]), "label_end_2d"] = DAYS[3]
    spans = label_spans(labelled(labels), labels, horizon="2d", execution_lag_days=1)
    uniqueness = pd.Series(spans.average_uniqueness(np.arange(4)), index=labelled(labels))
    assert uniqueness["B"].item() == pytest.approx(uniqueness["A"].mean())


@settings(deadline=None, derandomize=True, max_examples=60)
@given(data=st.data(), horizon=st.integers(1, 6), lag=st.integers(0, 3))
def test_brute_force_agrees(data, horizon, lag):
    days = st.lists(st.integers(0, 39), min_size=1, max_size=25, unique=True).map(sorted)
    bars = data.draw(st.dictionaries(st.sampled_from("ABCD"), days, min_size=1))
    labels = labels_table(bars, horizon=horizon, lag=lag)
    # A cross-sectional label looks as far as the latest of its date, own bar or not.
    column = f"label_end_{horizon}d"
    labels[column] = labels.groupby(level="datetime")[column].transform("max")
    index = labelled(labels)
    if not len(index):
        return
    chosen = data.draw(st.lists(st.sampled_from(range(len(index))), min_size=1, unique=True))
    rows = np.sort(np.array(chosen))
    spans = label_spans(index, labels, horizon=f"{horizon}d", execution_lag_days=lag)
    found = spans.average_uniqueness(rows)
    np.testing.assert_allclose(
        found, brute_force(index[rows], labels, horizon=horizon, lag=lag), rtol=1e-9
    )
    assert ((found > 0) & (found <= 1 + 1e-9)).all()
    assert spans.weights(rows).mean() == pytest.approx(1.0)


def test_a_delisted_name_weighs_by_its_own_bars_and_lengthens_no_label_of_others():
    # B has six bars; that it is delisted shows four dates later, up to which its date looks.
    bars = {"A": range(20), "B": range(6)}
    index = panel_index(
        [n for n, days in bars.items() for _ in days],
        [DAYS[day] for days in bars.values() for day in days],
    )
    panel = pd.DataFrame({"close": np.linspace(9, 10, len(index))}, index=index)
    config = {"horizons": [2], "winsorize": 0, "min_names": 1, "delisted_after": 3}
    for excess in (True, False):
        labels = build_labels_from_config(panel, {**config, "excess": excess})
        rows = labels.index[labels["label_2d"].notna()]
        spans = label_spans(rows, labels, horizon="2d", execution_lag_days=1)
        lengths = pd.Series(spans.stop - spans.first, index=rows)
        assert lengths["A"].tolist() == [2] * 17
        assert lengths["B"].tolist() == [2, 2, 2, 1, 0]


def test_a_row_without_a_label_end_is_named():
    labels = labels_table({"A": list(range(6))}, horizon=2, lag=1)
    with pytest.raises(TrainingError, match="no label_end_2d for instrument A on 2024-01-06"):
        label_spans(labels.index[-1:], labels, horizon="2d", execution_lag_days=1)


def test_weighted_ridge_is_scikit_learns_with_train_only_scaling():
    data = make_data()
    weights = np.random.default_rng(0).uniform(0.2, 2.0, data.n_rows)
    model = fit_split(
        lambda: RidgeTrainer(params={"alpha": 10.0}, seed=0),
        replace(data, row_weights=weights.__getitem__),
        2,
    )
    train, test = data.train_rows(2), data.test_rows(2)
    imputer, scaler = SimpleImputer(), StandardScaler()
    X = scaler.fit_transform(imputer.fit_transform(data.X[train].astype(np.float64)))
    oracle = Ridge(alpha=10.0).fit(X, data.y[train], sample_weight=weights[train])
    expected = oracle.predict(scaler.transform(imputer.transform(data.X[test].astype(np.float64))))
    np.testing.assert_allclose(model.trainer.predict(data.X[test]), expected, rtol=1e-9)


@pytest.mark.parametrize("make_trainer", [make_ridge, make_xgboost])
def test_weights_change_the_model_and_a_refit_with_them_gives_equal_bits(make_trainer):
    data = make_data()
    weighted = replace(data, row_weights=np.linspace(0.1, 1.9, data.n_rows).__getitem__)
    plain = cross_validate(make_trainer, data)
    weighed = cross_validate(make_trainer, weighted, n_jobs=2)
    for before, after in zip(plain, weighed, strict=True):
        assert before.trainer.digest() != after.trainer.digest()
    same = refit_difference(make_trainer, weighted, weighed[1], split_id=1)
    other = refit_difference(make_trainer, data, weighed[1], split_id=1)
    assert same == 0.0
    assert other > make_trainer().determinism_tolerance_bps


def test_equal_weights_are_no_weights_for_trees():
    data = make_data()
    ones = replace(data, row_weights=lambda rows: np.ones(len(rows)))
    alike = cross_validate(make_xgboost, ones)
    plain = cross_validate(make_xgboost, data)
    assert [m.trainer.digest() for m in alike] == [m.trainer.digest() for m in plain]


def test_only_train_rows_are_weighed():
    data, asked = make_data(), []

    def weights(rows):
        asked.append(rows)
        return np.ones(len(rows))

    fit_split(make_ridge, replace(data, row_weights=weights), 3)
    (rows,) = asked
    np.testing.assert_array_equal(rows, data.train_rows(3))


TRAINERS = "model2_assets_tests.training.trainers"


@pytest.mark.parametrize("trainer", ["LarsTrainer", "FailingTrainer"])
def test_a_trainer_that_takes_no_weights_is_refused_before_any_work(trainer):
    model = {"trainer": f"{TRAINERS}:{trainer}", "sample_weights": "uniqueness"}
    registry = ModelRegistry.from_config(parse_config({"models": {"own": model}}), "us")
    with pytest.raises(
        ConfigError, match=r"models\.own\.sample_weights: .* takes no weights; give"
    ):
        registry.trainer("own", "21d")
    registry = ModelRegistry.from_config(
        parse_config({"models": {"own": {**model, "sample_weights": "none"}}}), "us"
    )
    registry.trainer("own", "21d")
