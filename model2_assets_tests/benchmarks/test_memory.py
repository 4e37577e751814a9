"""Peak memory of a process tree."""

import subprocess
import sys

from benchmarks.memory import PeakMemory

MIB = 2**20
CHILD = "import time; held = bytearray(60 * 2**20); time.sleep(0.5)"
PARENT = (
    "import subprocess, sys, time; held = bytearray(100 * 2**20); time.sleep(0.5); "
    f"subprocess.run([sys.executable, '-c', {CHILD!r}], check=True)"
)


def test_children_count() -> None:
    with (
        subprocess.Popen([sys.executable, "-c", PARENT]) as process,
        PeakMemory(process.pid) as memory,
    ):
        assert process.wait() == 0
    assert 160 * MIB < memory.peak_bytes < 260 * MIB


def test_a_process_that_is_gone_has_none() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    with PeakMemory(process.pid) as memory:
        pass
    assert memory.peak_bytes == 0
