"""What the Dagster instance says of a killed retrain, and of the one after it."""

from dataclasses import dataclass

import dagster as dg

from model2_assets_tests.faults.scene import Scene

UNFINISHED = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
POOL = "training"
BETWEEN = "between steps"

_PHASES = {
    "STEP_START": "load",
    "LOADED_INPUT": "load",
    "STEP_INPUT": "compute",
    "STEP_OUTPUT": "write",
    "ASSET_MATERIALIZATION": "write",
    "HANDLED_OUTPUT": "after",
}
"""The phase that an event of a step begins."""


@dataclass(frozen=True)
class Spot:
    """Where a retrain was when it died, from its event log."""

    asset: str
    phase: str
    partition: str | None = None


def spot(scene: Scene) -> Spot:
    """Return where the unfinished run of a killed retrain stands."""
    with scene.instance() as instance:
        runs = instance.get_runs(filters=dg.RunsFilter(statuses=list(UNFINISHED)))
        if not runs:
            return Spot(BETWEEN, "before, between or after runs")
        run = runs[0]
        partition = run.tags.get("dagster/partition")
        step, phase = None, ""
        for entry in instance.all_logs(run.run_id):
            event = entry.dagster_event
            if event is None or event.step_key is None:
                continue
            kind = event.event_type_value
            if kind == "STEP_START":
                step, phase = event.step_key, "load"
            elif kind in ("STEP_SUCCESS", "STEP_FAILURE"):
                step = None
            elif kind in _PHASES:
                phase = _PHASES[kind]
        if step is None:
            return Spot(BETWEEN, "within a run", partition)
        return Spot(step.removeprefix("us__"), "compute" if phase == "load" else phase, partition)


def unfinished_runs(scene: Scene) -> int:
    """Return how many runs show as not ended."""
    with scene.instance() as instance:
        return len(instance.get_runs(filters=dg.RunsFilter(statuses=list(UNFINISHED))))


def slots_taken(scene: Scene) -> int:
    """Return how many places in the pool of training steps are taken or waited for."""
    with scene.instance() as instance:
        storage = instance.event_log_storage
        if POOL not in storage.get_concurrency_keys():
            return 0
        info = storage.get_concurrency_info(POOL)
        return int(info.active_slot_count + info.pending_step_count + info.assigned_step_count)
