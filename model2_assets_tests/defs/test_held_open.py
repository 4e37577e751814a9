"""The event log in SQLite, held open: its write-ahead log stays until the end."""

import uuid
from pathlib import Path

import dagster as dg

from model2_assets.defs.maintenance import INDEX, held_open


@dg.asset
def one() -> int:
    return 1


def logs_of(home: Path) -> set[str]:
    return {path.name.removesuffix(".db-wal") for path in home.rglob("*.db-wal")}


def test_databases_are_held_open_and_every_event_is_there(tmp_path: Path) -> None:
    run_id = str(uuid.uuid4())
    overrides = {"telemetry": {"enabled": False}}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=overrides) as instance:
        with held_open(instance, INDEX, run_id):
            job = dg.Definitions(assets=[one]).resolve_implicit_global_asset_job_def()
            job.execute_in_process(instance=instance, run_id=run_id)
            assert {INDEX, run_id} <= logs_of(tmp_path)
        assert logs_of(tmp_path) == set()

        events = [event.dagster_event_type for event in instance.all_logs(run_id)]
        assert dg.DagsterEventType.RUN_SUCCESS in events
        assert dg.DagsterEventType.ASSET_MATERIALIZATION in events
        assert instance.get_latest_materialization_event(one.key) is not None


def test_without_it_dagster_closes_the_last_connection_at_every_event(tmp_path: Path) -> None:
    overrides = {"telemetry": {"enabled": False}}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=overrides) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(one.key))
        assert logs_of(tmp_path) == set()


def test_an_event_log_elsewhere_needs_none() -> None:
    with dg.DagsterInstance.ephemeral() as instance, held_open(instance, INDEX):
        assert dg.materialize([one], instance=instance).success
