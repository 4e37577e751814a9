from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from model2_assets.cli.main import main
from model2_assets_tests.defs.small_region import SMALL_REGION


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODEL2_CONFIG", raising=False)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_a_number_of_dates_is_enough() -> None:
    result = run("propose-splits", "--dates", "1196")

    assert result.exit_code == 0, result.output
    assert "region us: 1,196 labelled dates" in result.output
    assert "us: 36 splits, 8 paths; a model trains on 723 of 1,196 dates" in result.output
    assert result.output.endswith("cross_validation: {n_groups: 9, n_test_groups: 2}\n")
    assert max(map(len, result.output.splitlines())) <= 150


def test_wishes_are_heard() -> None:
    result = run("propose-splits", "--dates", "8000", "--paths", "1", "--train-share", "0.75")

    assert result.output.endswith("cross_validation: {n_groups: 5, n_test_groups: 1}\n")
    assert run("propose-splits", "--train-share", "60").exit_code == 2
    assert run("propose-splits", "--region", "mars").exit_code == 2


def test_dates_and_label_window_are_those_of_the_region(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    region = {**SMALL_REGION, "labels": {"horizons": [5, 21]}}
    path.write_text(yaml.safe_dump({"regions": {"us": region}}), encoding="utf-8")

    result = run("--config", str(path), "propose-splits")

    # 460 dates, less 60 without features and the last 6, whose labels are not known yet.
    assert "region us: 394 labelled dates" in result.output
    same = run("--config", str(path), "propose-splits", "--dates", "394")
    assert same.output in result.output
