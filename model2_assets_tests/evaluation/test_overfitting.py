from itertools import combinations
from math import isnan

import numpy as np
import pandas as pd
import purgedcv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import rankdata

from model2_assets.config import LabelsConfig
from model2_assets.errors import Model2Error
from model2_assets.evaluation import daily_ic, probability_of_backtest_overfitting
from model2_assets.evaluation.overfitting import overfitting_by_horizon
from model2_assets.panel import panel_index
from model2_assets.storage.data_version import with_provenance


def trimmed(table, n_blocks, overlap):
    blocks = np.array_split(table, n_blocks)
    return np.concatenate([block[: len(block) - overlap] for block in blocks])


def test_hand_worked_four_blocks_of_one_date():
    # Of the six halves, model 0 is best on those with date 0 or 1 but for {1, 2} and so on.
    table = np.array([[4.0, 0.0, 1.0], [0.0, 3.0, 1.0], [0.0, 1.0, 1.5], [1.0, 0.0, 0.0]])
    # in sample   best   out of sample sums   rank of best
    # {0,1} 4,3,2   0    1, 1, 1.5            1.5 (ties)
    # {0,2} 4,1,2.5 0    1, 3, 1              1.5
    # {0,3} 5,0,1   0    0, 4, 2.5            1
    # {1,2} 0,4,2.5 1    5, 0, 1              1
    # {1,3} 1,3,1   1    4, 1, 2.5            1
    # {2,3} 1,1,1.5 2    4, 3, 2              1
    found = probability_of_backtest_overfitting(table, n_blocks=4)
    ranks = np.array([1.5, 1.5, 1, 1, 1, 1])
    np.testing.assert_allclose(found.logits, np.log(ranks / (4 - ranks)))
    assert found.pbo == 1


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    data=st.data(),
    n_models=st.integers(2, 6),
    n_blocks=st.sampled_from([2, 4, 6, 8]),
    overlap=st.integers(0, 3),
)
def test_agrees_with_purgedcv(data, n_models, n_blocks, overlap):
    n_dates = data.draw(st.integers(n_blocks * (overlap + 2), 60))
    # Multiples of 1/8 add up exactly in any order, so that ties are ties in both.
    values = st.integers(-8, 8).map(lambda number: number / 8)
    table = data.draw(hnp.arrays(np.float64, (n_dates, n_models), elements=values))
    found = probability_of_backtest_overfitting(table, n_blocks=n_blocks, overlap_days=overlap)
    expected = purgedcv.probability_of_backtest_overfitting(
        trimmed(table, n_blocks, overlap).T, n_blocks, metric=np.mean
    )
    # purgedcv goes through the halves by what is out of sample.
    np.testing.assert_allclose(np.sort(found.logits), np.sort(expected.logits), atol=1e-12)
    # purgedcv counts logits below 0 alone.
    assert found.pbo == pytest.approx(expected.pbo + np.mean(expected.logits == 0) / 2)
    assert found.pbo == pytest.approx(brute_force(trimmed(table, n_blocks, overlap), n_blocks))
    assert len(found.logits) == expected.n_combos


def brute_force(table, n_blocks):
    """Go through the halves one by one, counting models below, at and above the median."""
    blocks = np.array_split(np.arange(len(table)), n_blocks)
    found = []
    for chosen in combinations(range(n_blocks), n_blocks // 2):
        inside = np.concatenate([blocks[number] for number in chosen])
        outside = np.setdiff1d(np.arange(len(table)), inside)
        best = np.argmax(table[inside].mean(axis=0))
        rank = rankdata(table[outside].mean(axis=0))[best]
        middle = (table.shape[1] + 1) / 2
        found.append({-1: 1.0, 0: 0.5, 1: 0.0}[np.sign(rank - middle)])
    return np.mean(found)


@pytest.mark.parametrize("n_models", [2, 3, 4, 5, 7])
def test_worthless_models_are_overfitted_half_of_the_time(n_models):
    rng = np.random.default_rng(n_models)
    found = [
        probability_of_backtest_overfitting(rng.normal(size=(320, n_models)), n_blocks=8).pbo
        for _ in range(400)
    ]
    error = np.std(found, ddof=1) / np.sqrt(400)
    assert error < 0.02
    assert np.mean(found) == pytest.approx(0.5, abs=3 * error)


def test_hand_worked_three_models_with_one_at_the_median():
    # in sample sums   best   out of sample sums   rank of best among three
    # {0} 3, 2, 1        0    2, 3, 1              2: the median, a half
    # {1} 2, 3, 1        1    3, 2, 1              2: the median, a half
    found = probability_of_backtest_overfitting([[3.0, 2.0, 1.0], [2.0, 3.0, 1.0]], n_blocks=2)
    assert (found.logits == 0).all()
    assert found.pbo == 0.5


def test_a_model_that_is_really_better_is_not_overfitted_and_noise_is():
    rng = np.random.default_rng(0)
    noise = [
        probability_of_backtest_overfitting(rng.normal(size=(320, 10)), n_blocks=8).pbo
        for _ in range(60)
    ]
    error = np.std(noise, ddof=1) / np.sqrt(60)
    # With a fixed history, good luck in one half is bad luck in the other: not below chance.
    assert np.mean(noise) > 0.5 - 3 * error
    better = rng.normal(size=(320, 10))
    better[:, 3] += 0.5
    assert probability_of_backtest_overfitting(better, n_blocks=8).pbo < 0.01


def test_performance_that_turns_from_half_to_half_is_overfitted():
    n_dates, n_models = 400, 8
    drift = np.linspace(-1, 1, n_models)
    sign = np.where(np.arange(n_dates) < n_dates // 2, 1, -1)
    table = sign[:, np.newaxis] * drift
    table += np.random.default_rng(1).normal(size=table.shape) * 0.1
    assert probability_of_backtest_overfitting(table, n_blocks=2).pbo == 1


def test_equal_models_tie():
    column = np.random.default_rng(2).normal(size=(160, 1))
    found = probability_of_backtest_overfitting(np.repeat(column, 5, axis=1), n_blocks=16)
    assert (found.logits == 0).all()
    assert found.pbo == 0.5


def test_labels_that_reach_into_the_next_block_are_left_out():
    # Persistent luck that spans a block's edge makes choosing look better than it is.
    rng = np.random.default_rng(3)
    window, biased, clean = 20, [], []
    for _ in range(40):
        draws = rng.normal(size=(16 * window * 2 + window, 6))
        smooth = np.apply_along_axis(np.convolve, 0, draws, np.ones(window), mode="valid")
        biased.append(probability_of_backtest_overfitting(smooth, n_blocks=16).pbo)
        clean.append(
            probability_of_backtest_overfitting(smooth, n_blocks=16, overlap_days=window).pbo
        )
    assert np.mean(clean) > np.mean(biased)


@pytest.mark.parametrize(
    ("table", "settings", "message"),
    [
        (np.zeros(10), {}, r"shape \(n_dates, n_models\) with two models or more, got \(10,\)"),
        (np.zeros((20, 1)), {}, r"two models or more, got \(20, 1\)"),
        (np.array([[0.0, 1.0], [0.0, np.nan]]), {}, "model 1 on date 1 is nan"),
        (np.zeros((20, 2)), {"n_blocks": 5}, "n_blocks must be even"),
        (np.zeros((80, 2)), {"n_blocks": 40}, "n_blocks must be even, from 2 to 24"),
        (
            np.zeros((20, 2)),
            {"overlap_days": -1},
            "overlap_days must be a number of dates, 0 or more",
        ),
        (np.zeros((15, 2)), {}, "15 dates are too few for 16 blocks"),
        (np.zeros((30, 2)), {"overlap_days": 1}, "30 dates are too few .* 1 dates each"),
    ],
)
def test_impossible_inputs_are_refused(table, settings, message):
    with pytest.raises(Model2Error, match=message):
        probability_of_backtest_overfitting(table, **settings)


N_DATES, N_NAMES = 300, 12
DATES = pd.bdate_range("2020-01-01", periods=N_DATES)
INDEX = panel_index([f"S{i:02}" for i in range(N_NAMES)] * N_DATES, np.repeat(DATES, N_NAMES))


def labels(**columns):
    rng = np.random.default_rng(0)
    names = [f"{kind}_{h}" for h in ("5d", "63d") for kind in ("label", "forward_return")]
    made = {name: rng.normal(size=len(INDEX)) for name in names}
    return with_provenance(pd.DataFrame(made | columns, INDEX), data_version="l1", inputs={})


def model(seed, *, horizon="5d", index=INDEX, version="l1", good=0.0):
    rng = np.random.default_rng(seed)
    prediction = rng.normal(size=len(index))
    if good:
        prediction += good * labels()[f"forward_return_{horizon}"].loc[index].to_numpy()
    frame = pd.DataFrame({"prediction": prediction, "fold_id": 0}, index=index)
    inputs = {"labels": version}
    return with_provenance(frame.sort_index(), data_version="o", inputs=inputs, horizon=horizon)


def models(n, **settings):
    return {
        f"{settings.get('horizon', '5d')}|m{seed}": model(seed, **settings) for seed in range(n)
    }


def test_agrees_with_daily_rank_ics_of_all_models_on_realized_returns():
    oof = models(5)
    found = overfitting_by_horizon(oof, labels(), LabelsConfig())["5d"]
    earned = labels()["forward_return_5d"]
    table = np.column_stack(
        [
            daily_ic(frame["prediction"], earned.loc[frame.index], frame.index)["rank_ic"]
            for frame in oof.values()
        ]
    )
    expected = probability_of_backtest_overfitting(table, n_blocks=16, overlap_days=5)
    # Sums in another order may break a tie.
    assert found.pbo == pytest.approx(expected.pbo, abs=3 / 12_870)
    assert found.description == (
        f"{found.pbo:.2f}: 5 models, 16 blocks of 300 dates, 12,870 combinations"
    )


def test_a_good_model_among_worthless_ones_is_well_chosen():
    oof = {**models(4), "5d|good": model(9, good=0.3)}
    assert overfitting_by_horizon(oof, labels(), LabelsConfig())["5d"].pbo < 0.01


@pytest.mark.parametrize(("n", "text"), [(1, "1 model was"), (3, "3 models were")])
def test_withheld_below_four_models(n, text):
    found = overfitting_by_horizon(models(n), labels(), LabelsConfig())["5d"]
    assert isnan(found.pbo)
    assert found.description == (
        f"withheld: {text} made from the present labels, and it takes 4 to be informative"
    )
    assert not isnan(overfitting_by_horizon(models(4), labels(), LabelsConfig())["5d"].pbo)


def test_withheld_where_history_is_short_against_the_horizon():
    oof = models(4) | models(4, horizon="63d")
    found = overfitting_by_horizon(oof, labels(), LabelsConfig())
    assert not isnan(found["5d"].pbo)
    assert isnan(found["63d"].pbo)
    assert found["63d"].description == (
        "withheld: 300 common dates make 2 blocks of at least 126, and it takes 6"
    )


def test_only_dates_that_all_models_have_are_compared():
    later = INDEX[INDEX.get_level_values("datetime") >= DATES[100]]
    oof = {**models(4), "5d|late": model(9, index=later)}
    found = overfitting_by_horizon(oof, labels(), LabelsConfig())["5d"]
    assert "5 models, 16 blocks of 200 dates" in found.description


def test_predictions_of_other_labels_do_not_count():
    oof = {**models(3), "5d|stale": model(9, version="l0")}
    found = overfitting_by_horizon(oof, labels(), LabelsConfig())["5d"]
    assert "3 models were made from the present labels" in found.description


def test_rows_without_a_label_are_left_out():
    label = labels()["label_5d"].where(INDEX.get_level_values("datetime") < DATES[250])
    found = overfitting_by_horizon(models(4), labels(label_5d=label), LabelsConfig())
    assert "blocks of 250 dates" in found["5d"].description
