import ast
import re
from pathlib import Path

import pandas as pd
import pytest

import model2_assets
from model2_assets.contracts import load_contract
from model2_assets.evaluation import METRICS, score_predictions
from model2_assets.evaluation.metrics import explained, metrics_of
from model2_assets_tests.evaluation.paths_example import (
    HISTORY_METRICS,
    SCORE_METRICS,
    example,
    outcomes_of,
)

PACKAGE = Path(model2_assets.__file__).parent
TABLES = {"folds", "paths", "ranking", "evidence", "scores", "making", "details"}


def test_every_score_of_the_contracts_has_its_entry():
    made = example()
    settings = {"horizon_days": 5, "overlap_days": 5}
    scores = score_predictions(made.oof, outcomes_of(made.label), paths=made.paths, **settings)
    of_scope = scores.groupby("scope")["metric"].unique()
    assert list(of_scope["all"]) == [*SCORE_METRICS, *HISTORY_METRICS]
    assert {m.name for m in METRICS.values() if m.scope == "every"} == set(of_scope["fold"])
    assert {m.name for m in METRICS.values() if m.scope} == set(of_scope["all"])
    board = load_contract("Leaderboard").columns
    numbers = {column.name for column in board if column.arrow_type == "double"}
    assert set(METRICS) == set(of_scope["all"]) | numbers
    described = load_contract("CVScores").column("metric").description
    assert set(of_scope["all"]) <= set(re.findall(r"\w+", described))


def test_every_metric_is_shown_and_explained():
    for metric in METRICS.values():
        assert metric.shown, metric
        assert set(metric.shown.split()) <= TABLES
        assert metric.meaning, metric
        assert not metric.meaning.endswith(".")
    headings = [metric.heading for metric in METRICS.values()]
    assert len(set(headings)) == len(headings)


def test_tables_show_columns_of_their_contract_alone():
    board = {column.name for column in load_contract("Leaderboard").columns}
    for table in ("ranking", "evidence", "scores", "making", "details"):
        assert {metric.name for metric in metrics_of(table)} <= board
    assert all(metric.scope == "every" for metric in metrics_of("folds"))
    assert all(metric.scope for metric in metrics_of("paths"))


def literals(path: Path) -> set[str]:
    """Return the texts of a module, without docstrings, each as one line."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {text.replace("\n", " ") for text in found if isinstance(text, str)}


# Words that name other things too: columns, words for rows and dates, the letter of a statistic.
ORDINARY = {"t", "rows", "dates", "models", "time", "largest", "coverage", "spread", "turnover"}


@pytest.mark.parametrize("folder", ["reports", "cli", "defs", "evaluation", "checks"])
def test_headings_stand_nowhere_else(folder):
    headings = {
        heading
        for metric in METRICS.values()
        for heading in (metric.heading, metric.title, metric.long, metric.numeric_heading)
        if heading and heading not in ORDINARY
    }
    for path in (PACKAGE / folder).rglob("*.py"):
        if path.name != "metrics.py":
            assert not literals(path) & headings, path


def test_numbers_and_texts_have_one_format():
    spread, turnover, size = (
        METRICS[name] for name in ("decile_spread_bps", "top_quantile_turnover", "models_bytes")
    )
    assert (spread.text(-1.25), spread.numeric_text(-1.25)) == ("−1.2", "-1.2")
    assert (turnover.text(0.1234), turnover.numeric_text(0.1234)) == ("12.3%", "12.3")
    assert turnover.numbers(pd.Series([0.1234])).tolist() == [12.3]
    assert size.text(1.5e6) == "1.50"
    assert METRICS["determinism_difference"].text(0.0) == "0"
    assert METRICS["samples"].text(1234.0) == "1,234"
    assert [metric.text(float("nan")) for metric in METRICS.values()] == ["–"] * len(METRICS)
    assert [METRICS[name].title for name in ("rank_ic", "rank_ic_t")] == ["Rank IC", "t"]
    assert METRICS["mse"].key == "mse_bps2"
    assert METRICS["decile_spread_bps"].key == "decile_spread_bps"


def test_explanations_are_sentences():
    assert explained([METRICS["mae"], METRICS["icir"]]).startswith("MAE: mean absolute error. ICIR")
