"""What an engine promises, and the engine of this process."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Submit = Callable[[Callable[[Any], Any], Any], Any]


class Engine(ABC):
    """Runs tasks on items, many at once, and knows nothing of what they do.

    A task is a function of one item. Its result may depend on the item and on stored files alone:
    a task may run on any worker, and once more where a worker was lost.

    Attributes
    ----------
    is_local : bool
        Whether tasks run in this process. Elsewhere items and results are sent: give them paths
        and ranges of rows, not arrays.
    n_workers : int
        Workers: threads of this process, or processes elsewhere.
    n_at_once : int
        Tasks that run at once, at least one a worker.
    task_memory_bytes : int or None
        Memory of each of these on the smallest worker; None: what this process has.
    threads_per_worker : int
        Threads that a task which has a worker to itself may use.
    host : str
        Address at which workers reach this process.
    """

    is_local = True
    n_workers: int
    n_at_once: int
    task_memory_bytes: int | None = None
    threads_per_worker: int = 1
    host: str = "127.0.0.1"

    def map(
        self, task: Callable[[Item], Result], items: Iterable[Item], *, ordered: bool = True
    ) -> Iterator[Result]:
        """Run a task on every item, and yield the results.

        Items are taken a few at a time, so that neither they nor their results pile up.

        Parameters
        ----------
        task : callable
            Takes an item.
        items : iterable
            What it takes.
        ordered : bool, default True
            Whether results come in the order of the items, or each as soon as it is there.

        Raises
        ------
        EngineError
            If workers or their scheduler cannot be used any more. What a task raises is raised
            here, too; those that have not begun never do.
        """
        left, running = iter(items), list[Any]()
        with self._submitting(running) as submit:
            while True:
                for item in islice(left, max(0, 2 * self.n_at_once - len(running))):
                    running.append(submit(task, item))
                if not running:
                    return
                done = self._first_done(running[:1] if ordered else running)
                running.remove(done)
                yield self._result(done)

    @abstractmethod
    def together(self, task: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Run a task on all items at the same time, each on a worker of its own.

        There are at most `n_workers` items. Where a worker is lost, or what runs there fails for
        another cause than the data, a `LostWorkerError` says so: all of it may be repeated.
        """

    @abstractmethod
    def _submitting(self, running: list[Any]) -> AbstractContextManager[Submit]:
        """Return what begins a task; what is `running` when the block is left is given up."""

    @abstractmethod
    def _first_done(self, futures: Sequence[Any]) -> Any:
        """Wait until one of some tasks has ended."""

    @abstractmethod
    def _result(self, future: Any) -> Any:
        """Return the result of a task that has ended, or raise its error."""


class LocalEngine(Engine):
    """Threads of this process: NumPy, BLAS and XGBoost let others run meanwhile.

    Parameters
    ----------
    n_threads : int, default 1
        Tasks at once.
    """

    def __init__(self, n_threads: int = 1) -> None:
        self.n_workers = self.n_at_once = n_threads

    def together(self, task: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Run a task on all items at the same time; see `Engine.together`."""
        return list(LocalEngine(len(items)).map(task, items))

    @contextmanager
    def _submitting(self, running: list[Any]) -> Iterator[Submit]:  # noqa: ARG002
        pool = ThreadPoolExecutor(self.n_at_once)
        try:
            yield pool.submit
        except (Exception, GeneratorExit):  # no other begins, and what runs is waited for
            pool.shutdown(cancel_futures=True)
            raise
        finally:  # a signal ends the caller at once
            pool.shutdown(wait=False, cancel_futures=True)

    def _first_done(self, futures: Sequence[Any]) -> Any:
        return next(iter(wait(futures, return_when=FIRST_COMPLETED).done))

    def _result(self, future: Any) -> Any:
        return future.result()
