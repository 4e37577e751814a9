"""Checks of nested predictions: every planted fault is named."""

import pandas as pd
import pytest

from model2_assets.checks import check_nested_coverage
from model2_assets.panel import panel_index

ROWS = panel_index(["A", "B"], ["2024-01-02", "2024-01-02"])
EXPECTED = {0: ROWS, 1: ROWS[:1]}


def lines(*rows):
    columns = ["outer_fold_id", "instrument", "fold_id"]
    table = pd.DataFrame(rows, columns=columns).astype({"instrument": "str"})
    return table.assign(datetime=ROWS.get_level_values("datetime")[0], prediction=0.0)


GOOD = [(0, "A", 1), (0, "B", 1), (1, "A", 0)]


def test_every_train_row_of_every_outer_fold_once_passes():
    outcome = check_nested_coverage(lines(*GOOD), EXPECTED)
    assert outcome.passed
    assert outcome.description == "2 outer folds, 3 train rows, each once"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (GOOD[1:], "outer fold 0: 1 of 2 train rows are not predicted exactly once, first A 2024"),
        ([*GOOD, GOOD[0]], "outer fold 0: 1 of 2 train rows are not predicted exactly once"),
        ([*GOOD, (1, "B", 0)], "outer fold 1: 1 rows are none of its train rows"),
        ([*GOOD, (7, "B", 0)], "outer fold 7 is not one of the folds"),
        ([(0, "A", 0), *GOOD[1:]], "1 rows belong to their own outer fold"),
        ([], "outer fold 1: 1 of 1 train rows are not predicted exactly once"),
    ],
)
def test_faults_are_named(rows, message):
    outcome = check_nested_coverage(lines(*rows), EXPECTED)
    assert not outcome.passed
    assert message in outcome.description
