from dataclasses import dataclass
from math import isnan

import pytest

from model2_assets.checks import check_contract, check_scores_complete
from model2_assets.evaluation import (
    HorizonOverfitting,
    compare_partitions,
    leaderboard_version,
    score_partition,
)
from model2_assets.provenance import with_provenance
from model2_assets_tests.evaluation.paths_example import example, stored


@dataclass(frozen=True)
class Manifest:
    """What a leaderboard reads of a manifest."""

    horizon: str
    model: str
    total_bytes: int = 1000
    seconds: float = 2.0
    peak_rss_bytes: int = 10**8


def board(pbo=float("nan"), **settings):
    scores, oof, manifests = {}, {}, {}
    for horizon in ("5d", "21d"):
        for model, signal in (("weak", 0.05), ("strong", 0.4)):
            key = f"{horizon}|{model}"
            made = example(signal=signal, **settings)
            frame, paths, labels = stored(made, horizon=horizon, model=model)
            scores[key] = score_partition(
                frame,
                paths,
                labels,
                horizon=horizon,
                model=model,
                execution_lag_days=1,
                n_trials=4,
            )
            facts = {"rows_with_label": len(frame), "determinism_difference_bps": 0.0}
            oof[key] = with_provenance(frame, data_version="o", inputs={}, **facts)
            manifests[key] = Manifest(horizon, model)
    overfitting = {h: HorizonOverfitting(pbo, "as told") for h in ("5d", "21d")}
    return scores, compare_partitions(
        scores=scores, oof=oof, manifests=manifests, overfitting=overfitting
    )


def test_best_rank_ic_comes_first_within_a_horizon_under_contract():
    _, found = board()
    assert found["horizon"].tolist() == ["5d", "5d", "21d", "21d"]
    assert found["model"].tolist() == ["strong", "weak"] * 2
    assert check_contract(found, "Leaderboard").passed
    assert found["pbo"].map(isnan).all()
    assert board(pbo=0.25)[1]["pbo"].tolist() == [0.25] * 4


def test_figures_are_those_of_the_scores():
    scores, found = board()
    row = found.set_index(["horizon", "model"]).loc[("21d", "strong")]
    of = scores["21d|strong"]
    overall = of[of["scope"] == "all"].set_index("metric")["value"]
    for metric in ("rank_ic", "rank_ic_t", "n_effective", "decile_spread_bps", "deflated_sharpe"):
        assert row[metric] == overall[metric] or isnan(row[metric])
    paths = of[(of["scope"] == "path") & (of["metric"] == "rank_ic")]["value"].tolist()
    low, middle, high = sorted(paths)
    assert (row["rank_ic_path_min"], row["rank_ic_path_median"]) == (low, middle)
    assert row["rank_ic_path_max"] == high < row["rank_ic"]


def test_one_path_is_the_whole_distribution():
    _, found = board(n_groups=5, k=1)
    for name in ("rank_ic_path_min", "rank_ic_path_median", "rank_ic_path_max"):
        assert found[name].tolist() == found["rank_ic"].tolist()


def test_time_and_memory_are_no_part_of_the_version():
    _, found = board()
    version = leaderboard_version(found)
    assert leaderboard_version(found.assign(seconds=9.0, peak_rss_bytes=1.0)) == version
    assert leaderboard_version(found.assign(pbo=0.5)) != version


@pytest.mark.parametrize(
    ("change", "severity", "text"),
    [
        ({}, "warn", "16 of 16 fold scores"),
        ({"partitions": ["5d|weak", "63d|weak"]}, "warn", "partition 63d|weak is missing"),
        ({"n_folds": 5}, "error", "partition 5d|weak has 4 of 5 folds"),
        ({"n_splits": {"5d|weak": 15}}, "error", "scores of 6 of 15 splits; materialize its"),
    ],
)
def test_scores_complete(change, severity, text):
    scores, _ = board()
    given = {"partitions": list(scores), "n_folds": 4, "n_splits": dict.fromkeys(scores, 6)}
    found = check_scores_complete(scores, **given | change)
    assert found.passed == (not change)
    assert found.severity == severity
    assert text in found.description
