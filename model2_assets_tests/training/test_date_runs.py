import numpy as np
import pytest

from model2_assets.training.data import _date_runs


@pytest.mark.parametrize(
    ("max_rows", "expected"),
    [(1, [(0, 1), (1, 2), (2, 3), (3, 4)]), (5, [(0, 2), (2, 3), (3, 4)]), (99, [(0, 4)])],
)
def test_dates_are_cut_into_runs_of_few_rows_and_never_within_a_date(max_rows, expected):
    starts = np.array([0, 3, 5, 12, 14])

    runs = list(_date_runs(starts, max_rows=max_rows))

    assert [(run.start, run.stop) for run in runs] == expected
