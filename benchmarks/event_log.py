"""Print the seconds of every step of a Dagster instance as JSON, summed by asset and model."""

import json

import dagster as dg


def main() -> None:
    """Print one JSON object, such as ``{"features": 1.2, "fitted_models xgboost": 80.0}``."""
    seconds: dict[str, float] = {}
    with dg.DagsterInstance.get() as instance:
        for run in reversed(instance.get_runs()):
            partition = run.tags.get("dagster/partition", "")
            model = partition.rpartition("|")[2]
            for step in instance.get_run_step_stats(run.run_id):
                if step.start_time is None or step.end_time is None:
                    continue
                name = f"{step.step_key.rpartition('__')[2]} {model}".strip()
                seconds[name] = seconds.get(name, 0.0) + step.end_time - step.start_time
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
