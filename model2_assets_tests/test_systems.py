"""Systems that are not supported are told by one sentence."""

import subprocess
import sys

import pytest

SENTENCE = "model2_assets runs on Linux and macOS, not on Windows; run it there within WSL 2"


@pytest.mark.parametrize("system", ["win32", "cygwin"])
@pytest.mark.parametrize(
    ("program", "told"),
    [("C:/x/model2.exe", f"{SENTENCE}\n"), ("/x/model2", f"{SENTENCE}\n"), ("/x/dagster", None)],
)
def test_windows_is_refused(system: str, program: str, told: str | None) -> None:
    code = f"import sys; sys.platform, sys.argv = {system!r}, [{program!r}]; import model2_assets"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    if told is not None:
        assert done.stderr == told
    assert done.stderr.splitlines()[-1].endswith(SENTENCE)
