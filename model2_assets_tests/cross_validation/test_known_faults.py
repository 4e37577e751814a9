"""Faults of public implementations: the faulty rule fails on its planted case, ours does not."""

import pytest

from model2_assets_tests.cross_validation import known_faults
from model2_assets_tests.cross_validation.known_faults import FAULTS, fault_table

EXPECTED = {
    "embargo_past_the_end_of_history": (1, 5),
    "purge_window_from_the_first_test_labels_end": (2, 4),
    "purging_before_the_block_only": (3, 3),
    "counting_date_major_rows": (4, 24),
    "counting_instrument_major_rows": (4, 44),
    "a_date_in_two_groups": (5, 3),
    "duplicate_dates": (6, 1),
    "purging_the_convex_hull": (7, 6),
    "remainder_dates": (8, 9),
    "half_open_intervals": (9, 4),
    "label_ends_by_the_calendar": (10, 10),
    "ends_of_cross_sectional_labels_by_own_bars": (10, 4),
    "horizons_in_calendar_days": (11, 28),
}
"""Number of the fault, and what the faulty rule is worked out to do."""


@pytest.mark.parametrize("name", EXPECTED)
def test_the_faulty_rule_fails_and_ours_does_not(name):
    fault = getattr(known_faults, name)()
    assert (fault.number, fault.faulty) == EXPECTED[name]
    assert fault.ours == 0


def test_all_eleven_faults_are_in_the_table():
    assert [make.__name__ for make in FAULTS] == list(EXPECTED)
    assert {number for number, _ in EXPECTED.values()} == set(range(1, 12))
    lines = fault_table().splitlines()
    assert len(lines) == 1 + len(FAULTS)
    assert lines[3].split()[-2:] == ["3", "0"]
