"""Every bad input is refused by exactly one message, or handled by a rule that is counted."""

import pytest
from click.testing import CliRunner

from model2_assets.cli.main import main
from model2_assets_tests.bad_inputs.__main__ import PAGE
from model2_assets_tests.bad_inputs.case import Case, Refused, plant
from model2_assets_tests.bad_inputs.folders import open_folder
from model2_assets_tests.bad_inputs.page import page
from model2_assets_tests.bad_inputs.runner import digests, run
from model2_assets_tests.bad_inputs.table import CASES


def test_catalogue_is_as_long_as_promised_and_names_each_case_once():
    assert len(CASES) >= 60
    assert len({case.id for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_bad_input_is_refused_or_handled_as_stated(case: Case):
    with open_folder() as folder:
        found = run(case, folder)
    assert found.problems == ()
    if isinstance(case.outcome, Refused):
        assert found.outcome == case.outcome
    assert found.matches(case), found.outcome


def test_the_page_is_that_of_the_catalogue():
    assert PAGE.read_text(encoding="utf-8") == page(
        CASES, dict.fromkeys([c.id for c in CASES], True)
    )


VALIDATED = [
    case
    for case in CASES
    if case.until in ("config", "labels") and not case.is_nobody and case.enters != "store"
]


@pytest.mark.parametrize("case", VALIDATED, ids=lambda case: case.id)
def test_command_says_one_sentence_and_exits_with_two(case: Case, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MODEL2_CONFIG", raising=False)
    with open_folder() as folder:
        config = plant(case, folder)
        before = digests(folder)

        result = CliRunner().invoke(main, ["--config", str(config), "validate-config"])

        assert digests(folder) == before
        assert "Traceback" not in result.output
        if isinstance(case.outcome, Refused):
            message = case.outcome.message.replace("{folder}", str(folder))
            assert result.exit_code == 2
            assert f"error: {message}\n" in result.stderr
        else:
            assert result.exit_code == 0, result.output
