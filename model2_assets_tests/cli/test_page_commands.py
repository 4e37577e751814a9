"""The commands of the pages' shell blocks, run one after another in one home."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from model2_assets.cli import plan
from model2_assets.market_data import synthetic_panel
from model2_assets_tests.defs.small_region import NO_DRAWINGS, SMALL_REGION
from model2_assets_tests.test_docs import PAGES, PARSERS, ROOT, RUN, blocks

pytestmark = pytest.mark.end_to_end

ORDER = (
    *("launch", "retrain", "check", "scores", "try", "versions", "rollback", "prune-runs"),
    *("validate-config", "propose-splits", "plan"),
)
DEFINITIONS = "model2_assets.definitions"
SMALL = {
    "regions": {"us": {**SMALL_REGION, "labels": {"horizons": [21]}}},
    "models": {"xgboost": None},
    "reports": {"pictures": False},
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a home with a small region, and with the files that pages name."""
    monkeypatch.chdir(tmp_path)
    for name in ("DAGSTER_HOME", "MODEL2_STORAGE", "MODEL2_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    (tmp_path / "dagster_home").mkdir()
    shutil.copy(ROOT / "dagster.yaml", tmp_path / "dagster_home")
    (tmp_path / "model2_config").write_text(yaml.safe_dump(SMALL))
    for _, text in (block for page in PAGES for block in blocks(page, "yaml")):
        for name in re.findall(r"\A# (\w+\.yaml)", text):
            said = yaml.safe_load(text)
            for region in said["regions"].values():
                region.setdefault("labels", {"horizons": [21]})
            (tmp_path / name).write_text(yaml.safe_dump({**SMALL, "reports": NO_DRAWINGS, **said}))
    # The page's file has prices of 505 names.
    prices = synthetic_panel(n_instruments=12, n_dates=460, seed=11)
    prices.reset_index().to_parquet("sp500_ohlcv_2013_2018.parquet")
    monkeypatch.setattr(plan, "_SIZES", ((6, 300), (6, 300), (12, 400)))
    monkeypatch.setitem(sys.modules, DEFINITIONS, None)
    del sys.modules[DEFINITIONS]  # made anew of this home, and set back
    return tmp_path


def test_commands_of_the_pages_run(home: Path) -> None:
    commands = [words for words in RUN if words[0] in PARSERS]
    assert len(commands) > 15
    config, version = os.environ["MODEL2_CONFIG"], ""

    for words in sorted(commands, key=lambda words: ORDER.index(verb(words))):
        os.environ["MODEL2_CONFIG"] = config  # which --config sets for a process
        arguments = list(words[1:])
        if words[0] == "dg":  # in the checkout
            arguments += ["--target-path", str(ROOT)]
        if verb(words) == "rollback":
            arguments[-1] = version
        result = CliRunner().invoke(PARSERS[words[0]], arguments, input="y\n")
        assert result.exit_code == 0, (words, result.output)
        if verb(words) == "versions":
            (version,) = re.findall(r"(\w+) +current", result.output)

    assert (home / "reports" / "gate.xml").exists()
    assert (home / "model2_storage" / "sp500" / "leaderboard.parquet").exists()


def verb(words: tuple[str, ...]) -> str:
    """Return the command, whatever options precede it."""
    return next(word for word in words[1:] if word in ORDER)
