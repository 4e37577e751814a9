"""Peak memory of a process and everything that it started."""

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_PROC = Path("/proc")
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S, _SHARE_OF_A_CORE = 0.05, 1.0, 0.03


class PeakMemory:
    """Samples the summed proportional set size (PSS) of a process tree while it runs.

    A page that n processes share counts 1/n in each, so the sum counts every page once. A
    sample is taken 20 times a second, or less often, down to once a second, where reading
    takes more than 3% of a core.

    Parameters
    ----------
    pid : int
        Root of the tree.

    Attributes
    ----------
    peak_bytes : int
        The largest sum so far.
    """

    def __init__(self, pid: int) -> None:
        self.peak_bytes = 0
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            started = time.thread_time()
            self.peak_bytes = max(self.peak_bytes, tree_pss_bytes(self._pid))
            pause = (time.thread_time() - started) / _SHARE_OF_A_CORE
            if self._stop.wait(min(max(pause, _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S)):
                return


def tree_pss_bytes(pid: int) -> int:
    """Return the summed PSS of a process and its descendants in bytes, 0 if it is gone."""
    return _pss_bytes(pid) + sum(tree_pss_bytes(child) for child in _children(pid))


def _children(pid: int) -> list[int]:
    try:
        tasks = list((_PROC / str(pid) / "task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def _pss_bytes(pid: int) -> int:
    try:
        text = (_PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
