import dataclasses

import numpy as np
import pandas as pd
import pytest

from model2_assets.config import LabelsConfig
from model2_assets.config.partition import Partition
from model2_assets.errors import StoreError
from model2_assets.evaluation import (
    METRICS,
    cumulative_quantile_spread,
    decile_spread,
    deflated_sharpe_ratio,
    mean_quantile_returns,
    probability_of_backtest_overfitting,
    quantile_returns,
    rank_autocorrelation,
    top_quantile_turnover,
    wide_scores,
)
from model2_assets.evaluation.scores import score_partition
from model2_assets.reports import PARTITION_PARTS, report_digest
from model2_assets.reports.region import daily_spread
from model2_assets.reports.tables import caveats
from model2_assets.reports.tear_sheet import (
    PartitionStatistics,
    importance_pictures,
    information_section,
    score_pictures,
)
from model2_assets.storage.codecs import Origin, origin_of_report
from model2_assets.storage.data_version import table_digest
from model2_assets.storage.models import Search
from model2_assets_tests.checks.builders import check_report
from model2_assets_tests.evaluation.paths_example import example, stored
from model2_assets_tests.evaluation.test_stability import importance
from model2_assets_tests.reports.page import Page, digits, value
from model2_assets_tests.reports.partitions import partition, region_config

NAMES = {
    f"{metric.title} ({metric.unit})" if metric.unit else metric.title: name
    for name, metric in METRICS.items()
}


@pytest.fixture(scope="module")
def cpcv():
    return partition(n_groups=4, k=2)


@pytest.fixture(scope="module")
def html(cpcv):
    return cpcv.report()


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def realized(made):
    """Return what the rows of a partition earned in excess of the mean of 12 names."""
    forward = made.labels["forward_return_5d"]
    wide = forward.to_numpy().reshape(-1, 12)
    excess = wide - wide.sum(axis=1, keepdims=True) / 12
    return pd.Series(excess.ravel(), index=forward.index).reindex(made.oof.index)


def assert_shows(shown: str, expected: float) -> None:
    """Assert that a number is displayed rounded to its own decimals."""
    shift = 2 if shown.endswith("%") else 0
    assert abs(value(shown) - expected) <= 0.5000001 * 10.0 ** -(digits(shown) + shift)


def test_every_part_is_there_and_nothing_outside_is_needed(html, page):
    assert [(o.name, o.passed) for o in check_report(html, PARTITION_PARTS)] == [
        ("complete", True),
        ("self_contained", True),
        ("size", True),
    ]
    assert not {"script", "img", "link", "iframe"} & page.tags
    assert html.count("<svg") == 14
    assert page.links[0] == "../../../region_report/report.html"
    assert {link.removeprefix("#") for link in page.links[1:]} < set(page.ids)


@pytest.mark.parametrize("scope", ["fold", "path", "split"])
def test_tables_show_the_stored_scores_to_the_displayed_digits(cpcv, page, scope):
    wide = wide_scores(cpcv.scores)
    stored = wide[wide["scope"] == scope].set_index("id")
    overall = wide[wide["scope"] == "all"].iloc[0]
    table = page.tables[f"scores-by-{scope}"]
    units = [row[0] for row in table.rows if row[0].isdigit()]
    assert units == [str(unit) for unit in stored.index]
    checked = 0
    for row in table.rows:
        expected = stored.loc[int(row[0])] if row[0].isdigit() else overall
        for heading, shown in zip(table.header, row, strict=True):
            if heading in NAMES:
                assert_shows(shown, expected[NAMES[heading]])
                checked += 1
    assert checked >= 9 * len(units)


def test_folds_have_their_dates_and_paths_their_errors(cpcv, page):
    dates = cpcv.oof.index.get_level_values("datetime").to_series()
    tested = dates.groupby(cpcv.oof["fold_id"].to_numpy()).agg(["min", "max"])
    folds = page.tables["scores-by-fold"]
    assert folds.column("First date")[:-1] == [f"{d:%Y-%m-%d}" for d in tested["min"]]
    assert folds.column("Last date")[:-1] == [f"{d:%Y-%m-%d}" for d in tested["max"]]
    paths = page.tables["scores-by-path"]
    assert [row[0] for row in paths.rows] == ["0", "1", "2", "Mean of predictions"]
    assert len({row[paths.header.index("Std. error")] for row in paths.rows}) == 4
    assert "averaging flatters" in page.text_of["scores-by-path"]


def test_pages_say_what_is_on_realized_returns_and_what_on_labels(page):
    by_fold = page.text_of["scores-by-fold"]
    assert "On realized returns, which are never winsorized: rank IC" in by_fold
    assert "On labels, as models are fitted to them: R², RMSE, MAE." in by_fold
    assert "std. error, t, eff. dates, spread, DSR." in page.text_of["scores-by-path"]
    assert "Everything is of realized returns" in page.text_of["quantile-returns-section"]
    assert "On labels, to which the models are fitted" in page.text_of["calibration"]
    assert "realized, top less bottom" in page.text_of["figures"]
    assert "smaller than" not in page.text


def test_headline_figures_are_those_of_all_rows(cpcv, page):
    overall = cpcv.scores[cpcv.scores["scope"] == "all"].set_index("metric")["value"]
    shown = page.text_of["figures"].split("\n")
    rank_ic = next(line for line in shown if line.startswith("Rank IC"))
    assert f"{overall['rank_ic']:+.4f}".replace("-", "−") in rank_ic
    assert f"± {overall['rank_ic_se']:.4f} standard error" in rank_ic


def test_quantiles_turnover_and_persistence_are_those_of_the_evaluation(cpcv, page):
    prediction, index = cpcv.oof["prediction"], cpcv.oof.index
    means = mean_quantile_returns(quantile_returns(prediction, realized(cpcv), index), lag=10)
    table = page.tables["quantile-table"]
    assert table.column("Quantile") == ["1 (lowest)", "2 (highest)"]
    for shown, mean, error, row in zip(
        table.column("Mean (bps)"), means["mean"], means["standard_error"], table.rows, strict=True
    ):
        assert_shows(shown, mean)
        assert_shows(row[2], error)
        assert_shows(row[3], mean / error)
    persistence = page.tables["persistence-table"]
    assert persistence.column("Dates apart") == ["1", "5"]
    for lag, row in zip((1, 5), persistence.rows, strict=True):
        assert_shows(row[1], top_quantile_turnover(prediction, index, period_dates=lag).mean())
        assert_shows(row[2], rank_autocorrelation(prediction, index, lag=lag).mean())


def test_the_cumulative_spread_of_the_region_report_is_the_mean_of_its_books():
    made = partition(k=1)
    found = daily_spread(PartitionStatistics(made.oof, made.labels, "5d", LabelsConfig()))
    spread = decile_spread(made.oof["prediction"], realized(made), made.oof.index)
    books = cumulative_quantile_spread(spread, horizon_days=5)
    np.testing.assert_allclose(found.cumsum(), books["mean"])


def test_one_test_group_a_split_has_one_path_and_no_table_by_split():
    page = Page(partition(k=1).report())
    assert [row[0] for row in page.tables["scores-by-path"].rows] == ["0", "All"]
    assert "scores-by-split" not in page.ids
    assert "Means flatter" not in page.text
    assert len(page.tables["scores-by-fold"].rows) == 5


def test_it_says_what_it_is_not(page):
    text = page.text_of["caveats"]
    for keyword, sentence in caveats(region_config(), several_paths=True):
        assert keyword in text
        assert sentence in text


@pytest.mark.parametrize(
    ("cross_validation", "said"),
    [
        ({}, "trains on the future of its test blocks"),
        ({"scheme": "walk_forward"}, "trained on its past alone"),
        ({"splitter": "a.b:C"}, "a splitter of your own"),
    ],
)
def test_validation_is_called_by_its_name(cross_validation, said):
    config = region_config(cross_validation=cross_validation)
    sentences = dict(caveats(config, several_paths=False)).values()
    assert said in " ".join(sentences)
    assert "gross of commissions" in " ".join(sentences)


def test_it_says_what_returns_are_and_what_the_fit_is_measured_on():
    def said(**labels):
        config = region_config(labels={"horizons": [5], **labels})
        return " ".join(text for _, text in caveats(config, several_paths=False))

    assert (
        "on realized returns: forward returns from 1 trading day after the signal, in excess of "
        "the date's equal-weight mean, never winsorized. R², RMSE and MAE are on labels, the same "
        "returns winsorized at 10% on either side of each date and centred again."
    ) in said()
    plain = said(excess=False, winsorize=0.0, execution_lag_days=2)
    assert (
        "on realized returns: forward returns from 2 trading days after the signal, never "
        "winsorized. R², RMSE and MAE are on labels, the same returns."
    ) in plain
    assert (
        "on realized returns: forward returns that a builder of your own supplies, in excess of "
        "the date's equal-weight mean, never winsorized. R², RMSE and MAE are on its labels."
    ) in said(builder="a.b:c")


def test_names_cannot_bring_markup_in():
    made = partition(k=1)
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
    manifest = dataclasses.replace(
        made.manifest, model=hostile, region=hostile, library_versions={hostile: hostile}
    )
    html = dataclasses.replace(made, manifest=manifest).report()
    assert all(outcome.passed for outcome in check_report(html, PARTITION_PARTS))
    page = Page(html)
    assert not {"script", "img"} & page.tags
    assert hostile in page.text


def test_equal_input_gives_the_same_bytes_and_another_prediction_does_not(cpcv, html):
    assert cpcv.report() == html
    other = partition(n_groups=4, k=2, seed=1)
    assert report_digest(other.report()) != report_digest(html)
    assert report_digest("a") == "ca978112ca1bbdcafac231b39a23dc4d"


def test_results_that_are_not_of_each_other_are_refused(cpcv):
    other = partition(n_groups=4, k=2, seed=1)
    with pytest.raises(StoreError, match="cv_scores was made from oof_predictions of version"):
        dataclasses.replace(cpcv, scores=other.scores).report()
    labels = cpcv.labels.copy()
    labels.attrs = {"provenance": {"data_version": "another", "inputs": {}}}
    with pytest.raises(StoreError, match="oof_predictions was made from labels of version"):
        dataclasses.replace(cpcv, labels=labels).report()
    manifest = dataclasses.replace(cpcv.manifest, params={"alpha": 1.0})
    with pytest.raises(StoreError, match="oof_predictions was made from fitted_models of version"):
        dataclasses.replace(cpcv, manifest=manifest).report()
    importance = cpcv.importance.copy()
    importance.attrs = {"provenance": {"inputs": {"fitted_models": "another"}}}
    with pytest.raises(StoreError, match="feature_importance was made from fitted_models of"):
        dataclasses.replace(cpcv, importance=importance).report()


@pytest.mark.parametrize("n_names", [1, 9])
def test_too_few_names_for_quantiles_or_ranks_are_said_and_no_error(n_names):
    made = partition(k=1, n_names=n_names)
    html = made.report()
    assert all(outcome.passed for outcome in check_report(html, PARTITION_PARTS))
    page = Page(html)
    assert page.tables["quantile-table"].rows == []
    assert "no quantiles" in page.text_of["quantile-table"]
    assert "no quantiles: fewer than 10 names a date" in page.text_of["quantile-returns"]
    if n_names < 3:
        assert "no rank IC on any date" in page.text_of["ic-series"]


def test_searched_parameters_stand_with_the_overfitting_of_their_inner_scores(cpcv):
    rng = np.random.default_rng(0)
    search = Search(
        trials=9, pruned=4, score=0.0123, blocks=tuple(map(tuple, rng.normal(0.1, 0.1, (5, 8))))
    )
    space = {"alpha": {"low": 1, "high": 1e6, "log": True, "choices": None}}
    manifest = dataclasses.replace(
        cpcv.manifest,
        search={"space": space, "trials": 9, "objective": "rank_ic"},
        folds=tuple(
            dataclasses.replace(fold, chosen_params={"alpha": 20.5}, search=search)
            for fold in cpcv.manifest.folds
        ),
    )
    page = Page(dataclasses.replace(cpcv, manifest=manifest).report())
    table = page.tables["search"]
    assert table.column("alpha") == ["20.5"] * 6
    assert table.column("Trials") == ["9"] * 6
    assert table.column("Pruned") == ["4"] * 6
    assert table.column("Inner rank IC") == ["+0.0123"] * 6
    blocks = np.transpose(search.blocks)
    found = probability_of_backtest_overfitting(blocks, n_blocks=8)
    assert table.column("PBO") == [f"{found.pbo:.2f}"] * 6
    deflated = deflated_sharpe_ratio(blocks[:, 0], n_trials=9)
    assert_shows(table.column("DSR")[0], deflated)
    assert "never selected on, and their scores are not deflated" in page.text_of["search"]
    assert "space (alpha (low 1, high 1e+06, log True)), trials 9, objective rank_ic" in page.text
    assert "search" not in Page(cpcv.report()).ids


def test_provenance_names_versions_settings_and_fold_models(cpcv, page):
    text = page.text_of["settings"]
    assert cpcv.oof.attrs["provenance"]["data_version"] in text
    assert cpcv.manifest.data_version in text
    assert "alpha 10000, solver a&b" in text
    assert "n_groups 5" in text
    assert "nested" not in text
    assert page.tables["models"].column("Train rows") == ["1,234"] * 6
    assert page.tables["models"].column("Size (kB)") == ["2.5"] * 6


def test_the_file_itself_states_what_it_was_made_from(cpcv, html):
    facts = cpcv.oof.attrs["provenance"]
    assert origin_of_report(html) == Origin(
        data_version=report_digest(html),
        inputs={
            **facts["inputs"],
            "oof_predictions": facts["data_version"],
            "cv_scores": table_digest(cpcv.scores),
            "feature_importance": "i",
        },
    )


def test_a_year_without_dates_is_an_empty_row_of_the_heatmap():
    made = partition(k=1)
    dates = made.oof.index.get_level_values("datetime")
    moved = dates.where(dates < "2020-03-01", dates + pd.DateOffset(years=2))
    names = made.oof.index.get_level_values("instrument")
    index = pd.MultiIndex.from_arrays([names, moved], names=["instrument", "datetime"])
    labels = made.labels.reindex(made.oof.index).set_axis(index)
    oof = made.oof.set_axis(index)
    found = PartitionStatistics(oof, labels, "5d", region_config().labels)
    chart = next(b for b in information_section(found).blocks if b.id == "ic-monthly")
    assert all(f">{year}<" in chart.svg for year in (2020, 2021, 2022))


PICTURES = [
    "Rank IC over time",
    "Rank IC of every fold",
    "Realized return by quantile of the prediction",
    "Label against prediction",
]


def pictures(**settings):
    oof, paths, labels = stored(example(**settings))
    partition = Partition("5d", "ridge")
    scores = score_partition(oof, labels, partition, paths=paths, n_trials=4)
    return score_pictures(oof, labels, scores, horizon="5d", config=LabelsConfig())


@pytest.mark.parametrize("settings", [{"n_groups": 5, "k": 1}, {"n_groups": 2, "k": 1}])
def test_one_path_has_four_pictures_of_its_scores(settings):
    assert list(pictures(**settings)) == PICTURES


@pytest.mark.parametrize("settings", [{}, {"n_names": 2}])
def test_several_paths_have_a_picture_of_their_scatter_too(settings):
    assert list(pictures(**settings)) == [*PICTURES, "Rank IC of every split and path"]


def test_importances_have_a_matrix_where_there_are_two_models():
    assert list(importance_pictures(importance())) == [
        "The 4 most important of 4 features",
        "Rank correlation of importances between fold models",
    ]
    one = importance(folds=((4.0, 3, 2, 1),))
    assert list(importance_pictures(one)) == ["The 4 most important of 4 features"]


def test_models_that_use_no_feature_can_be_drawn():
    unused = importance(folds=((0.0,) * 4, (0.0,) * 4))
    assert len(importance_pictures(unused)) == 2
