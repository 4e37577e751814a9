from click.testing import CliRunner

from benchmarks.waiting import PLANS, main


def test_each_plan_has_a_line_for_every_number_of_busy_processes() -> None:
    options = ["--busy", "1", "--rows", "200", "--trees", "2", "--repeats", "1"]
    lines = CliRunner().invoke(main, options, catch_exceptions=False).output.splitlines()
    assert [line.split(" | ")[:2] for line in lines[2:]] == [["| 1", name] for name in PLANS]
