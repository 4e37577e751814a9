"""A retrain on bad input: one sentence, an exit status, and the last results untouched."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from model2_assets.cli.main import main
from model2_assets.market_data import validate_panel
from model2_assets.storage import Address, Store
from model2_assets.storage.data_version import with_provenance
from model2_assets_tests.bad_inputs.bars import market
from model2_assets_tests.bad_inputs.case import Case, Refused, plant
from model2_assets_tests.bad_inputs.runner import digests
from model2_assets_tests.bad_inputs.table import CASES

pytestmark = pytest.mark.end_to_end

FAILING = {
    "bars-jump-1e+06": (1, "market_data"),
    "config-hyphen": (2, ""),
}
"""Case, exit status, and the step that fails."""


@pytest.mark.parametrize("identifier", FAILING)
def test_retrain_says_one_sentence_and_changes_no_result(
    identifier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    case = next(case for case in CASES if case.id == identifier)
    status, step = FAILING[identifier]
    base = tmp_path / "data"
    monkeypatch.setenv("MODEL2_STORAGE", str(base))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MODEL2_CONFIG", raising=False)
    _publish_market(Store(str(base)))
    config = plant(case, tmp_path)
    before = digests(base / "us")

    result = CliRunner().invoke(main, ["--config", str(config), "retrain"])

    assert result.exit_code == status, result.output
    message = _message(case, tmp_path)
    said = f"FAILED step us/{step}: {message}" if step else f"error: {message}"
    assert result.stderr.count(said) == 1, result.stderr
    assert "Traceback" not in result.output
    assert digests(base / "us") == before


def _publish_market(store: Store) -> None:
    panel, _ = validate_panel(market())
    table = with_provenance(panel, data_version="0" * 64, inputs={}, source="before")
    store.write(Address("us", "market_data"), table)


def _message(case: Case, folder: Path) -> str:
    assert isinstance(case.outcome, Refused)
    return case.outcome.message.replace("{folder}", str(folder))
