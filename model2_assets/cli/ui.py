"""Dagster's server and daemon, started as one group of processes that ends as one."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import dagster as dg

from model2_assets.defs.maintenance import WORKER_TAG, cancel_runs, process_of
from model2_assets.defs.stop import GRACE_SECONDS, Stopped, before_end


def serve(instance: dg.DagsterInstance, options: Sequence[str]) -> int:
    """Run ``dagster dev`` until it ends, and return its status; at `Stopped`, end it and its runs.

    Left to itself it would leave these behind, and the server that runs their code.
    """
    command = [sys.executable, "-m", "dagster", "dev", *options]
    process = subprocess.Popen(command, start_new_session=True)
    kill = partial(_signal, process.pid, signal.SIGKILL)
    before_end(kill)
    try:
        return process.wait()
    except Stopped as reason:
        runs = [run for run in instance.get_runs(filters=_STARTED) if _is_of(process.pid, run)]
        for run in runs:
            instance.report_run_canceling(run, message=str(reason))
        _signal(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS - 1)
        kill()
        for run in runs:
            cancel_runs(instance, run.run_id)
        raise
    finally:
        kill()


_STARTED = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])


def _is_of(group: int, run: dg.DagsterRun) -> bool:
    """Tell whether a process of a group executes a run; an instance may have runs of others."""
    pid = process_of(run.tags.get(WORKER_TAG, ""))
    try:
        return pid is not None and os.getpgid(pid) == group
    except ProcessLookupError:
        return False


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
