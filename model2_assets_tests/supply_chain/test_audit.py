"""A vulnerability fails the audit, and a look-up that did not happen is told."""

import json
from typing import Any

from model2_assets_tests.supply_chain.audit import judge

SOUND = {"name": "numpy", "version": "2.3.0", "vulns": []}
UNKNOWN = {"name": "pandas", "skip_reason": "Dependency not found: pandas (3.0.0)"}
BAD = {
    "name": "jinja2",
    "version": "3.1.0",
    "vulns": [
        {"id": "PYSEC-1", "fix_versions": ["3.1.3", "3.1.6"]},
        {"id": "X-2", "fix_versions": []},
    ],
}


def judged(*packages: dict[str, Any], errors: str = "") -> tuple[str, int]:
    verdict = judge(json.dumps({"dependencies": packages, "fixes": []}), errors)
    return verdict.text, verdict.status


def test_sound_versions_pass() -> None:
    assert judged(SOUND) == ("audit: 1 of 1 packages looked up, 0 vulnerable", 0)


def test_a_vulnerable_version_fails_and_is_named_with_its_remedy() -> None:
    text, status = judged(SOUND, BAD, UNKNOWN)

    assert status == 1
    assert text.splitlines() == [
        "VULNERABLE jinja2 3.1.0: PYSEC-1, fixed in 3.1.3, 3.1.6; X-2, fixed in none",
        "audit: 2 of 3 packages looked up, 1 vulnerable",
        "not looked up: pandas",
    ]


def test_an_audit_that_looked_nothing_up_is_skipped_and_says_why() -> None:
    text, status = judged(UNKNOWN)

    assert status == 0
    assert text == (
        "audit SKIPPED: none of 1 packages looked up: Dependency not found: pandas (3.0.0)"
    )


def test_a_database_out_of_reach_is_skipped_and_says_why() -> None:
    verdict = judge("", "Traceback\nrequests.exceptions.ConnectionError: no such host\n")

    assert verdict.status == 0
    assert verdict.text.startswith("audit SKIPPED: the database cannot be reached: ")


def test_any_other_failure_is_a_failure() -> None:
    assert judge("", "ERROR: invalid requirement on line 3").status == 2
    assert judge("", "").status == 2
