"""Worker processes of a Dask cluster, whose scheduler others have started."""

import hashlib
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import dask
from distributed import Client, wait
from distributed.scheduler import KilledWorker
from distributed.security import Security
from distributed.utils import get_ip
from threadpoolctl import threadpool_info, threadpool_limits

from model2_assets.config import ExecutionConfig
from model2_assets.engines.engine import Engine, Item, Result, Submit
from model2_assets.errors import (
    ConfigError,
    EngineError,
    LostWorkerError,
    Model2Error,
    one_line,
)

logger = logging.getLogger(__name__)

_CONNECT_S = 15
"""Seconds in which a scheduler has to answer at connecting."""

_ANSWER_S = 30
"""Seconds in which it has to answer later, when it may be busy."""

_SILENT_S = 35
"""Seconds without a sign of life after which a worker is given up, each of which gives one every
second; and after which all is, where there is no worker."""

_FRESH_S = 10
"""Seconds without one after which a worker is not chosen for a task of all workers."""

_LOOK_EVERY_S = 3
"""Seconds between looks at the scheduler and its workers, while we wait for a task."""

_LONGEST_REASON = 300

_FROM_DASK = (OSError, TimeoutError, RuntimeError, CancelledError)
"""What a lost connection raises, `CommClosedError` among them; futures of it are cancelled."""


@contextmanager
def connected(execution: ExecutionConfig) -> Iterator["DaskEngine"]:
    """Connect to the scheduler that a configuration names; see `open_engine`."""
    address = _address(execution)
    timeouts = {"connect": f"{_CONNECT_S}s", "tcp": f"{_ANSWER_S}s"}
    settings = {"distributed.comm.timeouts": timeouts, "distributed.comm.retry.count": 0}
    with dask.config.set(settings), _silent_dask():
        try:
            client = Client(
                address,
                security=_security(execution, address),
                timeout=_CONNECT_S,
                set_as_default=False,
            )
        except _FROM_DASK as error:
            raise EngineError(
                f"{address}: no Dask scheduler answers within {_CONNECT_S} s "
                f"({one_line(str(error))}); start it, or mend execution.scheduler and its TLS files"
            ) from error
        try:
            yield DaskEngine(client, address)
        finally:
            with suppress(*_FROM_DASK):
                client.close(timeout=_CONNECT_S)


def _address(execution: ExecutionConfig) -> str:
    if execution.scheduler is not None:
        return execution.scheduler
    variable = str(execution.scheduler_variable)
    address = os.environ.get(variable, "")
    if not address.startswith(("tcp://", "tls://")):
        raise ConfigError(
            f"execution.scheduler_variable: {variable} has to hold the address of a scheduler, "
            f"such as tls://host:8786; set it"
        )
    return address


def _security(execution: ExecutionConfig, address: str) -> Security | None:
    """Return the TLS files that environment variables name; none for a plain connection."""
    if not address.startswith("tls://"):
        logger.warning("%s: the connection is in the clear; use tls://", address)
        return None
    keys = ("tls_ca_variable", "tls_cert_variable", "tls_key_variable")
    files = {key: os.environ.get(getattr(execution, key), "") for key in keys}
    for key, file in files.items():
        if not Path(file).is_file():
            raise ConfigError(
                f"execution.{key}: {getattr(execution, key)} has to name a PEM file, for {address} "
                f"is encrypted; set it"
            )
    ca, certificate, private_key = files.values()
    return Security(
        tls_ca_file=ca,
        tls_client_cert=certificate,
        tls_client_key=private_key,
        require_encryption=True,
    )


@contextmanager
def _silent_dask() -> Iterator[None]:
    """Keep Dask from printing stack traces of what is said here in a sentence."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


class DaskEngine(Engine):
    """Workers of a Dask cluster.

    A task of a worker that is lost runs again elsewhere; a worker without a sign of life for
    `_SILENT_S` seconds is taken off the scheduler's list, as its own ``worker-ttl`` would later.

    Parameters
    ----------
    client : Client
        A connection to the scheduler.
    address : str
        Its address, for messages.
    """

    is_local = False

    def __init__(self, client: Client, address: str) -> None:
        self._client, self._address = client, address
        self.host = get_ip(address.partition("://")[2].rpartition(":")[0].strip("[]"))
        self._seen: dict[str, tuple[float, float]] = {}
        self._fresh: list[str] = []
        self._fresh_at = time.monotonic()
        self._failed: EngineError | None = None
        self._look()
        while True:
            workers = list(self._fresh)
            if not workers:
                raise EngineError(
                    f"{address}: the scheduler has no worker; start some by: dask worker {address}"
                )
            try:
                installed = self.together(_installed, workers)
            except LostWorkerError:
                if set(workers) <= set(self._fresh):  # it was not for lack of a worker
                    raise
            else:
                break
        _require_same(dict(zip(workers, installed, strict=True)))

    def together(self, task: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Run a task on all items at the same time; see `Engine.together`."""
        self._look()
        chosen = self._fresh[: len(items)]
        if len(chosen) < len(items):
            raise LostWorkerError(
                f"{self._address}: {len(items)} workers are needed, {len(chosen)} are there"
            )
        running = [
            self._client.submit(_on_worker, task, item, workers=[worker], pure=False, retries=0)
            for item, worker in zip(items, chosen, strict=True)
        ]
        try:
            left = list(running)
            while left:
                done = self._first_done(left, needed=chosen)
                left.remove(done)
                self._result(done, failed=LostWorkerError)
            return [self._result(future) for future in running]
        except LostWorkerError:
            with suppress(EngineError):
                self._look()
            raise
        finally:
            self._cancel(running)

    @contextmanager
    def _submitting(self, running: list[Any]) -> Iterator[Submit]:
        try:
            yield lambda task, item: self._client.submit(_on_worker, task, item, pure=False)
        finally:
            self._cancel(running)

    def _cancel(self, futures: Sequence[Any]) -> None:
        with suppress(*_FROM_DASK):
            self._client.cancel(list(futures), force=True)

    def _first_done(self, futures: Sequence[Any], needed: Sequence[str] = ()) -> Any:
        while True:
            try:
                with self._client.as_current():
                    found = wait(futures, timeout=_LOOK_EVERY_S, return_when="FIRST_COMPLETED")
                return next(iter(found.done))
            except TimeoutError:
                lost = set(needed) - self._look()
                if lost:
                    raise LostWorkerError(f"{self._address}: worker {min(lost)} was lost") from None
            except _FROM_DASK as error:
                raise self._lost(error) from error

    def _result(self, future: Any, *, failed: type[EngineError] = EngineError) -> Any:
        try:
            return future.result(timeout=_ANSWER_S)
        except (Model2Error, MemoryError):
            raise
        except KilledWorker as error:
            raise EngineError(
                f"{self._address}: a task has ended {error.allowed_failures + 1} workers in a row, "
                f"mostly by lack of memory; give workers more memory (--memory-limit), or fewer "
                f"threads each"
            ) from error
        except Exception as error:
            if future.status != "error":
                raise self._lost(error) from error
            reason = f"{type(error).__name__}: {one_line(str(error))}"
            raise failed(
                f"{self._address}: a task failed on a worker: {reason[:_LONGEST_REASON]}"
            ) from error

    def _lost(self, error: Exception) -> EngineError:
        reason = one_line(str(error)) or type(error).__name__
        self._failed = EngineError(
            f"{self._address}: the scheduler was lost ({reason[:_LONGEST_REASON]}); start it and "
            f"its workers again, then run again: the last good result stays"
        )
        return self._failed

    def _look(self) -> set[str]:
        """Ask the scheduler for its workers, which it is to forget where they are silent."""
        if self._failed is not None:  # no use in waiting for an answer once more
            raise self._failed
        ask: Any = self._client.scheduler
        try:
            workers = self._client.sync(ask.identity, callback_timeout=_ANSWER_S)["workers"]
            now, before = time.monotonic(), self._seen
            self._seen = {
                worker: (facts["last_seen"], now)
                if before.get(worker, (None,))[0] != facts["last_seen"]
                else before[worker]
                for worker, facts in workers.items()
            }
            silent = {worker: now - since for worker, (_, since) in self._seen.items()}
            for worker in [each for each, seconds in silent.items() if seconds > _SILENT_S]:
                logger.warning("worker %s is silent; going on without", worker)
                stimulus = {"address": worker, "stimulus_id": f"silent-{now}"}
                self._client.sync(ask.unregister, **stimulus, callback_timeout=_ANSWER_S)
                del workers[worker]
        except _FROM_DASK as error:
            raise self._lost(error) from error
        self._fresh = [worker for worker in workers if silent[worker] < _FRESH_S]
        self._fresh_at = now if self._fresh else self._fresh_at
        if not workers and now - self._fresh_at > _SILENT_S:
            raise EngineError(
                f"{self._address}: no worker has been there for {_SILENT_S} s; start some, then "
                f"run again: the last good result stays"
            )
        limits = [w["memory_limit"] // w["nthreads"] for w in workers.values() if w["memory_limit"]]
        threads = [worker["nthreads"] for worker in workers.values()]
        # At least one, which may come yet.
        self.n_workers, self.n_at_once = max(1, len(self._fresh)), max(1, sum(threads))
        self.threads_per_worker = min(threads, default=1)
        self.task_memory_bytes = min(limits, default=None)
        return set(workers)


def _on_worker(task: Callable[[Any], Any], item: Any) -> Any:
    """Run a task; for good, BLAS and OpenMP have one thread, or sums add up in another order."""
    threadpool_limits(limits=1)
    return task(item)


def _installed(_: object) -> dict[str, str]:
    """Return what results depend on besides their inputs, as it is here."""
    kernels = {pool["architecture"] for pool in threadpool_info() if pool["user_api"] == "blas"}
    libraries = ("numpy", "pandas", "scipy", "scikit-learn", "xgboost", "numba")
    return {
        "Python": platform.python_version(),
        "model2_assets": _own_code(),
        **{name: metadata.version(name) for name in libraries},
        "linear algebra": ", ".join(sorted(kernels)),
    }


@cache
def _own_code() -> str:
    """Digest the sources of this package: its version does not move with every change."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _require_same(found: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse workers of other versions by name; another processor's kernels are a warning."""
    ours = _installed(None)
    for worker, theirs in found.items():
        for name, version in ours.items():
            if theirs[name] == version:
                continue
            if name == "linear algebra":
                logger.warning(
                    "worker %s has the kernels %s, this process %s: Ridge may differ by 1e-8 bps",
                    worker,
                    theirs[name],
                    version,
                )
                continue
            raise EngineError(
                f"worker {worker} has {name} {theirs[name]}, this process {version}, so results "
                f"would differ; install the same on both"
            )
