"""Moments at which a retrain is killed, and how the process to be killed lies in wait for them."""

import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMPUTE, WRITE = "compute", "write"

BEGINS = {COMPUTE: "STEP_START", WRITE: "STEP_OUTPUT"}
"""The event that begins a phase of a step."""

ENDS = {COMPUTE: "STEP_OUTPUT", WRITE: "HANDLED_OUTPUT"}

FILE_OPERATIONS = {"open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir"}
"""Audit events of what changes files; `open` where it writes."""


@dataclass(frozen=True)
class Place:
    """A step of the run of a partition, or of one without (None)."""

    partition: str | None
    step: str


@dataclass(frozen=True)
class AfterSeconds:
    """SIGKILL from outside, a time after an event; after the start where no place is given."""

    place: Place | None
    event: str
    seconds: float
    kind: str = "clock"


@dataclass(frozen=True)
class AtFileOperation:
    """SIGKILL right before the n-th file operation (from 0) of a step."""

    place: Place
    number: int
    kind: str = "file operation"


@dataclass(frozen=True)
class HalfWritten:
    """The kernel ends the process where a file would grow beyond a size.

    From the n-th file operation of a step on. It is SIGXFSZ instead of SIGKILL, as final where
    nobody handles it: a signal of one's own cannot be timed to the middle of a system call.
    """

    place: Place
    number: int
    size: int
    kind: str = "half-written file"


Moment = AfterSeconds | AtFileOperation | HalfWritten


class Watch:
    """Follows a retrain from inside: its steps by Dagster's events, its files by audit events.

    Parameters
    ----------
    base : Path
        Folder whose files are watched.
    moment : Moment or None
        When to die; of `AfterSeconds` somebody outside takes care.
    tell : callable
        Told ``(place, event, file operations of the step so far)`` of every event of a step.
    """

    def __init__(
        self, base: Path, moment: Moment | None, tell: Callable[[Place, str, int], None]
    ) -> None:
        self._base = str(base)
        self._moment = moment
        self._tell = tell
        self._place: Place | None = None
        self._operations = 0

    def install(self) -> None:
        import dagster as dg

        record = dg.DagsterInstance.handle_new_event
        partitions: dict[str, str | None] = {}

        def recording(instance: Any, event: Any, *args: Any, **others: Any) -> None:
            record(instance, event, *args, **others)
            told = event.dagster_event
            if told is None or told.step_key is None:
                return
            if event.run_id not in partitions:
                run = instance.get_run_by_id(event.run_id)
                partitions[event.run_id] = run.tags.get("dagster/partition")
            place = Place(partitions[event.run_id], told.step_key)
            if told.event_type_value == "STEP_START":
                self._place, self._operations = place, 0
            self._tell(place, told.event_type_value, self._operations)

        dg.DagsterInstance.handle_new_event = recording
        sys.addaudithook(self._audit)

    def _audit(self, name: str, args: tuple[Any, ...]) -> None:
        if name not in FILE_OPERATIONS or not str(args[0]).startswith(self._base):
            return
        if name == "open" and not _writes(args):
            return
        moment, number = self._moment, self._operations
        self._operations += 1
        if not isinstance(moment, AtFileOperation | HalfWritten):
            return
        if moment.place != self._place or moment.number != number:
            return
        if isinstance(moment, AtFileOperation):
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (moment.size, resource.RLIM_INFINITY))


def _writes(args: tuple[Any, ...]) -> bool:
    flags = args[2] if isinstance(args[2], int) else 0
    return bool(flags & (os.O_WRONLY | os.O_RDWR))
