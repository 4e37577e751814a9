import gc
import weakref

import dagster as dg

from model2_assets.defs.io_manager import SingleUse


class Table:
    """Stands for something large."""


class KeepsNothing(dg.IOManager):
    """Notes whether a taken result is still in memory."""

    def handle_output(self, context, obj):
        context.add_output_metadata({"kind": type(obj.take()).__name__})

    def load_input(self, context):
        raise NotImplementedError


def test_what_was_taken_is_held_no_longer_though_the_run_keeps_its_outputs():
    alive = []

    @dg.asset(io_manager_key="store")
    def made():
        table = Table()
        alive.append(weakref.ref(table))
        yield dg.MaterializeResult(value=SingleUse(table))

    result = (
        dg.Definitions(assets=[made], resources={"store": KeepsNothing()})
        .resolve_implicit_global_asset_job_def()
        .execute_in_process()
    )
    gc.collect()
    assert isinstance(result.output_for_node("made"), SingleUse)
    assert alive[0]() is None


def test_a_result_is_taken_once():
    once = SingleUse("table")
    assert once.take() == "table"
    assert once.take() is None
