import subprocess
import sys

import pytest

PROGRAM = """
import numpy as np, pyarrow as pa
from model2_assets.training.resources import release_unused_memory
from model2_assets.training import measure_resources

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

blocks = [np.ones(2_000) for _ in range(20_000)]
keep = blocks[::100]
before = resident()
del blocks
release_unused_memory()
print(before - resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's heap")
def test_freed_memory_goes_back_to_the_system():
    shown = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    # 320 MB were allocated in small blocks, and all but a hundredth were freed.
    assert int(shown.stdout) > 200e6
