import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from model2_assets.checks.tables import TableChecks
from model2_assets.config.partition import Partition
from model2_assets.contracts import load_contract
from model2_assets.errors import ContractError, StoreError
from model2_assets.evaluation import mean_ic_inference, wide_scores
from model2_assets.evaluation.scores import describe_scores, score_partition
from model2_assets.panel import panel_index, to_canonical
from model2_assets.storage.codecs import decode_json_lines, encode_json_lines
from model2_assets.storage.data_version import data_versions_of, with_provenance
from model2_assets_tests.evaluation.paths_example import (
    HISTORY_METRICS,
    SCORE_METRICS,
    example,
    stored,
)
from model2_assets_tests.sample_tables import mark

HISTORY, METRICS = list(HISTORY_METRICS), list(SCORE_METRICS)
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
    labels = mark(labels)
    oof = pd.DataFrame({"prediction": prediction, "fold_id": fold_id}, index=index)
    return mark(oof, **data_versions_of(labels=labels)), labels


def paths_of(oof: pd.DataFrame) -> pd.DataFrame:
    """Return the single predictions of splits that test one fold each."""
    paths = oof.reset_index().rename(columns={"fold_id": "group_id"})
    paths = paths.assign(split_id=paths["group_id"], path_id=np.int16(0))
    paths.attrs = oof.attrs
    return paths


def score(oof, labels, paths=None, *, horizon="21d", lag=1) -> pd.DataFrame:
    return score_partition(
        oof,
        paths_of(oof) if paths is None else paths,
        labels,
        Partition(horizon, "ridge"),
        execution_lag_days=lag,
        n_trials=4,
    )


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    return score(*tables())


def test_scores_keep_their_contract_on_disk(scores):
    contract = load_contract("CVScores")
    back = decode_json_lines(
        encode_json_lines(scores, contract, origin="scores"), contract, origin="scores"
    )
    pd.testing.assert_frame_equal(back, scores, check_exact=True)
    ids = ["fold_id", "split_id", "path_id"]
    assert scores[ids].dtypes.astype(str).tolist() == ["Int16"] * 3


def test_every_fold_split_path_and_all_rows_have_every_metric(scores):
    assert set(scores["model"]) == {"ridge"}
    assert set(scores["horizon"]) == {"21d"}
    ids = scores[["fold_id", "split_id", "path_id"]].fillna(-1)
    keys = [*zip(scores["scope"], *ids.to_numpy().T.tolist(), strict=True)]
    expected = [("fold", fold, -1, -1) for fold in range(N_FOLDS) for _ in METRICS]
    expected += [("split", -1, split, -1) for split in range(N_FOLDS) for _ in METRICS]
    expected += [("path", -1, -1, 0)] * (len(METRICS) + len(HISTORY))
    assert keys == [*expected, *[("all", -1, -1, -1)] * (len(METRICS) + len(HISTORY))]
    assert scores["metric"].tolist() == [
        *METRICS * (2 * N_FOLDS), *METRICS, *HISTORY, *METRICS, *HISTORY
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
def test_standard_error_looks_back_twice_over_horizon_and_lag(horizon, lag, overlap):
    oof, labels = tables()
    scores = score(oof, labels, horizon=horizon, lag=lag)
    joined = oof.join(labels[f"label_{horizon}"])
    daily = joined.groupby("datetime").apply(
        lambda rows: spearmanr(rows["prediction"], rows[f"label_{horizon}"]).statistic
    )
    expected = mean_ic_inference(daily, lag=2 * overlap)
    overall = scores[scores["scope"] == "all"].set_index("metric")["value"]
    assert overall["rank_ic_se"] == pytest.approx(expected.standard_error)
    assert overall["rank_ic_t"] == pytest.approx(expected.t_statistic)
    other = mean_ic_inference(daily, lag=2 * overlap + 1)
    assert overall["rank_ic_se"] != pytest.approx(other.standard_error)


def test_each_horizon_is_scored_with_its_own_label():
    oof, labels = tables()
    long, short = score(oof, labels), score(oof, labels, horizon="5d")
    overall = [
        frame[frame["scope"] == "all"].set_index("metric")["value"] for frame in (long, short)
    ]
    assert overall[0]["rank_ic"] == pytest.approx(-overall[1]["rank_ic"])
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


def test_paths_of_other_models_or_labels_are_refused():
    oof, labels = tables()
    version = data_versions_of(labels=labels)["labels"]
    mark = {"data_version": "v", "inputs": {"labels": version, "fitted_models": "new"}}
    made = with_provenance(oof, **mark)
    old = with_provenance(paths_of(oof), data_version="v", inputs={"fitted_models": "old"})
    with pytest.raises(StoreError, match=r"^oof_paths was made from fitted_models of version old"):
        score(made, labels, old)
    old = with_provenance(paths_of(oof), data_version="v", inputs={"labels": "old"})
    with pytest.raises(StoreError, match=r"^oof_paths was made from labels of version old"):
        score(made, labels, old)


def several_paths() -> pd.DataFrame:
    made = stored(example())
    partition = Partition("5d", "ridge")
    return score_partition(*made, partition, execution_lag_days=1, n_trials=4)


def test_a_repeated_score_breaks_the_contract():
    scores = several_paths()
    repeated = pd.concat([scores, scores[scores["scope"] == "split"].iloc[[3]]])
    assert TableChecks(scores).contract("CVScores").passed
    assert not TableChecks(repeated).contract("CVScores").passed


def test_wide_scores_have_a_row_for_every_unit():
    scores = several_paths()
    wide = wide_scores(scores)
    assert wide.columns.tolist() == ["scope", "id", *METRICS, *HISTORY]
    assert wide["scope"].tolist() == ["fold"] * 4 + ["split"] * 6 + ["path"] * 3 + ["all"]
    assert wide["id"].tolist()[:-1] == [*range(4), *range(6), *range(3)]
    assert wide["id"].isna().tolist() == [False] * 13 + [True]
    assert wide["rank_ic_t"].notna().tolist() == [False] * 10 + [True] * 4
    by_unit = wide.assign(id=wide["id"].fillna(-1)).set_index(["scope", "id"])
    for row in scores.fillna({"fold_id": -1, "split_id": -1, "path_id": -1}).itertuples():
        unit = max(row.fold_id, row.split_id, row.path_id)
        value = by_unit.loc[(row.scope, unit), row.metric]
        assert value == row.value or (np.isnan(value) and np.isnan(row.value))


def test_wide_scores_keep_metrics_that_are_undefined_everywhere(scores):
    undefined = scores.assign(value=scores["value"].where(scores["metric"] != "icir"))
    wide = wide_scores(undefined)
    assert wide.columns.tolist() == wide_scores(scores).columns.tolist()
    assert wide["icir"].isna().all()
    assert len(wide) == 2 * N_FOLDS + 2


def test_ten_folds_stay_in_their_order():
    columns = ["scope", "fold_id", "split_id", "path_id", "metric", "value"]
    rows = [("fold", fold, None, None, "r2", float(fold)) for fold in range(11)]
    ids = dict.fromkeys(columns[1:4], "Int16")
    wide = wide_scores(pd.DataFrame(rows, columns=columns).astype(ids))
    assert wide["id"].tolist() == list(range(11))
    assert wide["r2"].tolist() == list(map(float, range(11)))


def test_scores_are_described_line_by_line(scores):
    lines = describe_scores(scores)
    assert [line.split(":")[0] for line in lines] == [
        *(f"fold {fold}" for fold in range(N_FOLDS)), "all folds"
    ]  # fmt: skip
    assert "rows 72" in lines[0]
    assert "rows 360" in lines[-1]
    wide = wide_scores(scores).iloc[-1]
    shown = f"rank IC {wide['rank_ic']:+.4f}, IC {wide['ic']:+.4f}"
    assert shown.replace("-", "−") in lines[-1]
    assert f"RMSE {wide['rmse']:,.0f} bps" in lines[-1]


def test_the_log_names_paths_where_there_are_several():
    assert [line.split(":")[0] for line in describe_scores(several_paths())] == [
        *(f"fold {fold}" for fold in range(4)),
        *(f"path {path}" for path in range(3)),
        "all folds, mean over paths",
    ]
