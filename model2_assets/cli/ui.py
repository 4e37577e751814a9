"""Dagster's server and daemon, started as one group of processes that ends as one."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import dagster as dg

from model2_assets.defs.maintenance import IN_PROGRESS, WORKER_TAG, cancel_runs, process_of
from model2_assets.defs.stop import GRACE_SECONDS, Stopped, before_end


def serve(instance: dg.DagsterInstance, options: Sequence[str]) -> int:
    """Run ``dagster dev`` until it ends, and return its status; at `Stopped`, end it and its runs.

    Left to itself it would leave these behind, and the server that runs their code.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "dagster", "dev", *options], start_new_session=True
    )
    before_end(partial(_end, instance, process.pid), 2 * GRACE_SECONDS)
    try:
        return process.wait()
    except Stopped as reason:
        for run, pid in _runs_of(instance, process.pid):
            instance.report_run_canceling(run, message=str(reason))
            os.kill(pid, signal.SIGINT)
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
        raise
    finally:
        _end(instance, process.pid)


def _end(instance: dg.DagsterInstance, group: int) -> None:
    left = _runs_of(instance, group)
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    for run, _ in left:
        cancel_runs(instance, run.run_id)


def _runs_of(instance: dg.DagsterInstance, group: int) -> list[tuple[dg.DagsterRun, int]]:
    """Return the runs that processes of a group execute, and which; others may have runs too."""
    found = []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=list(IN_PROGRESS))):
        pid = process_of(run.tags.get(WORKER_TAG, ""))
        with suppress(ProcessLookupError):
            if pid is not None and os.getpgid(pid) == group:
                found.append((run, pid))
    return found
