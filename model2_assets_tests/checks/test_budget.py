import pytest

from model2_assets.checks import check_within_budget, failed_errors, rejections
from model2_assets.config import ChecksConfig
from model2_assets_tests.training.test_resources import costs

BUDGETS = ChecksConfig(hours=2, rss_gb=24, models_mb=500)


def check(*, hours=0.5, rss_gb=6, models_mb=125, unknown=()):
    rows = [("features", "", 0, hours * 3600, 0, rss_gb * 1e3)]
    rows += [(name, "", None, None, None, None) for name in unknown]
    return check_within_budget(int(models_mb * 1e6), costs(*rows), budgets=BUDGETS)


def test_figures_stand_beside_their_budgets():
    outcome = check()
    assert (outcome.name, outcome.passed) == ("within_budget", True)
    assert outcome.description == (
        "fold models take 125 of 500 MB, 25%, steps took 0.5 of 2 hours, 25%, "
        "memory peaked at 6 of 24 GB, 25%"
    )
    assert outcome.values == {
        "models_mb": 125,
        "hours": 0.5,
        "rss_gb": 6,
        "models_mb_share": 0.25,
        "hours_share": 0.25,
        "rss_gb_share": 0.25,
        "steps_without_costs": 0,
    }


@pytest.mark.parametrize(("name", "limit"), [("hours", 2), ("rss_gb", 24), ("models_mb", 500)])
@pytest.mark.parametrize(
    ("share", "severity"), [(0.79, None), (0.8, "warn"), (0.99, "warn"), (1, "error"), (3, "error")]
)
def test_eighty_percent_of_any_budget_warns_and_all_of_it_is_an_error(name, limit, share, severity):
    outcome = check(**{name: share * limit})
    assert outcome.passed == (severity is None)
    if severity is not None:
        assert outcome.severity == severity
        assert f"(checks.{name}): make the region smaller" in outcome.description
        assert outcome.description.count("checks.") == 1
    assert rejections([outcome]) == ()
    assert len(failed_errors([outcome])) == (severity == "error")


def test_everything_dear_is_named_and_the_worst_decides():
    outcome = check(hours=1.7, models_mb=600)
    assert outcome.severity == "error"
    assert outcome.description == (
        "fold models take 600 of 500 MB, 120% (checks.models_mb); steps took 1.7 of 2 hours, 85% "
        "(checks.hours): make the region smaller or its models cheaper, or raise the budget"
    )


def test_what_is_not_known_is_said():
    outcome = check(unknown=("labels", "cv_splits"))
    assert outcome.passed
    assert outcome.description.endswith("; not counted, since not known: labels, cv_splits")
    assert outcome.values["steps_without_costs"] == 2


def test_without_an_event_log_only_the_models_are_looked_at():
    outcome = check_within_budget(600_000_000, budgets=BUDGETS)
    assert (outcome.passed, outcome.severity) == (False, "error")
    assert outcome.values == {"models_mb": 600, "models_mb_share": 1.2, "steps_without_costs": 0}
