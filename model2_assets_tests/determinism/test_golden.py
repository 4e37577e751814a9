"""The libraries at hand give the committed predictions, and a change is told in bps."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from model2_assets_tests.determinism import golden
from model2_assets_tests.determinism.golden_region import golden_predictions


class GoldenPredictionsDiffer(UserWarning):
    """Of predictions that differ by no more than is allowed."""


@pytest.fixture(scope="module")
def committed() -> golden.Golden:
    return golden.read_golden()


@pytest.mark.filterwarnings(
    "default::model2_assets_tests.determinism.test_golden.GoldenPredictionsDiffer"
)
def test_predictions_are_the_golden_ones(committed: golden.Golden) -> None:
    apart, text = golden.report(committed, golden_predictions())

    assert not any(difference.is_error for difference in apart), text
    if apart:
        warnings.warn(text, GoldenPredictionsDiffer, stacklevel=1)


def changed(committed: golden.Golden, column: str, by: float, rows: int) -> pd.DataFrame:
    found = committed.predictions.copy()
    at = np.flatnonzero(found[column].notna())[:rows]
    found.iloc[at, found.columns.get_loc(column)] += by
    return found


@pytest.mark.parametrize(
    ("column", "by", "is_error"),
    [
        ("21d|ridge", 1e-8, False),
        ("63d|ridge", 1e-5, True),
        ("21d|xgboost", 0.5, False),
        ("63d|xgboost", 1.5, True),
        ("63d|xgboost", np.nan, True),
    ],
)
def test_a_change_is_measured_and_judged(
    committed: golden.Golden, column: str, by: float, is_error: bool
) -> None:
    predicted = int(committed.predictions[column].notna().sum())

    (found,), text = golden.report(committed, changed(committed, column, by, rows=50))

    assert found.column == column
    assert found.is_error is is_error
    assert found.share == pytest.approx(50 / predicted)
    assert found.largest_bps == (np.inf if np.isnan(by) else pytest.approx(by, rel=1e-4))
    assert f"{column}: {50 / predicted:.2%} of the rows differ" in text


def test_message_names_the_libraries_that_changed(committed: golden.Golden) -> None:
    facts = {
        **committed.facts,
        "libraries": {**golden.present_facts()["libraries"], "xgboost": "1.0"},
        "blas_kernel": "another",
    }
    made_before = golden.Golden(committed.predictions, facts)

    _, text = golden.report(made_before, changed(committed, "21d|xgboost", 0.1, rows=1))

    assert "changed since: xgboost 1.0 → " in text
    assert "BLAS kernel another → " in text
    assert "numpy" not in text


def test_other_rows_are_no_comparison(committed: golden.Golden) -> None:
    with pytest.raises(ValueError, match="rows or columns differ"):
        golden.report(committed, committed.predictions.iloc[1:])


def test_a_written_file_is_read_back_with_its_digest(
    committed: golden.Golden, tmp_path: Path
) -> None:
    path = tmp_path / "golden.parquet"

    golden.write_golden(committed.predictions, path)

    again = golden.read_golden(path)
    pd.testing.assert_frame_equal(again.predictions, committed.predictions, check_exact=True)
    assert again.facts["digest"] == committed.facts["digest"]


def test_committed_file_is_small() -> None:
    assert golden.GOLDEN.stat().st_size < 200_000
