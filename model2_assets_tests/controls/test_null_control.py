from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model2_assets.checks import null_control as _permuted_ridge
from model2_assets.checks.null_control import NullControl, null_control, permute_within_dates
from model2_assets.errors import TrainingError
from model2_assets.evaluation import daily_ic
from model2_assets.panel import date_codes
from model2_assets.training import TrainingData
from model2_assets_tests.controls.leaking import leak_test_rows, straddle_dates
from model2_assets_tests.training.panels import make_data

UNUSED = 5


def noise(seed: int = 0, **settings: Any) -> TrainingData:
    sizes = {"n_dates": 120, "n_instruments": 12, "n_features": 10, "signal": 0.0}
    return make_data(**{**sizes, **settings}, seed=seed)


def errors_from_zero(control: NullControl) -> float:
    return control.mean / control.monte_carlo_error


def by_scikit_learn(data: TrainingData, *, n_permutations: int, seed: int) -> list[float]:
    """Refit every split on every permutation, one pipeline at a time."""
    dates = date_codes(data.index)
    starts = np.searchsorted(dates.codes, np.arange(len(dates.values) + 1))
    lenders = permute_within_dates(
        starts, range(len(dates.values)), n_permutations=n_permutations, seed=seed
    )
    found = []
    for lender in lenders:
        y = data.y[lender]
        total, count = np.zeros(data.n_rows), np.zeros(data.n_rows)
        for split_id in range(data.n_splits):
            train, test = data.train_rows(split_id), data.test_rows(split_id)
            model = make_pipeline(
                SimpleImputer(keep_empty_features=True), StandardScaler(), Ridge(alpha=1.0)
            )
            model.fit(data.X[train].astype(float), y[train])
            total[test] += model.predict(data.X[test].astype(float))
            count[test] += 1
        tested = count > 0
        daily = daily_ic(total[tested] / count[tested], y[tested], data.index[tested])
        found.append(float(daily["rank_ic"].mean()))
    return found


def awkward(data: TrainingData) -> TrainingData:
    """Features that are constant, missing in a whole group, never missing, or far from zero."""
    X = data.X.copy()
    X[:, 1] = 3.0
    X[data.group_id == 0, 2] = np.nan
    X[:, 3] = np.nan
    X[:, 4] = np.nan_to_num(X[:, 4])
    X[:, 5] = 1000.0 + X[:, 5]
    return replace(data, X=X)


@pytest.mark.parametrize("n_test_groups", [1, 2])
def test_rank_ics_are_those_of_scikit_learn_refitted_for_every_permutation(
    n_test_groups: int,
) -> None:
    data = awkward(noise(n_test_groups=n_test_groups, missing=0.2))

    control = null_control(data, n_permutations=6, seed=3)

    expected = by_scikit_learn(data, n_permutations=6, seed=3)
    np.testing.assert_allclose(control.rank_ics, expected, rtol=0, atol=1e-9)
    assert control.n_dates == 120


def test_rows_that_no_split_tests_are_not_scored() -> None:
    data = noise()
    roles = data.roles.copy()
    roles[data.group_id == 0, 0] = UNUSED
    data = replace(data, roles=roles[:, 1:], group_id=data.group_id)

    control = null_control(data, n_permutations=4, seed=3)

    assert control.n_dates == 120 - 24
    expected = by_scikit_learn(data, n_permutations=4, seed=3)
    np.testing.assert_allclose(control.rank_ics, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("n_test_groups", [1, 2])
def test_any_number_of_threads_gives_the_same_bits(
    monkeypatch: pytest.MonkeyPatch, n_test_groups: int
) -> None:
    monkeypatch.setattr(_permuted_ridge, "_RUN_ROWS", 100)
    data = noise(n_test_groups=n_test_groups)

    one, again, three = (null_control(data, n_permutations=50, n_threads=n) for n in (1, 1, 3))

    assert one.rank_ics.tobytes() == again.rank_ics.tobytes() == three.rank_ics.tobytes()


def test_permutations_do_not_depend_on_how_dates_are_cut_into_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = noise()
    whole = null_control(data, n_permutations=20)
    monkeypatch.setattr(_permuted_ridge, "_RUN_ROWS", 1)

    cut = null_control(data, n_permutations=20)

    np.testing.assert_allclose(whole.rank_ics, cut.rank_ics, rtol=0, atol=1e-12)


def test_another_seed_draws_other_permutations() -> None:
    data = noise()

    assert not np.any(
        null_control(data, n_permutations=9, seed=1).rank_ics
        == null_control(data, n_permutations=9, seed=2).rank_ics
    )


@pytest.mark.parametrize("signal", [0.0, 1000.0])
@pytest.mark.parametrize("n_test_groups", [1, 2])
def test_purged_splits_pass_whether_or_not_features_forecast(
    signal: float, n_test_groups: int
) -> None:
    for seed in range(4):
        control = null_control(noise(seed, signal=signal, n_test_groups=n_test_groups), seed=seed)
        assert abs(errors_from_zero(control)) < 3


def test_deviations_of_purged_splits_have_the_spread_that_monte_carlo_errors_state() -> None:
    deviations = [
        errors_from_zero(null_control(noise(n_dates=40), n_permutations=50, seed=seed, n_threads=1))
        for seed in range(100)
    ]

    assert abs(np.mean(deviations)) < 3 / np.sqrt(100)
    assert 0.8 < np.std(deviations) < 1.2
    assert np.mean(np.abs(deviations) > 3) < 0.03


@pytest.mark.parametrize(("share", "at_least"), [(1.0, 30), (0.5, 12), (0.25, 5)])
def test_test_rows_among_the_train_rows_are_found(share: float, at_least: float) -> None:
    for seed in range(4):
        control = null_control(leak_test_rows(noise(seed), share=share), seed=seed)
        assert errors_from_zero(control) > at_least


@pytest.mark.parametrize("n_test_groups", [2, 3])
def test_a_leak_is_found_where_several_splits_test_a_row(n_test_groups: int) -> None:
    data = leak_test_rows(noise(n_test_groups=n_test_groups), share=0.5)

    assert errors_from_zero(null_control(data)) > 10


def test_a_leak_moves_rank_ics_by_about_the_root_of_features_to_train_rows() -> None:
    data = leak_test_rows(noise(n_dates=300, n_features=15, missing=0.0), share=1.0)

    control = null_control(data)

    n_train = np.mean([len(data.train_rows(split_id)) for split_id in range(data.n_splits)])
    assert control.mean == pytest.approx(np.sqrt(15 / n_train), rel=0.2)


def test_a_date_cut_into_train_and_test_turns_rank_ics_negative() -> None:
    for seed in range(2):
        data = straddle_dates(noise(seed, n_dates=400))
        assert errors_from_zero(null_control(data, seed=seed, n_permutations=1000)) < -4


def test_permuted_labels_stay_in_their_date_and_every_order_is_as_likely() -> None:
    starts = np.array([0, 4, 7, 8])

    lenders = permute_within_dates(starts, range(3), n_permutations=6000, seed=5)

    for start, stop in pairwise(starts):
        assert (np.sort(lenders[:, start:stop], axis=1) == np.arange(start, stop)).all()
    counts = pd.Series(map(tuple, lenders[:, 4:7])).value_counts()
    assert len(counts) == 6
    chi_squared = float(((counts - 1000) ** 2 / 1000).sum())
    assert chi_squared < 20.5  # 5 degrees of freedom: once in 1000
    correlation = np.corrcoef(lenders[:, 0], lenders[:, 4])[0, 1]
    assert abs(correlation) < 4 / np.sqrt(6000)


def test_dates_have_streams_of_their_own() -> None:
    starts = np.array([0, 5, 10, 15])

    together = permute_within_dates(starts, range(3), n_permutations=7, seed=1)
    alone = permute_within_dates(starts, range(1, 2), n_permutations=7, seed=1)

    np.testing.assert_array_equal(together[:, 5:10], alone)


def test_two_names_have_no_rank_ic() -> None:
    control = null_control(noise(n_instruments=2), n_permutations=5)

    assert control.n_dates == 0
    assert np.isnan(control.rank_ics).all()


def test_a_split_without_train_rows_is_named() -> None:
    data = noise()
    roles = data.roles.copy()
    roles[roles[:, 3] == 0, 3] = 2

    with pytest.raises(TrainingError, match=r"split 3 has 0 train and \d+ test rows"):
        null_control(replace(data, roles=roles))


def test_one_permutation_is_refused() -> None:
    with pytest.raises(TrainingError, match="n_permutations must be at least 2"):
        null_control(noise(), n_permutations=1)
