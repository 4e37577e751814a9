"""Real retrains as processes of their own, forked from one that has everything imported."""

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from model2_assets_tests.faults.moments import AfterSeconds, Moment, Place, Watch
from model2_assets_tests.faults.scene import Scene
from model2_assets_tests.kept_engines import keep_engines

Preparation = Callable[[], None]

FORKS = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Told:
    """One event of a retrain, and the file operations of its step before it."""

    seconds: float
    place: Place
    event: str
    operations: int


def start(
    scene: Scene,
    config: str,
    *arguments: str,
    moment: Moment | None = None,
    before: Preparation | None = None,
) -> "Child":
    """Start ``model2`` with arguments, such as ``retrain``, on a scene.

    `before` is called in the new process, such as to limit its memory.
    """
    FORKS.set_forkserver_preload(["model2_assets_tests.faults.preloaded"])
    here, there = FORKS.Pipe(duplex=False)
    process = FORKS.Process(
        target=_run, args=(scene, config, arguments, moment, before, there), daemon=True
    )
    process.start()
    there.close()
    return Child(process, here, time.monotonic())


class Child:
    """A running command."""

    def __init__(self, process: Any, events: Connection, started: float) -> None:
        self.process = process
        self._events = events
        self._started = started

    def told(self, timeout: float = 600) -> Iterator[Told]:
        """Yield its events until it ends."""
        deadline = time.monotonic() + timeout
        while self._events.poll(max(deadline - time.monotonic(), 0)):
            try:
                yield self._events.recv()
            except (EOFError, OSError):
                return
        raise TimeoutError(f"process {self.process.pid} has been silent for {timeout:.0f} s")

    def wait(self, timeout: float = 600) -> int:
        """Wait for its end; return its exit status, negative where a signal ended it."""
        for _ in self.told(timeout):
            pass
        return self.join()

    def join(self) -> int:
        self.process.join(60)
        status = self.process.exitcode
        self._events.close()
        self.process.close()
        assert status is not None, "it closed its pipe and lives on"
        return int(status)

    def kill(self) -> None:
        self.process.kill()

    def die_at(self, moment: Moment) -> int:
        """Kill it at a moment, where it does not kill itself; return its exit status."""
        if not isinstance(moment, AfterSeconds):
            return self.wait()
        if moment.place is not None:
            for told in self.told():
                if (told.place, told.event) == (moment.place, moment.event):
                    break
        time.sleep(moment.seconds)
        self.kill()
        return self.wait()


def _run(
    scene: Scene,
    config: str,
    arguments: tuple[str, ...],
    moment: Moment | None,
    before: Preparation | None,
    events: Connection,
) -> None:
    os.environ.update(scene.environment(config))
    tempfile.tempdir = None  # found anew, from the environment
    log = os.open(scene.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    started = time.monotonic()

    def tell(place: Place, event: str, operations: int) -> None:
        events.send(Told(time.monotonic() - started, place, event, operations))

    keep_engines()
    Watch(scene.data, moment, tell).install()
    if before is not None:
        before()
    from model2_assets.cli.main import main

    main(list(arguments))


@contextmanager
def running(*children: Child) -> Iterator[None]:
    """Kill children that are left when the block ends."""
    try:
        yield
    finally:
        for child in children:
            try:
                child.kill()
            except ValueError:  # ended and closed
                continue
