import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

import dagster as dg
import psutil

from model2_assets.cli.context import kept_connections


def test_databases_stay_open_few_at_once_and_others_see_what_is_committed(tmp_path):
    with kept_connections(), dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        run_ids = [str(uuid.uuid4()) for _ in range(20)]
        for run_id in run_ids:
            instance.add_run(dg.DagsterRun(job_name="training", run_id=run_id))
            run = instance.get_run_by_id(run_id)
            instance.report_engine_event("begun", run)
        opened = [Path(file.path) for file in psutil.Process().open_files()]
        names = {path.name for path in opened if tmp_path in path.parents}
        assert {"runs.db", f"{run_ids[-1]}.db"} <= names
        assert len({name for name in names if name.endswith(".db")}) == 16
        with closing(sqlite3.connect(tmp_path / "history" / "runs.db")) as other:
            assert other.execute("SELECT count(*) FROM runs").fetchone() == (20,)
        assert all(len(instance.all_logs(run_id)) == 1 for run_id in run_ids)
    assert not list(tmp_path.rglob("*-wal"))
