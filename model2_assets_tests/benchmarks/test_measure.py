"""Measuring in fresh processes, going on where it stopped, and the report."""

from pathlib import Path

import pytest

from benchmarks.inputs import Inputs
from benchmarks.measure import BenchmarkError, measure
from benchmarks.programs import PROGRAMS, Program
from benchmarks.record import Key, read
from benchmarks.report import write_report


def _measure(programs: list[str], cache: Path, path: Path) -> None:
    measure(programs, size="XS", seeds=[0], repeats=1, trees=3, cache=cache, path=path)


@pytest.mark.usefixtures("inputs")
def test_from_programs_to_the_report(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, results = tmp_path / "measurements.jsonl", tmp_path / "RESULTS.md"
    _measure(["ridge_ours"], cache, path)
    _measure(["ridge_ours", "ridge_by_hand"], cache, path)
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in told] == ["ridge_ours", "ridge_by_hand"]

    by_hand = read(path)[Key("ridge_by_hand", "XS", 0, 0, 3)]
    assert by_hand.seconds == pytest.approx(sum(by_hand.phases.values()))
    assert 0 < by_hand.seconds < by_hand.wall_s
    assert 100e6 < by_hand.peak_bytes < 2e9
    assert by_hand.quality["versus"]["ridge_ours / ridge_by_hand"]["21d"]["correlation"] > 0.999

    write_report(path, results, trees=3)
    report = results.read_text(encoding="utf-8")
    row = next(line for line in report.splitlines() if "to scikit-learn in float64" in line)
    assert row.endswith("| ≤ 1e-6 sd | met |")
    assert "| L |" in report
    assert "| not measured |" in report


@pytest.mark.usefixtures("inputs")
def test_a_program_that_fails_is_told(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The child process knows no such program and dies.
    monkeypatch.setitem(PROGRAMS, "unknown", Program("unknown"))
    path = tmp_path / "measurements.jsonl"
    with pytest.raises(BenchmarkError, match="not measured: unknown"):
        _measure(["unknown"], cache, path)
    assert not path.exists()


def test_every_program_can_be_imported(inputs: Inputs) -> None:
    from importlib import import_module

    assert inputs.market.exists()
    for program in PROGRAMS.values():
        assert callable(getattr(import_module(f"benchmarks.{program.module}"), program.function))
