from math import isnan

import numpy as np
import pandas as pd
import pytest

from model2_assets.evaluation import daily_ic, probability_of_backtest_overfitting
from model2_assets.evaluation.overfitting import overfitting_by_horizon
from model2_assets.panel import panel_index
from model2_assets.storage.data_version import with_provenance

N_DATES, N_NAMES = 300, 12
DATES = pd.bdate_range("2020-01-01", periods=N_DATES)
INDEX = panel_index([f"S{i:02}" for i in range(N_NAMES)] * N_DATES, np.repeat(DATES, N_NAMES))


def labels(**columns):
    rng = np.random.default_rng(0)
    made = {f"label_{horizon}": rng.normal(size=len(INDEX)) for horizon in ("5d", "63d")}
    return with_provenance(pd.DataFrame(made | columns, INDEX), data_version="l1", inputs={})


def model(seed, *, horizon="5d", index=INDEX, version="l1", good=0.0):
    rng = np.random.default_rng(seed)
    prediction = rng.normal(size=len(index))
    if good:
        prediction += good * labels()[f"label_{horizon}"].loc[index].to_numpy()
    frame = pd.DataFrame({"prediction": prediction, "fold_id": 0}, index=index)
    inputs = {"labels": version}
    return with_provenance(frame.sort_index(), data_version="o", inputs=inputs, horizon=horizon)


def models(n, **settings):
    return {
        f"{settings.get('horizon', '5d')}|m{seed}": model(seed, **settings) for seed in range(n)
    }


def test_agrees_with_daily_rank_ics_of_all_models():
    oof = models(5)
    found = overfitting_by_horizon(oof, labels(), execution_lag_days=1)["5d"]
    label = labels()["label_5d"]
    table = np.column_stack(
        [
            daily_ic(frame["prediction"], label.loc[frame.index], frame.index)["rank_ic"]
            for frame in oof.values()
        ]
    )
    expected = probability_of_backtest_overfitting(table, n_blocks=16, overlap_days=5)
    assert found.pbo == expected.pbo
    assert found.description == (
        f"{found.pbo:.2f}: 5 models, 16 blocks of 300 dates, 12,870 combinations"
    )


def test_a_good_model_among_worthless_ones_is_well_chosen():
    oof = {**models(4), "5d|good": model(9, good=0.3)}
    assert overfitting_by_horizon(oof, labels(), execution_lag_days=1)["5d"].pbo < 0.01


@pytest.mark.parametrize(("n", "text"), [(1, "1 model was"), (3, "3 models were")])
def test_withheld_below_four_models(n, text):
    found = overfitting_by_horizon(models(n), labels(), execution_lag_days=1)["5d"]
    assert isnan(found.pbo)
    assert found.description == (
        f"withheld: {text} made from the present labels, and it takes 4 to be informative"
    )
    assert not isnan(overfitting_by_horizon(models(4), labels(), execution_lag_days=1)["5d"].pbo)


def test_withheld_where_history_is_short_against_the_horizon():
    oof = models(4) | models(4, horizon="63d")
    found = overfitting_by_horizon(oof, labels(), execution_lag_days=1)
    assert not isnan(found["5d"].pbo)
    assert isnan(found["63d"].pbo)
    assert found["63d"].description == (
        "withheld: 300 common dates make 2 blocks of at least 126, and it takes 6"
    )


def test_only_dates_that_all_models_have_are_compared():
    later = INDEX[INDEX.get_level_values("datetime") >= DATES[100]]
    oof = {**models(4), "5d|late": model(9, index=later)}
    found = overfitting_by_horizon(oof, labels(), execution_lag_days=1)["5d"]
    assert "5 models, 16 blocks of 200 dates" in found.description


def test_predictions_of_other_labels_do_not_count():
    oof = {**models(3), "5d|stale": model(9, version="l0")}
    found = overfitting_by_horizon(oof, labels(), execution_lag_days=1)["5d"]
    assert "3 models were made from the present labels" in found.description


def test_rows_without_a_label_are_left_out():
    label = labels()["label_5d"].where(INDEX.get_level_values("datetime") < DATES[250])
    found = overfitting_by_horizon(models(4), labels(label_5d=label), execution_lag_days=1)
    assert "blocks of 250 dates" in found["5d"].description
