"""What the UI asks its server, asked by a test."""

import json
from typing import Any
from urllib.request import Request, urlopen

LAUNCH_BACKFILL = """
mutation LaunchPartitionBackfill($backfillParams: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $backfillParams) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
    ... on PartitionKeysNotFoundError { message }
  }
}
"""
"""The mutation behind "Materialize all" of assets with partitions."""

REEXECUTE_BACKFILL = """
mutation ReexecuteBackfill($reexecutionParams: ReexecutionParams) {
  reexecutePartitionBackfill(reexecutionParams: $reexecutionParams) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
"""The mutation behind "Re-execute from failure" of a backfill."""


REEXECUTE_RUN = """
mutation LaunchRunReexecution($reexecutionParams: ReexecutionParams) {
  launchRunReexecution(reexecutionParams: $reexecutionParams) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
"""The mutation behind "Re-execute from failure" of a run."""


LAUNCH_RUN = """
mutation LaunchPipelineExecution($executionParams: ExecutionParams!) {
  launchPipelineExecution(executionParams: $executionParams) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on InvalidSubsetError { message }
    ... on PresetNotFoundError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
"""The mutation behind "Materialize selected"."""


def launch_run(
    url: str,
    location: str,
    assets: list[list[str]],
    partition: str | None,
    tags: dict[str, str] | None = None,
) -> str:
    """Launch one run of several assets as "Materialize selected" does, and return its id."""
    of_partition = {"dagster/partition": partition} if partition else {}
    pairs = {**of_partition, **(tags or {})}.items()
    params = {
        "selector": {
            "repositoryLocationName": location,
            "repositoryName": "__repository__",
            "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": path} for path in assets],
        },
        "mode": "default",
        "runConfigData": "{}",
        "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in pairs]},
    }
    answer = _ask(url, LAUNCH_RUN, {"executionParams": params})
    (result,) = answer["data"].values()
    assert result["__typename"] == "LaunchRunSuccess", result
    return str(result["run"]["runId"])


def launch_backfill(url: str, assets: list[list[str]], partitions: list[str]) -> str:
    """Launch a backfill as the dialog of "Materialize all" does, and return its id."""
    params = {
        "assetSelection": [{"path": path} for path in assets],
        "partitionNames": partitions,
        "fromFailure": False,
        "tags": [],
    }
    return _backfill_id(_ask(url, LAUNCH_BACKFILL, {"backfillParams": params}))


def reexecute_run(url: str, run_id: str) -> str:
    """Launch a failed run once more, as "Re-execute from failure" does, and return its id."""
    params = {"parentRunId": run_id, "strategy": "FROM_FAILURE"}
    answer = _ask(url, REEXECUTE_RUN, {"reexecutionParams": params})
    (result,) = answer["data"].values()
    assert result["__typename"] == "LaunchRunSuccess", result
    return str(result["run"]["runId"])


def reexecute_failed(url: str, backfill_id: str) -> str:
    """Launch what failed in a backfill once more, as one click does, and return its id."""
    params = {"parentRunId": backfill_id, "strategy": "FROM_FAILURE"}
    return _backfill_id(_ask(url, REEXECUTE_BACKFILL, {"reexecutionParams": params}))


def _backfill_id(answer: dict[str, Any]) -> str:
    (result,) = answer["data"].values()
    assert result["__typename"] == "LaunchBackfillSuccess", result
    return str(result["backfillId"])


def _ask(url: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = Request(f"{url}/graphql", body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=60) as response:
        answer: dict[str, Any] = json.load(response)
    assert "errors" not in answer, answer
    return answer
