"""The commands of ``deploy/Dockerfile``, run in a clean folder, and what they install."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from model2_assets.defs.kubernetes import K8S_CONFIG_TAG
from model2_assets_tests.test_deploy import CODE, DOCKERFILE, KUBERNETES, ROOT, RUNS

pytestmark = [pytest.mark.services, pytest.mark.timeout(3600)]

MEMORY = {"requests": {"memory": "9000M"}, "limits": {"memory": "9000M"}}
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/tmp", "LANG": "C.UTF-8"}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Do what the first stage does, and return the folder of programs that it copies."""
    root = tmp_path_factory.mktemp("image")
    source, made = root / "src", root / "opt" / "model2"
    for folder in (source, made.parent):
        folder.mkdir(parents=True)
    stage = DOCKERFILE.split("FROM ")[1]
    for word, rest in re.findall(r"^(RUN|COPY) (.+)$", stage, re.MULTILINE):
        if word == "COPY":
            copy(rest.split())(source)
            continue
        command = rest.replace("/opt/model2", str(made))
        command = command.replace("python -m venv", f"{sys.executable} -m venv")
        done = subprocess.run(
            ["sh", "-c", command], cwd=source, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return made / "bin"


def copy(words: list[str]) -> Any:
    """Return what a COPY does to the folder of sources."""
    *names, target = words

    def to(source: Path) -> None:
        for name in names:
            path = ROOT / name
            if path.is_dir():
                shutil.copytree(path, source / target, dirs_exist_ok=True)
            else:
                shutil.copy(path, source / target)

    return to


def run(command: list[str], **options: Any) -> str:
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=600,
        **options,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_image_has_what_services_and_charts_start(image: Path, tmp_path: Path) -> None:
    for words in (
        ["dagster", "api", "grpc", "--help"],
        ["dagster-webserver", "--version"],
        ["dagster-daemon", "--version"],
        ["dask-scheduler", "--help"],
        ["dask-worker", "--help"],
    ):
        run(["env", f"PATH={image}:{ENVIRONMENT['PATH']}", *words], cwd=tmp_path)
    load = "import model2_assets.definitions, s3fs, dagster_postgres, dagster_k8s, distributed"
    run([str(image / "python"), "-c", load], cwd=tmp_path)


def test_the_image_has_the_pinned_versions(image: Path) -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    installed = json.loads(run([str(image / "python"), "-m", "pip", "list", "--format", "json"]))
    of_the_environment = {"pip", "setuptools", "model2-assets"}
    found = [
        f"{entry['name'].lower().replace('_', '-')}=={entry['version']}"
        for entry in installed
        if entry["name"] not in of_the_environment
    ]

    assert len(found) > 100
    pinned = {line.split(" ;")[0].strip() for line in lines}
    assert {each for each in found if each not in pinned} == set()


@pytest.mark.parametrize(
    "tags", [{}, {K8S_CONFIG_TAG: {"container_config": {"resources": MEMORY}}}]
)
def test_the_launcher_makes_of_values_and_tag_a_job_that_kubernetes_takes(
    image: Path, tags: dict[str, Any]
) -> None:
    asked = {
        "values": RUNS,
        "image": CODE["image"]["repository"],
        "tags": {name: json.dumps(value) for name, value in tags.items()},
    }
    script = str(Path(__file__).with_name("run_pod.py"))
    job = json.loads(run([str(image / "python"), script], input=json.dumps(asked)))

    kubernetes_validate.validate(job, KUBERNETES, strict=True)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    memory = "9000M" if tags else RUNS["resources"]["limits"]["memory"]
    assert container["resources"]["limits"]["memory"] == memory
    assert container["resources"]["requests"] == {"cpu": "4", "memory": memory}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert job["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"]
    assert {"name": "working", "mountPath": "/working"} in container["volumeMounts"]
