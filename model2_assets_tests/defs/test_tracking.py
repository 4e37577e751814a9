"""Partitions in MLflow: a real server on loopback, and what takes its place when it is down."""

import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from model2_assets.config import parse_config
from model2_assets.defs.assets import asset_names
from model2_assets.defs.build import build_definitions
from model2_assets.defs.checks import stored_assets
from model2_assets.defs.retrain import PlannedRun, RunResult, execute_plan
from model2_assets.defs.tracking import RunContent, log_run
from model2_assets.errors import ConfigError
from model2_assets.evaluation import METRICS
from model2_assets.storage import Store
from model2_assets_tests.defs.small_region import (
    SMALL_REGION,
    Workbench,
    built_region,
    small_config,
    workbench,
)

pytest.importorskip("mlflow", reason="the extra mlflow is not installed")

VARIABLE, PASSWORD = "MLFLOW_TRACKING_URI", "c4narY-S3cret"
TRACKED = {"mlflow": {}}
MLFLOW_RUN = dg.AssetKey(["us", "mlflow_run"])


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def mlflow_server(folder: Path, python: str = sys.executable) -> Iterator[str]:
    """Serve MLflow, whose database and artifacts are in a folder, and give its address."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    settings = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    command = [python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process, folder / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=60)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"no answer from {url}: {log.read_text()}")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """Train a region of one partition while MLflow is not configured."""
    region = {**SMALL_REGION, "labels": {"horizons": [21]}}
    config = small_config(
        regions={"us": region}, models={"xgboost": None}, reports={"pictures": False}
    )
    bench = workbench(tmp_path_factory.mktemp("tracked"), config)
    with bench.instance:
        assert all(run.success for run in bench.retrain())
        values = {"regions": {"us": region}, "models": {"xgboost": None}}
        tracked = parse_config({**values, "reports": {"pictures": False}, "tracking": TRACKED})
        yield bench.with_config(tracked)


def retrain(bench: Workbench) -> RunResult:
    """Retrain what is not current of the partition, as the command does."""
    region = built_region("us", bench.config, bench.store)
    plan = [PlannedRun("us", "us_training", "21d|ridge")]
    (run,) = execute_plan(bench.definitions, bench.instance, plan, regions=[region])
    return run


def logged_lines(bench: Workbench, run_id: str) -> list[str]:
    entries = bench.instance.all_logs(run_id)
    return [entry.user_message for entry in entries if entry.dagster_event is None]


def made(bench: Workbench) -> int:
    wanted = dg.AssetRecordsFilter(MLFLOW_RUN)
    return len(bench.instance.fetch_materializations(wanted, limit=100).records)


@pytest.mark.end_to_end
def test_what_is_published_is_logged_and_an_outage_is_made_up_for(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    monkeypatch.setenv(VARIABLE, f"http://desk:{PASSWORD}@127.0.0.1:{free_port()}")
    during = retrain(bench)
    assert during.success
    (refused,) = logged_lines(bench, during.run_id)
    assert refused.startswith("us 21d|ridge is not in MLflow; the next retrain tries again: ")
    assert made(bench) == 0

    with mlflow_server(tmp_path) as address:
        monkeypatch.setenv(VARIABLE, address.replace("//", f"//desk:{PASSWORD}@"))
        after = retrain(bench)
        assert [step.step for step in after.steps] == ["us/mlflow_run"]
        assert retrain(bench).status == "current"

        client = MlflowClient(address)
        experiment = client.get_experiment_by_name("model2/us")
        (run,) = client.search_runs([experiment.experiment_id])
        assert (run.info.run_name, run.info.status) == ("21d|ridge", "FINISHED")

        folds = bench.read("fitted_models", "21d", "ridge").manifest
        assert run.data.params["params.alpha"] == str(folds.params["alpha"])
        assert run.data.params["seed"] == "7"
        assert run.data.params["trainer"] == "model2_assets.training:RidgeTrainer"
        assert {"sample_weights", "calibration"} <= set(run.data.params)

        scores = bench.read("cv_scores", "21d", "ridge").dropna(subset=["value"])
        expected = {
            (METRICS[row.metric].key if row.scope == "all" else f"{row.scope}/{key}", step): value
            for row in scores[scores["scope"] != "split"].itertuples()
            for key, value in [(METRICS[row.metric].key, row.value)]
            for step in [{"fold": row.fold_id, "path": row.path_id, "all": 0}[row.scope]]
        }
        found = {
            (metric.key, metric.step): metric.value
            for name in run.data.metrics
            for metric in client.get_metric_history(run.info.run_id, name)
        }
        assert found == expected
        assert len({step for name, step in found if name == "fold/rank_ic"}) == 5

        tags = run.data.tags
        assert tags["mlflow.note.content"].startswith("**Never a backtest.** Combinatorial ")
        assert tags["dagster/run_id"] == after.run_id
        for asset in ("labels", "features", "cv_splits"):
            assert tags[f"data_version.{asset}"] == folds.data_versions[asset]
        assert tags["data_version.fitted_models"] == folds.data_version

        final = bench.read("final_models", "21d", "ridge").manifest.folds[0]
        path = client.download_artifacts(run.info.run_id, f"final_model/{final.file}")
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        assert digest == final.sha256 == tags["final_model.sha256"]
        page = client.download_artifacts(run.info.run_id, "tear_sheet.html")
        assert Path(page).read_text() == bench.read("tear_sheet", "21d", "ridge")

        (event,) = bench.instance.fetch_materializations(MLFLOW_RUN, limit=1).records
        link = event.asset_materialization.metadata["mlflow"].value
        assert link == f"{address}/#/experiments/{experiment.experiment_id}/runs/{run.info.run_id}"

        # A second run of Dagster is a second run of MLflow.
        job = bench.definitions.resolve_job_def("us_training")
        again = job.execute_in_process(
            instance=bench.instance, partition_key="21d|ridge", asset_selection=[MLFLOW_RUN]
        )
        runs = client.search_runs([experiment.experiment_id])
        found = {each.data.tags["dagster/run_id"] for each in runs}
        assert found == {after.run_id, again.run_id}

    written = [path for path in Path(bench.store.base.path).parent.rglob("*") if path.is_file()]
    assert [path for path in written if PASSWORD.encode() in path.read_bytes()] == []


class Answers(BaseHTTPRequestHandler):
    """Says to each request that the server has an error, or, if it hangs, nothing for a minute."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.server.hangs:
            self.server.ended.wait(60)
            return
        self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: Any) -> None: ...


@contextmanager
def broken_server(*, hangs: bool) -> Iterator[tuple[str, list[str]]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.hangs, server.asked, server.ended = hangs, [], threading.Event()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.asked
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("hangs", [False, True], ids=["error 500", "hangs"])
def test_a_server_that_does_not_work_is_given_up_soon(
    hangs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    content = RunContent("21d|ridge", {}, {}, {}, {})
    expected = pytest.raises(Exception, match="experiments/get-by-name")
    with broken_server(hangs=hangs) as (address, asked), expected:
        log_run(address, "model2/us", content)
    assert len(asked) == 2  # once more, and no third time


def test_without_the_variable_nothing_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(
        ConfigError, match=r"^tracking\.mlflow\.uri_variable: .* is not set; set it"
    ):
        build_definitions(small_config(tracking=TRACKED), Store("memory://tracking"))


def test_a_partition_is_outdated_by_what_is_stored_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "http://127.0.0.1:9")
    store = Store("memory://tracking")
    without = built_region("us", small_config(), store)
    tracked = built_region("us", small_config(tracking=TRACKED), store)
    assert set(tracked.specs) - set(without.specs) == {MLFLOW_RUN}
    assert asset_names(tracked, "training") == (*asset_names(without, "training"), "mlflow_run")
    assert stored_assets(tracked, partitioned=True) == stored_assets(without, partitioned=True)


def test_mlflow_is_imported_where_a_run_is_logged_alone(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("tracking: {mlflow: {}}\n", encoding="utf-8")
    code = "import sys, model2_assets.definitions; print('mlflow' in sys.modules)"
    environment = {**os.environ, "MODEL2_CONFIG": str(config), VARIABLE: "http://127.0.0.1:9"}
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
