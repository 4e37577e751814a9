"""Three of the table's rows, with real signals; all of them: ``make signals``."""

import signal
from pathlib import Path

import pytest

from model2_assets_tests.faults.scene import Scene
from model2_assets_tests.signals.stages import FIT, LOAD, UI, Stage
from model2_assets_tests.signals.trial import Way, stop

pytestmark = pytest.mark.services

FITS = Stage("retrain: fits in native code", ("retrain",), FIT, "in_native_code")
READS = Stage("validate-config", ("validate-config",), LOAD, "in_native_code", "", forced=True)


@pytest.mark.parametrize(
    ("stage", "way", "seconds"),
    [
        (FITS, Way("SIGTERM", (signal.SIGTERM,)), 4),
        (UI, Way("ignored", (signal.SIGINT,), ignores=True), 15),
        (READS, Way("twice", (signal.SIGINT, signal.SIGTERM), ignores=True), 2),
    ],
)
def test_a_signal_leaves_nothing(tmp_path: Path, stage: Stage, way: Way, seconds: float) -> None:
    scene = Scene.create(tmp_path / "scene", partitions=("21d|ridge", "21d|xgboost"))

    outcome = stop(scene, stage, way)

    assert outcome.faults == []
    assert outcome.seconds < seconds
