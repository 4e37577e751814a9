"""Kill retrains, look at what they leave, and have the next one mend it."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from model2_assets_tests.faults.children import start
from model2_assets_tests.faults.moments import Moment
from model2_assets_tests.faults.plan import Timeline, draw_moments
from model2_assets_tests.faults.results import (
    MEASURED,
    results_of,
    temporary_files,
    versions_without_record,
    whole,
)
from model2_assets_tests.faults.runs import Spot, slots_taken, spot, unfinished_runs
from model2_assets_tests.faults.scene import NEW, OLD, PARTITIONS, Scene


@dataclass
class Kill:
    """What became of one kill.

    Attributes
    ----------
    moment : Moment
        When it was meant to be.
    spot : Spot
        Where it fell, by the event log.
    status : int
        Exit status of the killed process; 0 if it had ended before the moment came.
    new : int
        Results that were new already; the others were the old ones.
    temporary : int
        Temporary files and scratch folders that it left.
    unrecorded : int
        Kept versions without a record that it left.
    recovered : bool
        Whether a whole retrain came after it, and not the next kill.
    faults : list of str
        Everything that must not be.
    """

    moment: Moment
    spot: Spot = field(default_factory=lambda: Spot("", ""))
    status: int = 0
    new: int = 0
    temporary: int = 0
    unrecorded: int = 0
    recovered: bool = False
    faults: list[str] = field(default_factory=list)


class Campaign:
    """Kills in a folder of one's own.

    Parameters
    ----------
    folder : Path
        An empty folder.
    partitions : sequence of str, default all four
        Models and horizons of the region.
    tear_sheets : bool, default False
        Whether these are drawn too, which takes half of the time.
    """

    def __init__(
        self,
        folder: Path,
        *,
        partitions: Sequence[str] = PARTITIONS,
        tear_sheets: bool = False,
    ) -> None:
        self._folder = folder
        self._base = Scene.create(folder / "base", partitions=partitions, tear_sheets=tear_sheets)

    def prepare(self) -> None:
        """Make the old results, and from a copy of them, undisturbed, the new ones."""
        status = start(self._base, OLD, "retrain").wait()
        assert status == 0, self._base.log.read_text()[-3000:]
        self.old = results_of(self._base)
        undisturbed = self._base.copy_to(self._folder / "undisturbed")
        child = start(undisturbed, NEW, "retrain", "--force")
        told = list(child.told())
        assert child.join() == 0, undisturbed.log.read_text()[-3000:]
        self.timeline = Timeline.of(told)
        self.new = results_of(undisturbed)

    def old_results(self, folder: Path) -> Scene:
        """Return a scene of one's own in which the old results are current."""
        return self._base.copy_to(folder)

    def run(self, kills: int, *, seed: int, recover_every: int = 1) -> Iterator[Kill]:
        """Kill so many retrains, each of which makes all; yield what became of each.

        Parameters
        ----------
        kills : int
            How many.
        seed : int
            Of the moments.
        recover_every : int, default 1
            After how many kills, one upon the other, a retrain is left alone. From then on the
            next kill begins with the old results again.
        """
        scene = None
        for number, moment in enumerate(draw_moments(self.timeline, kills, seed=seed), start=1):
            if scene is None:
                scene = self.old_results(self._folder / f"kill-{number}")
            kill = self._kill(scene, moment)
            if number % recover_every == 0 or number == kills:
                kill.recovered = True
                kill.faults += self._recover(scene)
                if not kill.faults:
                    shutil.rmtree(scene.folder)
                scene = None
            yield kill

    def _kill(self, scene: Scene, moment: Moment) -> Kill:
        kill = Kill(moment)
        child = start(scene, NEW, "retrain", "--force", moment=moment)
        kill.status = child.die_at(moment)
        kill.spot = spot(scene)
        state, kill.faults = whole(scene, self.old, self.new)
        kill.new = sum(which == "new" for which in state.values())
        kill.temporary = len(temporary_files(scene))
        kill.unrecorded = len(versions_without_record(scene))
        if kill.status > 0:
            kill.faults.append(f"it failed by itself, with status {kill.status}; see {scene.log}")
        return kill

    def _recover(self, scene: Scene) -> list[str]:
        status = start(scene, NEW, "retrain").wait()
        faults = [f"the next retrain exits with {status}; see {scene.log}"] if status else []
        found = results_of(scene)
        for address, expected in self.new.items():
            if address not in found or found[address].identity != expected.identity:
                faults.append(f"{address}: not that of an undisturbed retrain")
            elif address.asset not in MEASURED and found[address].sha256 != expected.sha256:
                faults.append(f"{address}: other bytes than those of an undisturbed retrain")
        faults += [f"{name}: left by the next retrain" for name in temporary_files(scene)]
        if unfinished_runs(scene):
            faults.append(f"{unfinished_runs(scene)} runs show as not ended")
        if slots_taken(scene):
            faults.append(f"{slots_taken(scene)} places in the pool are taken")
        return faults
