"""Where to kill: moments drawn from an undisturbed run, spread over every asset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from model2_assets_tests.faults.children import Told
from model2_assets_tests.faults.moments import (
    BEGINS,
    COMPUTE,
    ENDS,
    WRITE,
    AfterSeconds,
    AtFileOperation,
    HalfWritten,
    Moment,
    Place,
)

REGION_PREFIX = "us__"


@dataclass(frozen=True)
class Timeline:
    """An undisturbed retrain.

    Attributes
    ----------
    seconds : float
        From its first event to its end.
    lasted : mapping
        Seconds of every phase of every step that makes an asset.
    operations : mapping
        File operations of a step before it begins to write, and after it has written.
    """

    seconds: float
    lasted: Mapping[tuple[Place, str], float]
    operations: Mapping[Place, tuple[int, int]]

    @classmethod
    def of(cls, told: Sequence[Told]) -> "Timeline":
        when: dict[tuple[Place, str], Told] = {}
        for event in told:
            when.setdefault((event.place, event.event), event)  # checks are outputs too
        lasted, operations = {}, {}
        for place, kind in when:
            if kind != BEGINS[WRITE] or not place.step.startswith(REGION_PREFIX):
                continue
            if (place, ENDS[WRITE]) not in when:  # a step of checks hands nothing on
                continue
            for phase in (COMPUTE, WRITE):
                first, last = when[(place, BEGINS[phase])], when[(place, ENDS[phase])]
                lasted[(place, phase)] = last.seconds - first.seconds
            begin, end = when[(place, BEGINS[WRITE])], when[(place, ENDS[WRITE])]
            operations[place] = (begin.operations, end.operations)
        return cls(told[-1].seconds, lasted, operations)

    def places(self) -> list[list[Place]]:
        """Return the steps of every asset, in the order of the graph."""
        by_asset: dict[str, list[Place]] = {}
        for place in self.operations:
            by_asset.setdefault(place.step, []).append(place)
        return list(by_asset.values())


def draw_moments(timeline: Timeline, kills: int, *, seed: int) -> list[Moment]:
    """Draw moments: of every five, two in computing, two in writing, one anywhere.

    Parameters
    ----------
    timeline : Timeline
        Of an undisturbed retrain.
    kills : int
        How many.
    seed : int
        Equal seeds and timelines give equal moments.

    Returns
    -------
    list
        In computing and in writing, assets take turns, and so do the ways to die in a write.
    """
    random = Random(seed)
    turns = {phase: _turns(timeline, random) for phase in (COMPUTE, WRITE)}
    writes = 0
    moments: list[Moment] = []
    for number in range(kills):
        if number % 5 == 4:
            # A little beyond the end, so that the time after the last event has its share.
            moments.append(AfterSeconds(None, "start", random.uniform(0, timeline.seconds)))
        elif number % 5 in (0, 2):
            moments.append(_clock(timeline, next(turns[COMPUTE]), COMPUTE, random))
        else:
            moments.append(_in_write(timeline, next(turns[WRITE]), writes, random))
            writes += 1
    return moments


def _turns(timeline: Timeline, random: Random):
    while True:
        assets = timeline.places()
        random.shuffle(assets)
        for places in assets:
            yield random.choice(places)


def _clock(timeline: Timeline, place: Place, phase: str, random: Random) -> AfterSeconds:
    return AfterSeconds(place, BEGINS[phase], random.uniform(0, timeline.lasted[(place, phase)]))


def _in_write(timeline: Timeline, place: Place, number: int, random: Random) -> Moment:
    first, last = timeline.operations[place]
    if last == first or number % 3 == 2:
        return _clock(timeline, place, WRITE, random)
    operation = random.randrange(first, last)
    if number % 3 == 0:
        return AtFileOperation(place, operation)
    return HalfWritten(place, operation, size=round(10 ** random.uniform(0, 4)))
