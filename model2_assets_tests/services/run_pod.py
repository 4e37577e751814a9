"""Print the Kubernetes Job that Dagster's launcher makes of a run; for a Python that has it.

Takes the launcher's values and the run's tags, as JSON, on standard input.
"""

import json
import sys

import kubernetes
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import (
    DagsterK8sJobConfig,
    UserDefinedDagsterK8sConfig,
    construct_dagster_k8s_job,
    get_user_defined_k8s_config,
)

asked = json.load(sys.stdin)
values, more = asked["values"], asked["values"]["runK8sConfig"]
context = K8sContainerContext(
    image_pull_policy=values["imagePullPolicy"],
    env_secrets=[secret["name"] for secret in values["envSecrets"]],
    env_vars=values["envVars"],
    volumes=values["volumes"],
    volume_mounts=values["volumeMounts"],
    security_context=values["securityContext"],
    resources=values["resources"],
    run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(
        {"pod_spec_config": more["podSpecConfig"], "job_spec_config": more["jobSpecConfig"]}
    ),
).merge(K8sContainerContext(run_k8s_config=get_user_defined_k8s_config(asked["tags"])))
job = construct_dagster_k8s_job(
    DagsterK8sJobConfig(
        job_image=asked["image"],
        dagster_home="/opt/dagster/dagster_home",
        instance_config_map="dagster-instance",
        postgres_password_secret="dagster-postgresql-secret",
    ),
    ["dagster", "api", "execute_run", "{}"],
    "dagster-run-0",
    user_defined_k8s_config=context.run_k8s_config,
)
print(json.dumps(kubernetes.client.ApiClient().sanitize_for_serialization(job)))
