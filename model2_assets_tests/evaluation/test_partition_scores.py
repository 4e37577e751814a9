import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from model2_assets.contracts import load_contract
from model2_assets.data_version import table_digest
from model2_assets.errors import ContractError, StoreError
from model2_assets.evaluation import (
    describe_scores,
    mean_ic_inference,
    score_partition,
    wide_scores,
)
from model2_assets.panel import panel_index, to_canonical
from model2_assets.provenance import data_versions_of, with_provenance
from model2_assets.tables import decode_json_lines, encode_json_lines

METRICS = ["rank_ic", "ic", "icir", "r2", "mse", "rmse", "mae", "hit_rate", "samples", "dates"]
N_FOLDS, N_DATES, N_NAMES = 5, 60, 6


def tables(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    names = [f"S{i}" for i in range(N_NAMES)]
    dates = pd.bdate_range("2024-01-01", periods=N_DATES).as_unit("us")
    index = panel_index(np.repeat(names, N_DATES), np.tile(dates, N_NAMES))
    fold_id = np.tile(np.arange(N_DATES) * N_FOLDS // N_DATES, N_NAMES).astype(np.int16)
    prediction = rng.normal(scale=50, size=len(index))
    label = 0.2 * prediction + rng.normal(scale=300, size=len(index))
    labels = to_canonical(pd.DataFrame({"label_21d": label, "label_5d": -label}, index=index))
    labels = with_provenance(labels, data_version=table_digest(labels), inputs={})
    oof = pd.DataFrame({"prediction": prediction, "fold_id": fold_id}, index=index)
    inputs = data_versions_of(labels=labels)
    return with_provenance(oof, data_version=table_digest(oof), inputs=inputs), labels


def score(oof, labels, *, horizon="21d", lag=1) -> pd.DataFrame:
    return score_partition(oof, labels, horizon=horizon, model="ridge", execution_lag_days=lag)


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    return score(*tables())


def test_scores_keep_their_contract_on_disk(scores):
    contract = load_contract("CVScores")
    back = decode_json_lines(
        encode_json_lines(scores, contract, origin="scores"), contract, origin="scores"
    )
    pd.testing.assert_frame_equal(back, scores, check_exact=True)
    assert scores["fold_id"].dtype == "Int16"


def test_every_fold_and_all_rows_have_every_metric(scores):
    assert set(scores["model"]) == {"ridge"}
    assert set(scores["horizon"]) == {"21d"}
    keys = [*zip(scores["scope"], scores["fold_id"].fillna(-1), strict=True)]
    expected = [("fold", fold) for fold in range(N_FOLDS) for _ in METRICS]
    assert keys == [*expected, *[("all", -1)] * (len(METRICS) + 2)]
    assert scores["metric"].tolist() == [
        *METRICS * (N_FOLDS + 1), "rank_ic_se", "rank_ic_t"
    ]  # fmt: skip


def test_rank_ic_is_the_mean_daily_spearman_correlation(scores):
    oof, labels = tables()
    joined = oof.join(labels["label_21d"])
    daily = joined.groupby("datetime").apply(
        lambda rows: spearmanr(rows["prediction"], rows["label_21d"]).statistic
    )
    overall = scores[scores["scope"] == "all"].set_index("metric")["value"]
    assert overall["rank_ic"] == pytest.approx(daily.mean())
    assert overall["icir"] == pytest.approx(daily.mean() / daily.std())
    assert overall["samples"] == len(oof)
    assert overall["dates"] == N_DATES
    folds = joined.groupby("datetime")["fold_id"].first()
    of_fold = scores[(scores["fold_id"] == 2) & (scores["metric"] == "rank_ic")]
    assert of_fold["value"].item() == pytest.approx(daily[folds == 2].mean())


@pytest.mark.parametrize(
    ("horizon", "lag", "overlap"), [("21d", 1, 21), ("21d", 0, 20), ("5d", 3, 7)]
)
def test_standard_error_covers_horizon_and_lag(horizon, lag, overlap):
    oof, labels = tables()
    scores = score(oof, labels, horizon=horizon, lag=lag)
    joined = oof.join(labels[f"label_{horizon}"])
    daily = joined.groupby("datetime").apply(
        lambda rows: spearmanr(rows["prediction"], rows[f"label_{horizon}"]).statistic
    )
    expected = mean_ic_inference(daily, lag=overlap)
    overall = scores[scores["scope"] == "all"].set_index("metric")["value"]
    assert overall["rank_ic_se"] == pytest.approx(expected.standard_error)
    assert overall["rank_ic_t"] == pytest.approx(expected.t_statistic)
    other = mean_ic_inference(daily, lag=overlap + 1)
    assert overall["rank_ic_se"] != pytest.approx(other.standard_error)


def test_each_horizon_is_scored_with_its_own_label():
    oof, labels = tables()
    long, short = score(oof, labels), score(oof, labels, horizon="5d")
    rank_ic = [frame.loc[frame["metric"] == "rank_ic", "value"].iloc[-1] for frame in (long, short)]
    assert rank_ic[0] == pytest.approx(-rank_ic[1])
    assert set(short["horizon"]) == {"5d"}


def test_predictions_of_other_labels_are_refused():
    oof, _ = tables()
    _, other = tables(seed=1)
    with pytest.raises(StoreError, match=r"^oof_predictions was made from labels of version"):
        score(oof, other)


def test_labels_changed_by_hand_are_refused():
    oof, labels = tables()
    changed = labels * 1.0
    changed.attrs = {}
    score(oof, changed)
    changed.iloc[5, 0] += 1.0
    with pytest.raises(StoreError, match=r"^oof_predictions was made from labels of version"):
        score(oof, changed)


def test_row_without_a_label_is_named():
    oof, labels = tables()
    fewer = labels.drop(oof.index[3])
    fewer.attrs = labels.attrs
    with pytest.raises(ContractError, match="has no label"):
        score(oof, fewer)


def test_wide_scores_have_a_row_per_fold_and_one_for_all(scores):
    wide = wide_scores(scores)
    assert wide["fold"].tolist() == ["0", "1", "2", "3", "4", "all"]
    assert wide.columns.tolist() == ["fold", *METRICS, "rank_ic_se", "rank_ic_t"]
    assert wide["rank_ic_t"].isna().tolist() == [True] * 5 + [False]
    for row in scores.itertuples():
        fold = "all" if row.scope == "all" else str(row.fold_id)
        assert wide.set_index("fold").loc[fold, row.metric] == row.value


def test_wide_scores_keep_metrics_that_are_undefined_everywhere(scores):
    undefined = scores.assign(value=scores["value"].where(scores["metric"] != "icir"))
    wide = wide_scores(undefined)
    assert wide.columns.tolist() == wide_scores(scores).columns.tolist()
    assert wide["icir"].isna().all()
    assert wide["fold"].tolist() == ["0", "1", "2", "3", "4", "all"]


def test_ten_folds_stay_in_their_order():
    frames = [
        pd.DataFrame({"scope": "fold", "fold_id": [fold], "metric": "r2", "value": float(fold)})
        for fold in range(11)
    ]
    wide = wide_scores(pd.concat(frames, ignore_index=True).astype({"fold_id": "Int16"}))
    assert wide["fold"].tolist() == [str(fold) for fold in range(11)]
    assert wide["r2"].tolist() == list(map(float, range(11)))


def test_scores_are_described_line_by_line(scores):
    lines = describe_scores(scores)
    assert len(lines) == N_FOLDS + 1
    assert [line.split(":")[0] for line in lines] == [
        *(f"fold {fold}" for fold in range(N_FOLDS)), "all folds"
    ]  # fmt: skip
    assert "72 samples" in lines[0]
    assert "360 samples" in lines[-1]
    wide = wide_scores(scores).iloc[-1]
    assert f"rank IC {wide['rank_ic']:.4f}, IC {wide['ic']:.4f}" in lines[-1]
    assert f"RMSE {wide['rmse']:,.0f} bps" in lines[-1]
