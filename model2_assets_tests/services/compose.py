"""The services of ``deploy/compose.yaml``, as processes on loopback."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from model2_assets.config import parse_config
from model2_assets.defs.assets import asset_names
from model2_assets.defs.region import Region, Stage
from model2_assets.storage import Store
from model2_assets_tests.defs.daemon import REPOSITORY, end_session, wait_until
from model2_assets_tests.defs.graphql import launch_run
from model2_assets_tests.defs.postgres import Server, running_server
from model2_assets_tests.defs.small_region import NO_DRAWINGS, SMALL_REGION, SMALL_XGBOOST
from model2_assets_tests.ui.server import HOST, free_port

DEPLOY = REPOSITORY / "deploy"
PATIENCE = 900.0  # seconds, for a machine that is busy
STARTED, SUCCESS = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS

CONFIG: dict[str, Any] = {
    "regions": {
        "us": {
            **SMALL_REGION,
            "features": {"builder": "model2_assets_tests.defs.plugged_in:momentum_features"},
        }
    },
    "models": {"xgboost": {"params": SMALL_XGBOOST}},
    "checks": {"lookahead_control_dates": 1},
    "reports": NO_DRAWINGS,
}
PARTITIONS = ("21d|ridge", "21d|xgboost", "63d|ridge", "63d|xgboost")
PASSWORD = "0123456789abcdef"
GRACE_SECONDS = 10  # of docker compose, between SIGTERM and SIGKILL


def services() -> dict[str, Any]:
    """Return the services of ``deploy/compose.yaml``."""
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
    return found


def substituted(text: str, variables: dict[str, str]) -> str:
    """Replace ``${NAME:-default}`` and ``${NAME:?reason}`` as compose does."""

    def value(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        if variables.get(name):
            return variables[name]
        assert kind != "?", f"{name} is not set: {rest}"
        return rest or ""

    return re.sub(r"\$\{(\w+)(?::([-?])([^}]*))?\}", value, text)


@dataclass
class Compose:
    """Services that run in a folder, by name; PostgreSQL from the system's own programs.

    What containers have of their own (paths, host names, ports) is replaced by what this machine
    has; all else of commands and environments is the file's.
    """

    folder: Path
    postgres: Server
    config: dict[str, Any]
    concurrency: dict[str, Any] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("home", "data", "working", "tls"):
            (self.folder / name).mkdir(exist_ok=True)
        shutil.copy(DEPLOY / "workspace.yaml", self.home)
        self.limit(**self.concurrency)
        config = yaml.safe_load((DEPLOY / "model2.yaml").read_text("utf-8"))
        execution = {**config["execution"], "working_dir": str(self.folder / "working")}
        config = {**config, "execution": execution, **self.config}
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")

    def limit(self, **concurrency: Any) -> None:
        """Write the instance's settings, with other limits where they are given."""
        shared = yaml.safe_load((DEPLOY / "dagster.yaml").read_text("utf-8"))
        shared["concurrency"] = {**shared["concurrency"], **concurrency}
        (self.home / "dagster.yaml").write_text(yaml.safe_dump(shared), "utf-8")

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._ports['3000']}"

    @cached_property
    def _ports(self) -> dict[str, str]:
        return {port: str(free_port()) for port in ("3000", "4000", "8786")}

    def _here(self, text: str) -> str:
        """Return a text of the file with this machine's paths, names and ports."""
        text = substituted(text, {"POSTGRES_PASSWORD": PASSWORD})
        places = {
            "postgresql:5432/dagster": f"{HOST}:{self.postgres.port}/postgres",
            "/opt/dagster/dagster_home": str(self.home),
            "tls://0.0.0.0": f"tls://{HOST}",
            "dask-scheduler": HOST,
            "code-location": HOST,
            "0.0.0.0": HOST,
        }
        folders = {f"/{name}": str(self.folder / name) for name in ("data", "working", "tls")}
        for ours, here in {**places, **self._ports}.items():
            text = text.replace(ours, here)
        for ours, here in folders.items():
            if text == ours or text.startswith(f"{ours}/"):
                text = here + text.removeprefix(ours)
        return text

    def environment(self, service: str) -> dict[str, str]:
        own = {
            name: self._here(value) for name, value in services()[service]["environment"].items()
        }
        return {
            **os.environ,
            **{name: value for name, value in own.items() if value},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DAGSTER_HOME": str(self.home),
            "MODEL2_CONFIG": str(self.folder / "config.yaml"),
            "PYTHONPATH": str(REPOSITORY),
        }

    def start(self, service: str) -> None:
        log = (self.folder / f"{service}.log").open("ab")
        self.processes[service] = subprocess.Popen(
            [self._here(word) for word in services()[service]["command"]],
            env=self.environment(service),
            cwd=self.folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        log.close()

    def stop(self, service: str) -> None:
        """End a service as ``docker compose stop`` does, with all processes of its container."""
        process = self.processes.pop(service)
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE_SECONDS)
        end_session(process.pid)
        process.wait(timeout=10)

    def restart(self, service: str) -> None:
        self.stop(service)
        self.start(service)
        self.until_healthy(service)

    def revive(self) -> list[str]:
        """Start what has ended by itself, as ``restart: unless-stopped`` does; return its names."""
        ended = [name for name, process in self.processes.items() if process.poll() is not None]
        for name in ended:
            assert services()[name]["restart"] == "unless-stopped"
            end_session(self.processes.pop(name).pid)
            self.start(name)
        return ended

    def is_healthy(self, service: str) -> bool:
        """Ask the service's own health check."""
        process = self.processes[service]
        assert process.poll() is None, f"{service} ended:\n{self.log(service)[-3000:]}"
        _, *command = services()[service]["healthcheck"]["test"]
        words = [self._here(word) for word in command]
        done = subprocess.run(
            words, env=self.environment(service), cwd=self.folder, check=False,
            capture_output=True, timeout=120,
        )  # fmt: skip
        return done.returncode == 0

    def log(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text("utf-8", errors="replace")

    def instance(self) -> dg.DagsterInstance:
        """Return the instance, as a process of this test sees it."""
        os.environ["DAGSTER_POSTGRES_URL"] = self.environment("daemon")["DAGSTER_POSTGRES_URL"]
        return dg.DagsterInstance.from_config(str(self.home))

    def launch(
        self, stage: Stage, partition: str | None = None, tags: dict[str, str] | None = None
    ) -> str:
        """Launch a stage as "Materialize selected" does, and return the run's id."""
        region = Region("us", parse_config(self.config), Store(str(self.data)))
        assets = [["us", name] for name in asset_names(region, stage)]
        return launch_run(self.url, "model2_assets", assets, partition, tags or {})

    def check(self) -> None:
        """Have ``model2 check`` look at all results."""
        words = [sys.executable, "-m", "model2_assets.cli.main", "check", "--gate"]
        done = subprocess.run(
            words, env=self.environment("daemon"), cwd=self.folder, check=False,
            capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def until_healthy(self, *names: str) -> None:
        for service in names:
            wait_until(
                lambda service=service: self.is_healthy(service),  # type: ignore[misc]
                seconds=180,
                what=f"{service} is healthy; see {self.folder}",
            )


@contextmanager
def composed(
    folder: Path,
    *names: str,
    config: dict[str, Any] | None = None,
    concurrency: dict[str, Any] | None = None,
) -> Iterator[Compose]:
    """Run services in the order of their names once PostgreSQL does, until the block is left."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        place = Path(stack.enter_context(_enterable_folder()))
        server = stack.enter_context(running_server(place / "server", password=PASSWORD))
        compose = Compose(folder, server, {**CONFIG, **(config or {})}, concurrency or {})
        stack.callback(lambda: [compose.stop(name) for name in list(compose.processes)])
        for name in names:
            compose.start(name)
            if name == "code-location":
                compose.until_healthy(name)
        compose.until_healthy(*names)
        yield compose


def last_try(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun:
    """Wait until a run, or the last of its retries, has ended, and return that."""

    def found() -> dg.DagsterRun | None:
        run = instance.get_run_by_id(run_id)
        while run is not None and "dagster/auto_retry_run_id" in run.tags:
            run = instance.get_run_by_id(run.tags["dagster/auto_retry_run_id"])
        # The daemon says of each failed run, a moment after its failure, whether it retries it.
        is_over = run is not None and (
            run.status == SUCCESS or run.tags.get("dagster/will_retry") == "false"
        )
        return run if is_over else None

    wait_until(lambda: found() is not None, seconds=PATIENCE, what=f"run {run_id} is over")
    run = found()
    assert run is not None
    return run


@contextmanager
def _enterable_folder() -> Iterator[str]:
    """Make a folder that the user of PostgreSQL may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield folder
