"""SIGINT, SIGTERM and SIGHUP end a command, wherever it is.

Dagster has handlers of its own while it executes, and ends the run at hand alone. Python calls a
handler between two instructions of the main thread, so not while that is in native code. But it
writes the number of a signal to a socket as soon as it comes: who asks there learns of it, and a
thread ends the process where nothing else does.
"""

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from select import select
from types import FrameType

GRACE_SECONDS = 5.0
"""Time to end in good order, and then for a last act; a second signal cuts it short."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """A signal asks the command to end, with an exit status as a shell would give."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.status = 128 + number


class _Inbox:
    """The signals that have come, and what is to be done before the process ends by force."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._lock = threading.Lock()
        self._numbers: list[int] = []
        self.last_act: Callable[[], object] = bool
        self.grace_seconds = GRACE_SECONDS
        self.is_deferring = False
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for each in _SIGNALS:
            if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN:  # by nohup
                signal.signal(each, self._handle)
        os.register_at_fork(after_in_child=_forget)
        threading.Thread(target=self._watch, daemon=True).start()

    def numbers(self) -> list[int]:
        with self._lock, suppress(BlockingIOError):
            self._numbers += [each for each in self._reader.recv(100) if each in _SIGNALS]
        return self._numbers

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self.is_deferring:
            raise Stopped(number)
        handler = signal.getsignal(signal.SIGINT)
        if number == signal.SIGHUP and handler != self._handle and callable(handler):
            handler(signal.SIGINT, frame)  # of Dagster, which knows nothing of the other

    def _watch(self) -> None:
        """End the process by force, after a second signal or some time."""
        while not self.numbers():
            select([self._reader], [], [], 1.0)  # whoever asks may read it before
        deadline = time.monotonic() + self.grace_seconds
        while len(self.numbers()) == 1 and time.monotonic() < deadline:
            select([self._reader], [], [], 0.2)
        status = 128 + self.numbers()[0]
        threading.Timer(GRACE_SECONDS, end_process, [status]).start()
        with suppress(Exception):
            self.last_act()
        end_process(status)


_inbox: _Inbox | None = None


def obey_signals() -> None:
    """Have signals end this process from now on, even if it was started to ignore them."""
    global _inbox  # noqa: PLW0603
    _inbox = _Inbox()


def _forget() -> None:
    """Have signals end a forked process as they do any other."""
    global _inbox  # noqa: PLW0603
    _inbox = None
    signal.set_wakeup_fd(-1)
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_DFL)


def stopped() -> Stopped | None:
    """Return what asks this command to end; None where nothing does."""
    numbers = _inbox.numbers() if _inbox is not None else []
    return Stopped(numbers[0]) if numbers else None


def stop_here() -> None:
    """Raise `Stopped` where a signal has come."""
    if (reason := stopped()) is not None:
        raise reason


@contextmanager
def deferred() -> Iterator[None]:
    """Raise `Stopped` not within the block but at its end, unless that takes too long."""
    if _inbox is not None:
        _inbox.is_deferring = True
    try:
        yield
    finally:
        if _inbox is not None:
            _inbox.is_deferring = False
        stop_here()


def before_end(act: Callable[[], object], grace_seconds: float = GRACE_SECONDS) -> None:
    """Have something done where the process has to be ended by force, after some time."""
    if _inbox is not None:
        _inbox.last_act, _inbox.grace_seconds = act, grace_seconds


def end_process(status: int) -> None:
    """End the process and its workers now; threads in native code are not waited for."""
    for child in multiprocessing.active_children():
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)  # type: ignore[arg-type]
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(status)
