"""Fits that take turns on a few threads, so that no core is idle at the end."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")
Steps = Generator[None, None, Result]
"""Work that pauses now and then, and returns its result."""


def run_in_turns(
    tasks: Sequence[Callable[[], Steps[Result]]], *, n_threads: int
) -> Iterator[Result]:
    """Run tasks on threads, and yield each one's result as it is done.

    Five equal fits on two threads, one after another, take three rounds, in the last of
    which a thread is idle. Here the last ones take turns, step by step, and all end
    together, after two and a half. A task's own steps keep their order.

    Parameters
    ----------
    tasks : sequence of callable
        Each begins a task.
    n_threads : int
        Tasks that work at once.

    Yields
    ------
    object
        What a task's generator returned.

    Notes
    -----
    At most as many tasks as `tasks_at_once` says are begun and not done, so that memory
    stays bounded.
    """
    turns = _Turns(tasks, n_threads)
    with ThreadPoolExecutor(n_threads) as pool:
        running: dict[Future[tuple[bool, Any]], int] = {}
        while turns.waiting or running:
            while turns.waiting and len(running) < n_threads:
                number = turns.waiting.popleft()
                running[pool.submit(turns.advance, number)] = number
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in sorted(ended, key=running.__getitem__):
                number = running.pop(future)
                is_done, result = future.result()
                if is_done:
                    turns.n_left -= 1
                    yield result
                else:
                    turns.wait_again(number)


def tasks_at_once(n_tasks: int, n_threads: int) -> int:
    """Return how many tasks are in memory at once, where all take turns on some threads."""
    return min(n_tasks, n_threads + n_tasks % n_threads)


def finish(steps: Steps[Result]) -> Result:
    """Take all steps of a task, and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


class _Turns(Generic[Result]):
    def __init__(self, tasks: Sequence[Callable[[], Steps[Result]]], n_threads: int) -> None:
        self._tasks = tasks
        self._begun: dict[int, Steps[Result]] = {}
        self._at_once = tasks_at_once(len(tasks), n_threads)
        self.waiting = deque(range(len(tasks)))
        self.n_left = len(tasks)

    def advance(self, number: int) -> tuple[bool, Any]:
        """Take a step of a task; return whether it is done, and its result."""
        if number not in self._begun:
            self._begun[number] = self._tasks[number]()
        try:
            next(self._begun[number])
        except StopIteration as end:
            del self._begun[number]
            return True, end.value
        return False, None

    def wait_again(self, number: int) -> None:
        """Go on with a task at once, or last, where all that are left may be begun."""
        if self.n_left > self._at_once:
            self.waiting.appendleft(number)
        else:
            self.waiting.append(number)
