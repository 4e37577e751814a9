"""Print what the steps of a Dagster instance cost, as one JSON object.

``phases`` has the wall seconds of every step, summed by asset and model, such as ``features`` or
``fitted_models xgboost``; ``work_s`` the sum of what the steps themselves say that they spent on
loading, on their body and on writing, and of the steps that only check; ``peak_mb`` the peak
resident memory that each says of itself, 10^6 bytes.
"""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

WORK = ("load_seconds", "seconds", "write_seconds")
PEAKS = ("peak_rss_mb", "io_peak_rss_mb")


@dataclass
class Costs:
    """Costs of all steps of an instance."""

    phases: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    parts: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    peaks: dict[str, float] = field(default_factory=dict)

    def add(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
        """Add the steps of a run."""
        model = run.tags.get("dagster/partition", "").rpartition("|")[2]
        told = _told_by_steps(instance, run.run_id)
        for step in instance.get_run_step_stats(run.run_id):
            if step.start_time is None or step.end_time is None:
                continue
            name = f"{step.step_key.rpartition('__')[2]} {model}".strip()
            seconds = step.end_time - step.start_time
            self.phases[name] += seconds
            costs = told.get(step.step_key)
            if costs is None:
                self.parts["check_seconds"] += seconds
                continue
            for part in WORK:
                self.parts[part] += costs.get(part, 0.0)
            peak = max(costs.get(kind, 0.0) for kind in PEAKS)
            self.peaks[name] = max(self.peaks.get(name, 0.0), peak)


def _told_by_steps(instance: dg.DagsterInstance, run_id: str) -> dict[str, dict[str, float]]:
    """Return the numbers in the metadata of each step's materialization."""
    told = {}
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
        event = entry.dagster_event
        if event is None or event.step_key is None:
            continue
        metadata = event.step_materialization_data.materialization.metadata
        told[event.step_key] = {
            name: float(metadata[name].value)  # type: ignore[arg-type]
            for name in (*WORK, *PEAKS)
            if name in metadata
        }
    return told


def main() -> None:
    """Print the costs of the instance in ``DAGSTER_HOME``."""
    costs = Costs()
    with dg.DagsterInstance.get() as instance:
        for run in reversed(instance.get_runs()):
            costs.add(instance, run)
    answer: dict[str, Any] = {
        "phases": costs.phases,
        "facts": {
            "work_s": sum(costs.parts.values()),
            "work_parts_s": costs.parts,
            "steps_s": sum(costs.phases.values()),
            "peak_mb": costs.peaks,
        },
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
