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
    kill = partial(_kill, process.pid)
    before_end(kill)
    try:
        return process.wait()
    except Stopped as reason:
        runs = dg.RunsFilter(run_ids=_runs_of(instance, process.pid))
        for run in instance.get_runs(filters=runs) if runs.run_ids else ():
            instance.report_run_canceling(run, message=str(reason))
        os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS - 1)
        kill()
        if runs.run_ids:
            cancel_runs(instance, runs, reason)
        raise
    finally:
        kill()


def _runs_of(instance: dg.DagsterInstance, group: int) -> list[str]:
    """Return the runs that processes of a group execute; an instance may have runs of others."""
    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    found = []
    for run in instance.get_runs(filters=started):
        pid = process_of(run.tags.get(WORKER_TAG, ""))
        with suppress(ProcessLookupError):
            if pid is not None and os.getpgid(pid) == group:
                found.append(run.run_id)
    return found


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
