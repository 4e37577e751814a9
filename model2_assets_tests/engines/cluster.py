"""A real Dask cluster on loopback: a scheduler and workers, each a process, with TLS."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from distributed.security import Security

from model2_assets.config.sections import ExecutionConfig

_STARTS_WITHIN_S = 60


@dataclass
class Cluster:
    """The processes of a cluster, and how to reach it."""

    folder: Path
    address: str = ""
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """Variables that name the TLS files: those that the configuration asks for by default."""
        prefix = "DASK_DISTRIBUTED__COMM__TLS__"
        return {
            f"{prefix}CA_FILE": str(self.folder / "ca.pem"),
            f"{prefix}CLIENT__CERT": str(self.folder / "ca.pem"),
            f"{prefix}CLIENT__KEY": str(self.folder / "key.pem"),
        }

    def execution(self, **settings: object) -> ExecutionConfig:
        """Return the section of the configuration that names it."""
        return ExecutionConfig.model_validate(
            {"engine": "dask", "scheduler": self.address, **settings}
        )

    def start_worker(self, *, memory: str, nthreads: int = 1) -> None:
        """Start one more worker, without a nanny: one process, which is the one to kill."""
        command = ["worker", self.address, "--nthreads", str(nthreads), "--memory-limit", memory]
        options = ["--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
        local = ["--local-directory", str(self.folder / "workers"), "--death-timeout", "60"]
        self.workers.append(self._dask(*command, *options, *local))

    def wait_for_workers(self, count: int) -> None:
        """Wait until so many have said that they are there."""
        until = time.monotonic() + _STARTS_WITHIN_S
        while self.log().count("Register worker") < count:
            assert time.monotonic() < until, self.log()
            time.sleep(0.05)

    def log(self) -> str:
        """Return what the processes have written."""
        return (self.folder / "log").read_text(errors="replace")

    def _dask(self, *command: str) -> subprocess.Popen[bytes]:
        tls = ["--tls-ca-file", "ca.pem", "--tls-cert", "ca.pem", "--tls-key", "key.pem"]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *command, *tls],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                env={**os.environ, "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "20s"},
            )

    def end(self) -> None:
        """End all processes, frozen ones too."""
        for process in [*self.workers, self.scheduler]:
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()


@contextmanager
def running_cluster(
    folder: Path, *, n_workers: int = 2, memory: str = "0", nthreads: int = 1
) -> Iterator[Cluster]:
    """Run a cluster while the block runs; its TLS files are in the folder, and in the variables."""
    folder.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(folder)
    security = Security.temporary()
    (folder / "ca.pem").write_text(security.tls_ca_file)
    (folder / "key.pem").write_text(security.tls_client_key)
    try:
        cluster.scheduler = cluster._dask(
            *("scheduler", "--host", "127.0.0.1", "--port", "0", "--protocol", "tls"),
            *("--no-dashboard", "--scheduler-file", "scheduler.json"),
        )
        file, until = folder / "scheduler.json", time.monotonic() + _STARTS_WITHIN_S
        while not (file.exists() and '"address": "' in file.read_text()):
            assert time.monotonic() < until, cluster.log()
            time.sleep(0.05)
        cluster.address = file.read_text().partition('"address": "')[2].partition('"')[0]
        for _ in range(n_workers):
            cluster.start_worker(memory=memory, nthreads=nthreads)
        cluster.wait_for_workers(n_workers)
        with _variables(cluster.environment):
            yield cluster
    finally:
        cluster.end()


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
