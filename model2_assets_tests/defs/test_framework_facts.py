"""What the project relies on in Dagster: an upgrade that changes it trips here."""

import warnings

import dagster as dg
import pytest

from model2_assets.defs.partitions import model_partitions
from model2_assets.defs.previews import ACCEPTED_PREVIEWS, accepted_previews


def test_multi_partition_keys_order_dimensions_by_name() -> None:
    partitions = model_partitions(["21d"], ["ridge"])

    assert partitions.get_partition_keys() == ["21d|ridge"]
    assert str(dg.MultiPartitionKey({"model": "ridge", "horizon": "21d"})) == "21d|ridge"


def test_partitioned_check_specs_are_a_preview_and_the_only_one_accepted() -> None:
    partitions = model_partitions(["21d"], ["ridge"])

    with pytest.warns(dg.PreviewWarning, match=ACCEPTED_PREVIEWS[0]):
        dg.AssetCheckSpec("check", asset="asset", partitions_def=partitions)
    with warnings.catch_warnings(), accepted_previews():
        warnings.simplefilter("error", append=True)
        dg.AssetCheckSpec("check", asset="asset", partitions_def=partitions)


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
