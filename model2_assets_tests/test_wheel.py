"""The wheel works outside the repository, contracts and default configuration included."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import yaml

from model2_assets_tests.defs.small_region import NO_DRAWINGS, SMALL_REGION

pytestmark = pytest.mark.end_to_end

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment with the wheel, and this one's libraries but not its checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [
            *(sys.executable, "-m", "build", "--wheel", "--no-isolation"),
            *("--outdir", str(folder), str(REPOSITORY)),
        ],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    home = folder / "environment"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    (site,) = home.glob("lib/python*/site-packages")
    libraries = sysconfig.get_paths()["purelib"]
    (site / "libraries.pth").write_text(f"{libraries}\n", encoding="utf-8")
    return home


def execute(installed: Path, folder: Path, *command: str) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MODEL2_", "DAGSTER_", "PYTHON"))
    }
    finished = subprocess.run(
        [str(installed / "bin" / command[0]), *command[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def test_package_and_contracts_come_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    program = (
        "import model2_assets\n"
        "from model2_assets.contracts import FOLDER, load_contract\n"
        "names = sorted(path.name.split('.')[0] for path in FOLDER.iterdir())\n"
        "print(model2_assets.__file__, *names, load_contract('CVScores').name)"
    )

    output = execute(installed, tmp_path, "python", "-c", program)

    assert output.startswith(str(installed))
    expected = sorted(path.name.split(".")[0] for path in (REPOSITORY / "contracts").iterdir())
    assert output.split()[1:] == [*expected, "CVScores"]


def test_command_retrains_and_keeps_its_results_in_the_working_directory(
    installed: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        yaml.safe_dump({"regions": {"us": SMALL_REGION}, "reports": NO_DRAWINGS}), encoding="utf-8"
    )

    output = execute(
        installed,
        tmp_path,
        *("model2", "--config", str(config), "retrain", "--horizon", "21d", "--model", "ridge"),
    )

    assert "3 of 3 runs succeeded" in output
    assert (tmp_path / ".dagster" / "data" / "us" / "leaderboard.parquet").is_file()
