import pytest

from model2_assets_tests.cross_validation.leak_sensitivity import LEARNERS, over_markets


@pytest.mark.parametrize("learner", LEARNERS)
def test_overlapping_windows_are_exposed_without_purging_and_harmless_with_it(
    learner: str,
) -> None:
    found = over_markets(range(10), learner=learner)
    rank_ic, error = found["rank_ic"], found["standard_error"]

    for case in found.index:
        if case == ("not purged", "near an edge"):
            assert rank_ic[case] > max(0.3, 15 * error[case]), found
        else:
            assert abs(rank_ic[case]) < min(0.15, 3 * error[case]), found
