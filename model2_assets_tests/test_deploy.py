"""What is in ``deploy/`` can be read, names what there is, and is documented."""

import json
import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from model2_assets.config import load_config
from model2_assets.defs.kubernetes import K8S_CONFIG_TAG, largest_memory_tags
from model2_assets.defs.region import Region
from model2_assets.storage import Store

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
KUBERNETES = "1.34"


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text("utf-8"))
    return found


DAGSTER, DASK = read("helm/dagster.yaml"), read("helm/dask.yaml")
(CODE,) = DAGSTER["dagster-user-deployments"]["deployments"]
RUNS = DAGSTER["runLauncher"]["config"]["k8sRunLauncher"]
SERVICES = read("compose.yaml")["services"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")


def pod(values: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the pod that a chart makes of values: what they say of Kubernetes, as it stands."""
    values = {**values, **changes}
    image = values["image"]
    sources = [{"secretRef": source} for source in values.get("envSecrets", ())]
    mounts = values.get("mounts", values)
    container = {
        "name": "main",
        "image": f"{image['repository']}:{image['tag']}",
        "imagePullPolicy": image["pullPolicy"],
        "env": values.get("env", []),
        "envFrom": sources,
        "resources": values["resources"],
        "volumeMounts": mounts.get("volumeMounts", []),
    }
    if "podSecurityContext" in values:
        container["securityContext"] = values["securityContext"]
    for probe in ("startupProbe", "livenessProbe"):
        if probe in values:
            timing = {name: value for name, value in values[probe].items() if name != "enabled"}
            container[probe] = {"exec": {"command": ["true"]}, **timing}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "model2"},
        "spec": {
            "containers": [container],
            "volumes": mounts.get("volumes", []),
            "securityContext": values.get("podSecurityContext", values["securityContext"]),
        },
    }


RUN_POD = pod(
    {**RUNS, "image": CODE["image"]},
    podSecurityContext=RUNS["runK8sConfig"]["podSpecConfig"]["securityContext"],
)
PODS = {
    "code location": pod(CODE),
    "run": RUN_POD,
    "webserver": pod(DAGSTER["dagsterWebserver"]),
    "daemon": pod(DAGSTER["dagsterDaemon"]),
    "Dask scheduler": pod(DASK["scheduler"]),
    "Dask worker": pod(DASK["worker"]),
}


@pytest.mark.parametrize("name", PODS)
def test_what_values_say_of_pods_is_what_kubernetes_takes(name: str) -> None:
    kubernetes_validate.validate(PODS[name], KUBERNETES, strict=True)

    spec = PODS[name]["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in spec["volumes"]
    }
    if "Dask" not in name:  # whose chart has no place for it
        assert container["securityContext"]["readOnlyRootFilesystem"]


def test_a_value_that_kubernetes_does_not_know_is_refused() -> None:
    broken = json.loads(json.dumps(RUN_POD).replace("emptyDir", "emptyFolder"))

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, KUBERNETES, strict=True)


def test_runs_by_hand_get_what_the_configuration_lets_training_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    config = load_config(DEPLOY / "model2.yaml")
    tags = largest_memory_tags(Region("us", config, Store(str(tmp_path))))
    of_jobs = json.loads(tags[K8S_CONFIG_TAG])["container_config"]["resources"]

    assert RUNS["resources"]["limits"] == of_jobs["limits"]
    asked = {**of_jobs["requests"], "cpu": str(config.execution.n_jobs)}
    assert RUNS["resources"]["requests"] == asked


def test_lost_runs_are_repeated_and_failed_ones_are_not() -> None:
    wanted = {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False}

    assert read("dagster.yaml")["run_retries"] == wanted
    assert DAGSTER["additionalInstanceConfig"]["run_retries"] == wanted
    assert read("dagster.yaml")["run_monitoring"]["enabled"]
    assert DAGSTER["dagsterDaemon"]["runMonitoring"]["enabled"]


@pytest.mark.parametrize("service", sorted(set(SERVICES) - {"postgresql"}))
def test_services_run_programs_that_are_installed(service: str) -> None:
    health = SERVICES[service].get("healthcheck", {}).get("test", ["CMD", "python"])
    for program in (SERVICES[service]["command"][0], health[1]):
        assert shutil.which(program, path=str(Path(sys.executable).parent)), program
    assert SERVICES[service]["read_only"]
    assert SERVICES[service]["user"] == "10001"


def test_environment_variables_are_documented() -> None:
    text = "\n".join(path.read_text("utf-8") for path in sorted(DEPLOY.rglob("*.yaml")))
    named = set(re.findall(r"\$\{(\w+)", text)) | set(re.findall(r"\{env: (\w+)\}", text))
    named |= set(re.findall(r"name: ([A-Z][A-Z0-9_]+), value", text))
    page = (ROOT / "docs" / "shared_instance.md").read_text("utf-8")

    assert {name for name in named if f"`{name}`" not in page} == set()


def test_the_image_is_made_of_files_and_extras_that_are_there() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    extras = re.findall(r'"\.\[(.+)\]"', DOCKERFILE)
    known = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert [name for line in copied for name in line.split() if not (ROOT / name).exists()] == []
    assert set(extras[0].split(",")) <= set(known["optional-dependencies"])
    assert "USER 10001" in DOCKERFILE
    assert "HEALTHCHECK" in DOCKERFILE
    assert json.loads(DOCKERFILE.rpartition("CMD ")[2])[:3] == ["dagster", "api", "grpc"]
