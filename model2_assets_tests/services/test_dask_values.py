"""A scheduler and a worker with the environment and arguments of ``deploy/helm/dask.yaml``."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from distributed import Client
from distributed.security import Security

from model2_assets_tests.defs.daemon import end_session
from model2_assets_tests.test_deploy import DASK
from model2_assets_tests.ui.server import HOST, free_port

pytestmark = pytest.mark.services

DASK_COMMAND = (sys.executable, "-m", "dask")


def environment(values: dict, secret: dict[str, str]) -> dict[str, str]:
    """Return the variables of a pod, the secret's filled in as text."""
    return {
        entry["name"]: entry["value"]
        if "value" in entry
        else secret.get(entry["valueFrom"]["secretKeyRef"]["key"], "")
        for entry in values["env"]
    }


@contextmanager
def process(words: list[str], variables: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("w") as output:
        started = subprocess.Popen(
            words, env={**os.environ, **variables}, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        end_session(started.pid)
        started.wait(timeout=30)


def test_workers_join_by_certificates_alone(tmp_path: Path) -> None:
    temporary = Security.temporary()
    ca, pem = temporary.tls_ca_file, temporary.tls_worker_key + temporary.tls_worker_cert
    secret = {"ca.pem": ca, "tls.pem": pem}
    port = free_port()
    scheduler = [*DASK["scheduler"]["extraArgs"], "--host", HOST, f"--port={port}"]
    worker = [word.replace("/working", str(tmp_path)) for word in DASK["worker"]["extraArgs"]]
    of_worker = ["--nthreads", "1", "--memory-limit", "1GiB", "--no-dashboard", *worker]
    ours = Security(
        tls_ca_file=ca, tls_client_cert=temporary.tls_client_cert,
        tls_client_key=temporary.tls_client_key, require_encryption=True,
    )  # fmt: skip
    with ExitStack() as stack:
        for name, words, values in (
            ("scheduler", [*DASK_COMMAND, "scheduler", *scheduler], DASK["scheduler"]),
            # As the chart names it: without a scheme.
            ("worker", [*DASK_COMMAND, "worker", f"{HOST}:{port}", *of_worker], DASK["worker"]),
        ):
            log = tmp_path / f"{name}.log"
            stack.enter_context(process(words, environment(values, secret), log))
        with Client(f"tls://{HOST}:{port}", security=ours, timeout=60) as client:
            client.wait_for_workers(1, timeout=120)
            assert client.submit(sum, [1, 2, 3]).result(timeout=60) == 6
            (address,) = client.scheduler_info()["workers"]
        with (
            pytest.raises(OSError, match=r"reset|Timed out"),
            Client(f"tcp://{HOST}:{port}", timeout=5),
        ):
            pass

    assert address.startswith("tls://")
