import re

import numpy as np
import pandas as pd
import pytest

from model2_assets.checks import check_contract
from model2_assets.contracts import load_contract
from model2_assets.errors import StoreError
from model2_assets.evaluation import (
    daily_ic,
    describe_scores,
    label_overlap_days,
    mean_ic_inference,
    score_partition,
    wide_scores,
)
from model2_assets.provenance import with_provenance
from model2_assets.tables import decode_json_lines, encode_json_lines
from model2_assets_tests.evaluation.paths_example import example, stored

SETTINGS = {"horizon": "5d", "model": "ridge", "execution_lag_days": 1, "n_trials": 4}


def scored(**settings):
    return score_partition(*stored(example(**settings)), **SETTINGS)


@pytest.mark.parametrize("settings", [{}, {"n_groups": 5, "k": 1}, {"n_names": 4}])
def test_scores_keep_their_contract_and_survive_their_file(settings):
    scores = scored(**settings)
    assert check_contract(scores, "CVScores").passed
    terms = load_contract("CVScores")
    data = encode_json_lines(scores, terms, origin="scores")
    read = decode_json_lines(data, terms, origin="scores")
    pd.testing.assert_frame_equal(read, scores)


def test_a_repeated_score_breaks_the_contract():
    scores = scored()
    repeated = pd.concat([scores, scores[scores["scope"] == "split"].iloc[[3]]])
    assert not check_contract(repeated, "CVScores").passed


def test_standard_errors_look_back_twice_the_overlap():
    made = example(n_dates=200)
    oof, paths, labels = stored(made)
    scores = score_partition(oof, paths, labels, **SETTINGS)
    label = made.label.loc[made.oof.index]
    daily = daily_ic(made.oof["prediction"], label, made.oof.index)
    expected = mean_ic_inference(daily["rank_ic"], lag=10)
    overall = scores[scores["scope"] == "all"].set_index("metric")["value"]
    assert overall["rank_ic_t"] == pytest.approx(expected.t_statistic)
    assert overall["n_effective"] == pytest.approx(expected.n_effective)
    assert label_overlap_days("21d", execution_lag_days=0) == 20


def test_predictions_of_other_labels_or_models_are_refused():
    made = example()
    oof, paths, labels = stored(made, labels_version="l2")
    with pytest.raises(StoreError, match="oof_predictions was made from labels of version l1"):
        score_partition(oof, paths, labels, **SETTINGS)
    oof, paths, labels = stored(made)
    other = with_provenance(paths, data_version="p", inputs={"labels": "l1", "fitted_models": "m"})
    with pytest.raises(StoreError, match="oof_paths was made from fitted_models of version m"):
        score_partition(oof, other, labels, **SETTINGS)
    stale = with_provenance(paths, data_version="p", inputs={"labels": "l0"})
    with pytest.raises(StoreError, match="oof_paths was made from labels of version l0"):
        score_partition(oof, stale, labels, **SETTINGS)


def test_wide_scores_have_a_row_for_every_unit():
    scores = scored()
    wide = wide_scores(scores)
    assert wide["scope"].tolist() == ["fold"] * 4 + ["split"] * 6 + ["path"] * 3 + ["all"]
    assert wide["id"].tolist()[:-1] == [*range(4), *range(6), *range(3)]
    assert wide["id"].isna().tolist() == [False] * 13 + [True]
    assert wide["rank_ic_t"].notna().tolist() == [False] * 10 + [True] * 4
    split = scores[(scores["split_id"] == 4).fillna(False) & (scores["metric"] == "mae")]
    assert wide["mae"].iloc[8] == split["value"].item()
    assert np.issubdtype(wide["mae"].dtype, np.float64)


def test_the_log_names_paths_only_where_there_are_several():
    lines = describe_scores(scored())
    assert [re.match(r"[^:]*", line).group() for line in lines] == [
        *[f"fold {fold}" for fold in range(4)],
        *[f"path {path}" for path in range(3)],
        "all folds, mean over paths",
    ]
    lines = describe_scores(scored(n_groups=5, k=1))
    assert [line.split(":")[0] for line in lines] == [
        *[f"fold {fold}" for fold in range(5)],
        "all folds",
    ]
