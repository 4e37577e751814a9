"""The places in which commands are stopped."""

from importlib import import_module

import pytest

from model2_assets_tests.signals.stages import STAGES


@pytest.mark.parametrize("place", sorted({stage.place for stage in STAGES if stage.place}))
def test_the_function_of_a_stage_is_there(place: str) -> None:
    module, name = place.split(":")

    assert callable(getattr(import_module(module), name))
