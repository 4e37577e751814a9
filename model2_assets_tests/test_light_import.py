import subprocess
import sys

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


def test_the_code_location_is_imported_without_what_only_its_steps_need():
    """Dagster imports it in every process: the server, the daemon, each run."""
    code = f"import sys, model2_assets.definitions; print(*{HEAVY} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
