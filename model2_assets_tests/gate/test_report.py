import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from model2_assets.cli.gate import gate_folder, write_report
from model2_assets.errors import ConfigError
from model2_assets.storage import Store
from model2_assets_tests.gate.summaries import PREPARATION, TRAINING, summary


def test_report_is_below_the_base_path_of_a_local_store(tmp_path: Path) -> None:
    report = gate_folder(None, Store(tmp_path / "data"))

    write_report(report, summary(TRAINING))
    write_report(report, summary(PREPARATION))

    folder = tmp_path / "data" / "gate"
    assert sorted(path.name for path in folder.iterdir()) == ["gate.json", "gate.xml"]
    assert json.loads((folder / "gate.json").read_text(encoding="utf-8"))["exit_status"] == 0
    assert ET.parse(folder / "gate.xml").getroot().get("tests") == "3"


def test_report_of_an_object_store_is_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    write_report(gate_folder(None, Store("memory://gate")), summary(PREPARATION))

    assert (tmp_path / "gate" / "gate.json").is_file()


def test_report_goes_where_it_is_told_to(tmp_path: Path) -> None:
    folder = gate_folder(str(tmp_path / "a" / "b"), Store("memory://gate"))
    write_report(folder, summary(PREPARATION))

    assert (tmp_path / "a" / "b" / "gate.xml").is_file()


def test_a_folder_that_cannot_be_made_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"file/report: cannot be made .* correct --report-dir"):
        gate_folder(str(tmp_path / "file" / "report"), Store("memory://gate"))
