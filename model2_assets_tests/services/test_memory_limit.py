"""Under a limit on data: what the process has, with a tiny market or before, and half a matrix."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from model2_assets_tests.defs.daemon import REPOSITORY

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
    pytest.mark.timeout(3600),
]

MATRIX_BYTES = 400 * (2100 - 60) * 157 * 4
FAR_AWAY = 1 << 40


def retrain(folder: Path, limit: int, **size: int) -> tuple[int, str]:
    """Retrain a generated market with everything by default; return its most data, and its log."""
    folder.mkdir()
    config, log = folder / "config.yaml", folder / "log"
    market = {"market_data": {"source": "synthetic", "params": {**size, "seed": 1}}}
    config.write_text(yaml.safe_dump({"regions": {"market": market}}), encoding="utf-8")
    home, most = folder / "home", 0
    home.mkdir()
    command = [sys.executable, "-m", "model2_assets.cli.main", "--config", str(config)]
    with log.open("w") as stream:
        process = subprocess.Popen(
            ["sh", "-c", f'ulimit -d {limit // 1024} && exec "$@"', "sh", *command, "retrain"],
            cwd=REPOSITORY,
            env={**os.environ, "MODEL2_STORAGE": f"{folder}/data", "DAGSTER_HOME": str(home)},
            stdout=stream,
            stderr=stream,
        )
        while process.poll() is None:
            most = max(most, *data_bytes(process.pid))
            time.sleep(0.01)
    said = log.read_text(encoding="utf-8")
    assert process.returncode == 0, said[-5000:]
    return most, said


def data_bytes(pid: int) -> list[int]:
    """Return what counts against the limit, as a list of one; 0 once the process has ended."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return [*(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData")), 0]


def test_a_whole_retrain_keeps_within_half_of_the_matrix(tmp_path):
    base, _ = retrain(tmp_path / "tiny", FAR_AWAY, n_instruments=30, n_dates=600)
    limit = base + MATRIX_BYTES // 2
    most, said = retrain(tmp_path / "large", limit, n_instruments=400, n_dates=2100)
    print({"base": base, "limit": limit, "most": most})
    assert most <= limit
    assert "features are made block by block" in said
    assert "fitting in external memory" in said


def test_steps_keep_within_half_of_the_matrix_and_give_the_same_bits(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "model2_assets_tests.services.within_memory", str(tmp_path)],
        cwd=REPOSITORY,
        # Arrow's own allocator reserves a gigabyte that it never uses, which would count.
        env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr[-3000:]
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    assert [step["step"] for step in steps] == ["features", "XGBoostTrainer", "RidgeTrainer"]
    for step in steps:
        assert step["limit"] - step["base"] > 250e6
        assert step["peak"] <= step["limit"]
        assert step["same"]
    # Ridge never needs more; the others do, where nothing limits them.
    assert all(step["free_peak"] > step["limit"] for step in steps[:2])
