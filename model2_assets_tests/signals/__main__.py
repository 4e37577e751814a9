"""Stop every command at every stage: ``python -m model2_assets_tests.signals``.

Prints a table: stage, way, seconds to the end, exit status, status of the run and of its last
step, and what was left. Exits with 1 if anything was that must not be.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from model2_assets.storage import Address
from model2_assets_tests.faults.scene import NEW, OLD, REPOSITORY, Scene
from model2_assets_tests.signals.stages import STAGES, Stage
from model2_assets_tests.signals.trial import Outcome, Way, stop

WAYS = (Way("SIGINT", (signal.SIGINT,)), Way("SIGTERM", (signal.SIGTERM,)))
MORE_WAYS = (
    Way("SIGHUP", (signal.SIGHUP,)),
    Way("SIGINT twice", (signal.SIGINT, signal.SIGINT)),
    Way("SIGINT, started to ignore it", (signal.SIGINT,), ignores=True),
    Way("SIGTERM, process 1", (signal.SIGTERM,), first_process=True),
)
OOF = Address("us", "oof_predictions", "21d", "xgboost")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", default="", help="only stages whose name has this in it")
    parser.add_argument("--way", default="", help="only ways whose name has this in it")
    parser.add_argument("--folder", type=Path, help="where to work; needs 200 MB")
    chosen = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        scene = prepared(Path(folder) / "scene")
        print("| stage | signal | seconds | status | run | its last step | left |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for stage in STAGES:
            for way in (*WAYS, *(MORE_WAYS if stage.in_every_way else ())):
                if chosen.stage in stage.name and chosen.way in way.name:
                    bad += bool(tell(stop_copy(scene, stage, way)).faults)
    return 1 if bad else 0


def prepared(folder: Path) -> Scene:
    """Return a scene with results of two nights, so that there is something to go back to."""
    scene = Scene.create(folder, partitions=("21d|ridge", "21d|xgboost"), tear_sheets=True)
    for which in (OLD, NEW):
        command = [sys.executable, "-m", "model2_assets.cli.main", "retrain"]
        environment = {**scene.environment(which), "PATH": "/usr/bin:/bin"}
        subprocess.run(command, env=environment, cwd=REPOSITORY, check=True, capture_output=True)
    return scene


def stop_copy(scene: Scene, stage: Stage, way: Way) -> Outcome:
    """Stop a command on a copy of a scene."""
    if "rollback" in stage.arguments:
        older = scene.store.archive.versions(OOF)[1].data_version
        stage = Stage(**{**vars(stage), "arguments": (*stage.arguments, older[:12])})
    copy = scene.copy_to(scene.folder.with_name("copy"))
    try:
        return stop(copy, stage, way)
    finally:
        shutil.rmtree(copy.folder)


def tell(outcome: Outcome) -> Outcome:
    left = "; ".join(outcome.faults) or "nothing"
    step = outcome.last_step.removeprefix("us__")
    print(
        f"| {outcome.stage} | {outcome.way} | {outcome.seconds:.1f} | {outcome.status} "
        f"| {outcome.run} | {step} | {left} |",
        flush=True,
    )
    return outcome


if __name__ == "__main__":
    sys.exit(main())
