"""One command that is stopped, and what it leaves."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import dagster as dg

from model2_assets.errors import Model2Error
from model2_assets.storage import Address
from model2_assets.storage.data_version import facts_of
from model2_assets_tests.faults.results import (
    addresses,
    read_result,
    stray_files,
    temporary_files,
    versions_faults,
)
from model2_assets_tests.faults.runs import slots_taken, unfinished_runs
from model2_assets_tests.faults.scene import REGION, Scene
from model2_assets_tests.signals.stages import Stage

GRACE_SECONDS = 30
"""After which Kubernetes kills."""


WAITING = ("waiting for process", "Replace the current", "Serving dagster-webserver")
"""What a command says that waits."""


@dataclass(frozen=True)
class Way:
    """How a command is started and stopped."""

    name: str
    signals: tuple[signal.Signals, ...]
    ignores: bool = False
    """Whether it starts as a script starts what is to run in the background."""
    first_process: bool = False
    """Whether it is process 1 of a namespace, as in a container."""


@dataclass
class Outcome:
    """What became of it; `faults` is everything that must not be."""

    stage: str
    way: str
    seconds: float
    status: int
    run: str = ""
    last_step: str = ""
    faults: list[str] = field(default_factory=list)


def stop(scene: Scene, stage: Stage, way: Way) -> Outcome:
    """Start a command on a scene, stop it at a stage, and look at what it leaves."""
    with scene.instance() as instance:
        known = {run.run_id for run in instance.get_runs()}
    with held(scene, stage), started(scene, stage, way) as process:
        target = process.pid if not way.first_process else only_child(process.pid)
        begun = time.monotonic()
        for number, each in enumerate(way.signals):
            time.sleep(0.3 if number else 0)
            os.kill(target, each)
        try:
            status = process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
        seconds = time.monotonic() - begun
        time.sleep(1)  # in which what belongs to it goes too
        left = processes_of(process.pid)
    outcome = Outcome(stage.name, way.name, seconds, status)
    _look(scene, stage, way, outcome, known)
    outcome.faults += [f"process left: {each}" for each in left]
    return outcome


@contextmanager
def started(scene: Scene, stage: Stage, way: Way) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a command, and yield it once it has come to its stage."""
    told = scene.folder / "told"
    command = [sys.executable, "-m", "model2_assets_tests.signals.child", stage.place, stage.way]
    if way.ignores:  # and so does what it becomes
        command = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *command]
    if way.first_process:
        command = ["unshare", "--pid", "--fork", "--mount-proc", *command]
    with scene.log.open("w") as log:
        process = subprocess.Popen(
            [*command, str(told), *stage.arguments],
            env={**os.environ, **scene.environment("new")},
            cwd=scene.folder,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    is_there = told.exists
    if not stage.place:
        is_there = partial(_said, scene, WAITING)
    try:
        wait_for(is_there, process, scene)
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        for pid in processes_of(process.pid):
            os.kill(int(pid.split()[0]), signal.SIGKILL)
        process.wait()


def wait_for(
    is_there: Callable[[], bool], process: "subprocess.Popen[bytes]", scene: Scene
) -> None:
    """Wait until a command has come to its stage, and a moment longer."""
    deadline = time.monotonic() + 180
    while not is_there():
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"never came there:\n{scene.log.read_text()[-2000:]}")
        time.sleep(0.05)
    time.sleep(0.3)


@contextmanager
def held(scene: Scene, stage: Stage) -> Iterator[None]:
    """Hold the region, where a command is to wait for it."""
    if not stage.name.endswith("waiting for a lock"):
        yield
        return
    with scene.store.hold(REGION):
        yield


def _said(scene: Scene, texts: Sequence[str]) -> bool:
    log = scene.log.read_text()
    return any(text in log for text in texts)


def _look(scene: Scene, stage: Stage, way: Way, outcome: Outcome, known: set[str]) -> None:
    """Compare what a command left with what it must leave."""
    faults = outcome.faults
    if outcome.status != 128 + way.signals[0]:
        faults.append(f"status {outcome.status}")
    said = scene.log.read_text()
    if "Traceback" in said:
        faults.append("a stack trace")
    with scene.instance() as instance:
        runs = [run for run in instance.get_runs() if run.run_id not in known]
        if runs:
            outcome.run = runs[0].status.value
            steps = instance.get_run_step_stats(runs[0].run_id)
            last = max(steps, key=lambda step: step.start_time or 0, default=None)
            if last is not None and last.status is not None:
                outcome.last_step = f"{last.step_key} {last.status.value}"
    if outcome.run != stage.status:
        faults.append(f"the run is {outcome.run or 'none'}")
    others = [run for run in runs[1:] if run.status != dg.DagsterRunStatus.SUCCESS]
    faults += [f"run {run.job_name} is {run.status.value}" for run in others]
    faults += [f"{unfinished_runs(scene)} runs show as started"] * bool(unfinished_runs(scene))
    faults += [f"{slots_taken(scene)} slots taken"] * bool(slots_taken(scene))
    # Forced, it cannot clear up; the next run does, as after a kill.
    is_forced = stage.forced or len(way.signals) > 1
    faults += [] if is_forced else [f"left: {each}" for each in temporary_files(scene)]
    faults += half_results(scene)
    if "rollback" in stage.arguments:
        predictions = Address(REGION, "oof_predictions", "21d", "xgboost")
        made_from = facts_of(scene.store.read(predictions))["inputs"]["fitted_models"]
        models = scene.store.open_models(replace(predictions, asset="fitted_models"))
        faults += ["half rolled back"] * (made_from != models.manifest.data_version)


def half_results(scene: Scene) -> list[str]:
    """Say what is not a whole result, or not what belongs together."""
    found, store = [], scene.store
    known = {}
    for address in addresses():
        if store.exists(address):
            try:
                known[address] = read_result(store, address)
            except Model2Error as error:
                found.append(str(error))
    return [*found, *stray_files(scene, known), *versions_faults(store, known)]


def only_child(pid: int) -> int:
    """Return the process that another one has started."""
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=True)
    return int(listed.stdout.split()[0])


def processes_of(session: int) -> list[str]:
    """Return the processes of a session that are alive, with their commands."""
    listed = subprocess.run(
        ["ps", "-s", str(session), "-o", "pid=,stat=,args="],
        capture_output=True,
        text=True,
        check=False,
    )
    return [line.strip()[:90] for line in listed.stdout.splitlines() if line.split()[1][0] != "Z"]
