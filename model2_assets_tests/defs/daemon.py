"""A real Dagster daemon on a temporary instance, and what it has run."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class DaemonHome:
    """A Dagster home with the repository's settings, and the results of its runs."""

    folder: Path
    location: str = "model2_assets.definitions"

    @property
    def definitions(self) -> tuple[str, ...]:
        return ("-m", self.location)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DAGSTER_HOME": str(self.folder),
            "MODEL2_CONFIG": str(self.folder / "config.yaml"),
            "MODEL2_STORAGE": str(self.data),
            "PYTHONPATH": str(REPOSITORY),
        }

    def configure(self, config: Any) -> None:
        self.folder.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / "dagster.yaml", self.folder)
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    def instance(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.from_config(str(self.folder))

    @property
    def log(self) -> str:
        return (self.folder / "daemon.log").read_text(encoding="utf-8")

    def switch_everything_on(self) -> None:
        for kind in ("sensor", "schedule"):
            subprocess.run(
                [sys.executable, "-m", "dagster", kind, "start", "--start-all", *self.definitions],
                env=self.environment,
                cwd=self.folder,
                check=True,
                capture_output=True,
                timeout=120,
            )

    @contextmanager
    def daemon(self) -> Iterator[int]:
        """Run the daemon, yield its process id, and end it and all that it started."""
        # A shell's background process ignores these signals, and so would what it starts.
        command = ["env", "--default-signal=INT,TERM", sys.executable, "-m", "dagster._daemon"]
        with (self.folder / "daemon.log").open("a") as log:
            process = subprocess.Popen(
                [*command, "run", *self.definitions],
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                yield process.pid
            finally:
                process.terminate()
                try:
                    process.wait(timeout=30)
                except subprocess.TimeoutExpired:
                    pass
                finally:
                    end_session(process.pid)
                    process.wait(timeout=10)


def end_session(leader: int) -> None:
    """Kill what is left of the processes of a session, whose leader we started."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def wait_until(is_so: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Look every half second until something is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.5)


@dataclass(frozen=True)
class DaemonRun:
    """A run as the instance recorded it."""

    run_id: str
    assets: tuple[str, ...]
    partition: str | None
    status: dg.DagsterRunStatus
    tags: dict[str, str]
    created: float
    started: float
    ended: float

    @property
    def is_over(self) -> bool:
        return self.ended > 0


def runs_of(instance: dg.DagsterInstance) -> list[DaemonRun]:
    """Return all runs, oldest first."""
    return [
        DaemonRun(
            run_id=record.dagster_run.run_id,
            assets=tuple(sorted(key.path[-1] for key in record.dagster_run.asset_selection or ())),
            partition=record.dagster_run.tags.get("dagster/partition"),
            status=record.dagster_run.status,
            tags=dict(record.dagster_run.tags),
            created=record.create_timestamp.timestamp(),
            started=record.start_time or 0.0,
            ended=record.end_time or 0.0,
        )
        for record in instance.get_run_records(ascending=True)
    ]
