"""Every check stands once: in the catalogue, with its predicate."""

import pytest

from model2_assets.checks import CATALOGUE, CheckOutcome, checks_of, evaluate, failed_errors
from model2_assets.checks.catalogue import Check, Finding
from model2_assets.checks.models import ImportanceChecks
from model2_assets.checks.reports import ReportChecks
from model2_assets.checks.stored import SUBJECTS
from model2_assets.config import load_config
from model2_assets.storage import PRODUCTS
from model2_assets_tests.checks.builders import evidence
from model2_assets_tests.defs.small_region import small_config
from model2_assets_tests.sample_tables import feature_importance

SUBJECT_OF = {**SUBJECTS, "tear_sheet": ReportChecks, "region_report": ReportChecks}


def test_every_asset_has_checks_and_every_check_its_predicate() -> None:
    assert list(CATALOGUE) == list(PRODUCTS)
    for asset, checks in CATALOGUE.items():
        names = [check.name for check in checks]
        assert len(names) == len(set(names))
        for name in names:
            assert callable(getattr(SUBJECT_OF[asset], name)), (asset, name)


def test_every_table_is_held_to_its_contract() -> None:
    for asset, product in PRODUCTS.items():
        first = CATALOGUE[asset][0]
        assert (first.name == "contract") == (product.contract is not None)


def test_the_contract_is_the_one_that_the_store_has_for_the_asset() -> None:
    importance = ImportanceChecks(feature_importance(), evidence())

    assert (
        next(evaluate("feature_importance", importance)).description
        == "2 rows keep FeatureImportance"
    )


def test_whatever_is_not_a_report_is_looked_at_on_disk_too() -> None:
    reports = {asset for asset, product in PRODUCTS.items() if product.format == "html"}
    on_disk = {
        asset for asset, checks in CATALOGUE.items() if any(c.when != "before" for c in checks)
    }
    assert on_disk == set(SUBJECTS) == set(PRODUCTS) - reports


def test_checks_that_warn_and_the_one_that_publishes_all_the_same() -> None:
    checks = [(asset, check) for asset, found in CATALOGUE.items() for check in found]
    assert {(asset, check.name) for asset, check in checks if check.level == "warn"} == {
        ("market_data", "history_unchanged"),
        ("oof_predictions", "rank_ic_plausible"),
        ("oof_predictions", "oof_drift"),
        ("feature_importance", "feature_ic"),
        ("live_predictions", "resembles_oof"),
        ("leaderboard", "board_current"),
        ("leaderboard", "same_inputs"),
        ("leaderboard", "rank_ic_held"),
        ("leaderboard", "partitions_current"),
        ("stacking_frame", "columns"),
        ("stacking_frame", "side_by_side"),
    }
    assert [(asset, c.name) for asset, c in checks if c.level == "error" and not c.blocking] == [
        ("leaderboard", "within_budget")
    ]


def test_promises_state_the_limits_of_the_configuration() -> None:
    config = small_config(checks={"prediction_bps": 1234.5, "lookahead_control_dates": 7})

    found = {check.name: check.promise for check in checks_of("oof_predictions", config, "us")}
    features = {check.name: check.promise for check in checks_of("features", config, "us")}

    assert found["range"] == "Within ±1234.5 bps, without any clipping."
    assert found["contract"] == "Names, types, ranges, key and order of OOFPredictions."
    assert "at each of 7 sampled dates" in features["lookahead_control"]


@pytest.mark.parametrize("asset", PRODUCTS)
def test_every_promise_is_a_sentence_without_open_braces(asset: str) -> None:
    for check in checks_of(asset, load_config(), "us"):
        assert check.promise.endswith(".")
        assert "{" not in check.promise


def test_an_outcome_has_name_and_level_of_its_check() -> None:
    check = Check("Within limits.", level="warn", rejects=False, name="range")

    assert check.outcome(Finding(False, "too large", {"rows": 3})) == CheckOutcome(
        "range",
        passed=False,
        description="too large",
        severity="warn",
        rejects=False,
        values={"rows": 3},
    )
    doubt = Finding(False, "rounding", only_warns=True)
    assert Check("Equal.", name="determinism").outcome(doubt).severity == "warn"
    assert Check("Equal.", name="determinism").outcome(Finding(False, "other")).severity == "error"


def test_failed_errors_are_those_that_forbid_publication():
    outcomes = [
        CheckOutcome("a", passed=True, description=""),
        CheckOutcome("b", passed=False, description=""),
        CheckOutcome("c", passed=False, description="", severity="warn"),
        CheckOutcome("d", passed=True, description="", severity="warn"),
        CheckOutcome("e", passed=False, description="", severity="error"),
    ]
    assert [outcome.name for outcome in failed_errors(outcomes)] == ["b", "e"]
    assert failed_errors([]) == ()
