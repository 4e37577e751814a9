import dataclasses

import pandas as pd
import pytest

from model2_assets.evaluation import wide_scores
from model2_assets.evaluation.leaderboard import compare_partitions
from model2_assets.evaluation.overfitting import overfitting_by_horizon
from model2_assets.reports import REGION_PARTS, RegionResults, region_report
from model2_assets_tests.checks.builders import check_report
from model2_assets_tests.reports.page import Page
from model2_assets_tests.reports.partitions import partition, region_config

KEYS = ("5d|ridge", "5d|xgboost")


def report(parts, *, partitions=KEYS, reports=KEYS, **changes):
    labels = changes.pop("labels", None)
    labels = next(iter(parts.values())).labels if labels is None else labels
    oof = {key: part.oof for key, part in parts.items()}
    scores = {key: part.scores for key, part in parts.items()}
    board = compare_partitions(
        scores=scores,
        oof=oof,
        manifests={key: part.manifest for key, part in parts.items()},
        overfitting=overfitting_by_horizon(oof, labels, region_config().labels),
    )
    return region_report(
        RegionResults(board, scores, oof, labels),
        region="us",
        config=region_config(),
        partitions=partitions,
        reports=reports,
    )


def parts_of(k=1, **settings):
    made = {"ridge": 0, "xgboost": 3}
    return {f"5d|{m}": partition(model=m, seed=seed, k=k, **settings) for m, seed in made.items()}


@pytest.fixture(scope="module")
def parts():
    return parts_of()


def test_every_part_is_there_and_nothing_outside_is_needed(parts):
    html = report(parts)
    assert all(outcome.passed for outcome in check_report(html, REGION_PARTS))
    assert html == report(parts)
    assert {"rank-ic-5d", "spread-5d"} <= set(Page(html).ids)


def test_models_are_ranked_linked_and_shown_as_scored(parts):
    page = Page(report(parts))
    overall = {
        key.partition("|")[2]: part.scores[part.scores["scope"] == "all"].set_index("metric")[
            "value"
        ]["rank_ic"]
        for key, part in parts.items()
    }
    ranked = sorted(overall, key=overall.get, reverse=True)
    board = page.tables["leaderboard"]
    assert board.column("Model") == ranked
    assert board.column("Rank IC") == [f"{overall[m]:+.4f}".replace("-", "−") for m in ranked]
    assert [link for link in page.links if not link.startswith("#")] == [
        f"../tear_sheet/5d/{model}/report.html" for model in ranked
    ]
    assert f"{overall[ranked[0]]:+.4f}".replace("-", "−") in page.text_of["figures"]
    assert "On realized returns, which are never winsorized: rank IC" in page.text_of["leaderboard"]
    assert "On labels, as models are fitted to them: R²." in page.text_of["leaderboard"]


def test_predictions_and_models_have_their_units(parts):
    page = Page(report(parts))
    evidence = page.tables["evidence"]
    for model, largest, size in zip(
        evidence.column("Model"),
        evidence.column("Largest (bps)"),
        evidence.column("Models (MB)"),
        strict=True,
    ):
        part = parts[f"5d|{model}"]
        assert largest == f"{part.oof['prediction'].abs().max():,.0f}"
        assert size == f"{part.manifest.total_bytes / 1e6:.2f}"
    assert evidence.column("Refit (bps)") == ["0", "0"]
    assert evidence.column("Coverage") == ["100.00%", "100.00%"]
    assert "seconds" not in page.text


def test_rank_ic_of_every_fold_stands_side_by_side(parts):
    table = Page(report(parts)).tables["rank-ic-by-fold"]
    assert table.header[2:] == ["Fold 0", "Fold 1", "Fold 2", "Fold 3", "Std. dev. over folds"]
    for row, part in zip(table.rows, parts.values(), strict=True):
        wide = wide_scores(part.scores)
        folds = wide[wide["scope"] == "fold"]["rank_ic"]
        assert row[2:6] == [f"{value:+.4f}".replace("-", "−") for value in folds]
        assert row[6] == f"{folds.std():.4f}"


def test_paths_are_shown_where_there_are_several(parts):
    page = Page(report(parts_of(k=2)))
    assert page.tables["rank-ic-by-path"].header[2:5] == ["Path 0", "Path 1", "Path 2"]
    assert {"Worst path", "Best path"} <= set(page.tables["leaderboard"].header)
    assert "Means flatter" in page.text_of["caveats"]
    one = Page(report(parts))
    assert "rank-ic-by-path" not in one.ids
    assert "Best path" not in one.tables["leaderboard"].header


def test_missing_partitions_are_named_and_have_no_link(parts):
    only = {"5d|ridge": parts["5d|ridge"]}
    html = report(only, partitions=(*KEYS, "21d|ridge"), reports=())
    assert all(outcome.passed for outcome in check_report(html, REGION_PARTS))
    page = Page(html)
    assert "5d|xgboost, 21d|ridge" in page.text_of["leaderboard-section"]
    board = page.tables["leaderboard"]
    assert [row[:3] for row in board.rows[1:]] == [["xgboost", "5d", "–"], ["ridge", "21d", "–"]]
    assert [link for link in page.links if not link.startswith("#")] == []
    assert "1 of 3" in page.text_of["figures"]
    assert "no score yet" in page.text_of["figures"]


def test_a_region_without_any_result_has_a_report_that_says_so(parts):
    labels = parts["5d|ridge"].labels
    board = compare_partitions(scores={}, oof={}, manifests={}, overfitting={})
    made = RegionResults(board, {}, {}, labels)
    html = region_report(made, region="us", config=region_config(), partitions=KEYS, reports=())
    assert all(outcome.passed for outcome in check_report(html, REGION_PARTS))
    assert "none yet" in Page(html).text


def test_predictions_of_other_labels_are_left_out_of_the_charts(parts):
    labels = parts["5d|ridge"].labels.copy()
    labels.attrs = {"provenance": {"data_version": "another", "inputs": {}}}
    page = Page(report(parts, labels=labels))
    assert "nothing to add up on any date" in page.text_of["rank-ic-5d"]
    assert len(page.tables["leaderboard"].rows) == 2


def test_settings_that_cost_time_alone_are_no_part_of_it(parts):
    slower = {
        key: dataclasses.replace(part, manifest=dataclasses.replace(part.manifest, seconds=99.0))
        for key, part in parts.items()
    }
    assert report(slower) == report(parts)


def test_versions_of_every_partition_are_there(parts):
    table = Page(report(parts)).tables["versions"]
    for row, part in zip(table.rows, parts.values(), strict=True):
        facts = part.oof.attrs["provenance"]
        assert row[2] == facts["data_version"][:12]
        assert row[table.header.index("labels")] == facts["inputs"]["labels"][:12]
    assert isinstance(table.rows, list)
    assert not pd.Series(table.column("fitted_models")).eq("–").any()
