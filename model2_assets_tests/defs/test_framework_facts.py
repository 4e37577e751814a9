"""What the project relies on in Dagster: an upgrade that changes it trips here."""

import warnings
from collections.abc import Callable

import dagster as dg
import pytest

from model2_assets.defs.checks import with_hooks
from model2_assets.defs.recorded import (
    CODE_VERSION,
    DATA_VERSION,
    INPUT_DATA_VERSION,
    INPUT_POINTER,
)
from model2_assets.defs.region import ACCEPTED_PREVIEWS, HORIZON, MODEL, accepted_previews


def model_partitions(horizons: list[str], models: list[str]) -> dg.MultiPartitionsDefinition:
    return dg.MultiPartitionsDefinition(
        {
            HORIZON: dg.StaticPartitionsDefinition(horizons),
            MODEL: dg.StaticPartitionsDefinition(models),
        }
    )


def test_multi_partition_keys_order_dimensions_by_name() -> None:
    partitions = model_partitions(["21d"], ["ridge"])

    assert partitions.get_partition_keys() == ["21d|ridge"]
    assert str(dg.MultiPartitionKey({"model": "ridge", "horizon": "21d"})) == "21d|ridge"


def partitioned_check_spec() -> None:
    partitions = model_partitions(["21d"], ["ridge"])
    dg.AssetCheckSpec("check", asset="asset", partitions_def=partitions)


def check_with_a_hook() -> None:
    @dg.asset_check(asset="asset")
    def check() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    @dg.failure_hook
    def hook(_context: dg.HookContext) -> None: ...

    assert with_hooks(check, {hook}).hook_defs == {hook}


@pytest.mark.parametrize(
    ("use", "accepted"),
    list(
        zip(
            (partitioned_check_spec, check_with_a_hook),
            ACCEPTED_PREVIEWS.items(),
            strict=True,
        )
    ),
)
def test_previews_still_warn_and_these_alone_are_accepted(
    use: Callable[[], None], accepted: tuple[str, type[Warning]]
) -> None:
    message, category = accepted

    with pytest.warns(category, match=message):
        use()
    with warnings.catch_warnings(), accepted_previews():
        warnings.simplefilter("error", append=True)
        use()


def test_check_result_yielded_before_a_failure_is_stored_with_its_partition() -> None:
    partitions = model_partitions(["21d"], ["ridge"])
    written: list[object] = []

    class Recorder(dg.IOManager):
        def handle_output(self, context: dg.OutputContext, obj: object) -> None:
            written.append(obj)

        def load_input(self, context: dg.InputContext) -> object:
            raise AssertionError("nothing is read here")

    with accepted_previews():
        spec = dg.AssetCheckSpec("good", asset="asset", partitions_def=partitions, blocking=True)

    @dg.asset(partitions_def=partitions, check_specs=[spec])
    def asset():
        yield dg.AssetCheckResult(check_name="good", passed=False)
        raise dg.Failure("rejected", allow_retries=False)

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [asset],
            instance=instance,
            partition_key="21d|ridge",
            resources={"io_manager": Recorder()},
            raise_on_error=False,
        )
        records = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(dg.AssetKey("asset"), "good"), limit=5
        )

    assert not result.success
    assert written == []
    assert [(record.status.value, record.partition) for record in records] == [
        ("FAILED", "21d|ridge")
    ]


def test_check_result_yielded_after_the_result_targets_that_very_materialization() -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("good", asset="asset")])
    def asset():
        yield dg.MaterializeResult(value=1)
        yield dg.AssetCheckResult(check_name="good", passed=True)

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([asset], instance=instance)
        (evaluation,) = result.get_asset_check_evaluations()

    assert evaluation.target_materialization_data is not None
    assert evaluation.target_materialization_data.run_id == result.run_id


def test_materializations_record_code_version_and_versions_and_places_of_inputs() -> None:
    partitions = model_partitions(["21d"], ["ridge", "xgboost"])

    @dg.asset(code_version="code 1")
    def data():
        yield dg.MaterializeResult(value=1, data_version=dg.DataVersion("data 1"))

    @dg.asset(code_version="code 2", partitions_def=partitions)
    def models(context: dg.AssetExecutionContext, data: int):
        version = f"models of {context.partition_key}"
        yield dg.MaterializeResult(value=1, data_version=dg.DataVersion(version))

    @dg.asset(partitions_def=partitions)
    def scores(context: dg.AssetExecutionContext, models: int):
        version = f"scores of {context.partition_key}"
        yield dg.MaterializeResult(value=1, data_version=dg.DataVersion(version))

    @dg.asset(code_version="code 4")
    def board(scores: dict[str, int]):
        yield dg.MaterializeResult(value=1, data_version=dg.DataVersion("board"))

    assets = [data, models, scores, board]
    keys = ("21d|xgboost", "21d|ridge")
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([data], instance=instance)
        for key in keys:
            dg.materialize(assets, selection=[models, scores], instance=instance, partition_key=key)
        dg.materialize(assets, selection=[board], instance=instance)
        tags, places = {}, {}
        for name in ("data", "models", "scores", "board"):
            for record in instance.fetch_materializations(dg.AssetKey(name), limit=2).records:
                assert record.asset_materialization is not None
                tags[name, record.partition_key] = record.asset_materialization.tags or {}
                places[name, record.partition_key] = record.storage_id

    assert tags["data", None][CODE_VERSION] == "code 1"
    assert tags["data", None][DATA_VERSION] == "data 1"
    for key in keys:
        assert tags["models", key][CODE_VERSION] == "code 2"
        # Of an input without partitions, its own version.
        assert tags["models", key][f"{INPUT_DATA_VERSION}/data"] == "data 1"
        # Of partitions, a digest, and how far it had read: to the latest event of any.
        assert tags["scores", key][f"{INPUT_DATA_VERSION}/models"] not in (
            f"models of {key}",
            "NULL",
        )
        assert int(tags["scores", key][f"{INPUT_POINTER}/models"]) >= places["models", key]
    assert tags["board", None][f"{INPUT_POINTER}/scores"] == str(places["scores", "21d|ridge"])


@pytest.mark.parametrize("is_being_cancelled", [True, False])
def test_an_interrupted_run_is_cancelled_only_if_it_was_being_cancelled(
    is_being_cancelled: bool,
) -> None:
    @dg.op
    def work(context: dg.OpExecutionContext) -> None:
        if is_being_cancelled:
            context.instance.report_run_canceling(context.run)
        raise dg.DagsterExecutionInterruptedError

    @dg.job
    def interrupted() -> None:
        work()

    with dg.DagsterInstance.ephemeral() as instance:
        result = interrupted.execute_in_process(instance=instance, raise_on_error=False)
        run = instance.get_run_by_id(result.run_id)

    status = dg.DagsterRunStatus
    assert run is not None
    assert run.status == (status.CANCELED if is_being_cancelled else status.FAILURE)
