"""Everything that may not matter, at once, in one other process: the same bits."""

import pytest

from model2_assets_tests.determinism.factors import EVERYTHING, FACTORS
from model2_assets_tests.determinism.matrix import heading, line_of, matrix

pytestmark = pytest.mark.end_to_end


def test_all_factors_at_once_give_the_same_bits_in_every_asset() -> None:
    (row,) = matrix([EVERYTHING])

    assert row.is_same, f"{heading()}\n{line_of(row)}\nTake them apart: make determinism"
    assert row.same


def test_all_at_once_contains_what_the_matrix_takes_apart() -> None:
    apart = {name for factor in FACTORS for name in factor.environment}

    assert apart == set(EVERYTHING.environment)
    assert EVERYTHING.execution
    assert "shuffled" in EVERYTHING.market
