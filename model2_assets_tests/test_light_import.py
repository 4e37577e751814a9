import subprocess
import sys

import pytest

HEAVY = {
    "PIL",
    "joblib",
    "jsonschema",
    "junitparser",
    "matplotlib",
    "numba",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "sklearn",
    "skfolio",
    "xgboost",
}


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        # Dagster imports it in every process: the server, the daemon, each run.
        ("model2_assets.definitions", HEAVY),
        # All that `model2 --help` needs.
        ("model2_assets.cli.main", HEAVY | {"dagster", "rich"}),
        # All that `model2 try --model ridge` needs.
        (
            "model2_assets.cli.show, model2_assets.evaluation.variants",
            {"dagster", "matplotlib", "numba", "sklearn", "xgboost"},
        ),
        # Data and scores of Ridge on the demo.
        (
            "model2_assets.checks.predictions, model2_assets.defs.build, "
            "model2_assets.training.ridge; "
            "from model2_assets.market_data import load; load._read_demo(None)",
            {"skfolio", "sklearn", "xgboost"},
        ),
    ],
)
def test_a_start_imports_nothing_that_only_the_work_needs(module: str, heavy: set[str]) -> None:
    code = f"import sys, {module}; print(*{heavy} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
