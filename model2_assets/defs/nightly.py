"""When an asset of the nightly retrain is due."""

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import dagster as dg
from dagster import _check as dg_check

from model2_assets.defs.materializations import RecordedResults
from model2_assets.errors import ConfigError

if TYPE_CHECKING:
    from model2_assets.defs.region import Region


Target = tuple[dg.AssetKey, str | None]
"""An asset and its partition; None where it has none."""


class Night:
    """One look at a region between two runs.

    Parameters
    ----------
    results : RecordedResults
        What has been materialized.
    in_progress : collection of (AssetKey, str or None)
        What a queued or running run or backfill is about to make.
    since : float
        When the night began, seconds since the epoch.
    """

    def __init__(
        self, results: RecordedResults, *, in_progress: Collection[Target], since: float
    ) -> None:
        self.results = results
        self.in_progress = in_progress
        self.since = since

    def is_outdated(self, target: Target) -> bool:
        """Tell whether a result is missing, or made by other code or from other inputs."""
        return self.results.problem(*target) is not None

    def may_be_made(self, target: Target, requested: Collection[Target]) -> bool:
        """Tell whether all inputs of a target are settled, or are made before it in its run.

        Parameters
        ----------
        target : (AssetKey, str or None)
            What might be made.
        requested : collection of (AssetKey, str or None)
            What has been requested in this look, in the order of the graph.

        Returns
        -------
        bool
            A run makes one partition, or assets without partitions: only what is requested
            of the same kind can precede the target in its run. The market data precede
            nothing: what follows depends on whether they have changed. And nothing is made
            before all that the partitions share is at rest, or that compares partitions
            before these are: so each stage is a run, not one for each input that is ready.
        """
        stage = self._stage(target)
        if any(self._stage(other) < stage for other in (*self.in_progress, *requested)):
            return False
        return all(
            source[1] == target[1] and not self._is_first(source)
            if source in requested
            else self.is_settled(source, requested)
            for source in self._sources(target)
        )

    def is_settled(self, target: Target, requested: Collection[Target]) -> bool:
        """Tell whether nothing is left to do for a target this night.

        Parameters
        ----------
        target : (AssetKey, str or None)
            The target.
        requested : collection of (AssetKey, str or None)
            What has been requested in this look.

        Returns
        -------
        bool
            Whether it and everything that it is made from is current and at rest.
        """
        return (
            target not in requested
            and target not in self.in_progress
            and self._is_current(target)
            and all(self.is_settled(source, requested) for source in self._sources(target))
        )

    def _is_current(self, target: Target) -> bool:
        asset, partition = target
        made = self.results.latest(asset).get(partition)
        made_this_night = made is not None and made.time >= self.since
        if self._is_first(target):
            return made_this_night
        # A daemon that has not been reloaded since an edit takes what a run has just made by
        # the new code for outdated.
        return self.results.problem(asset, partition, any_code=made_this_night) is None

    def _stage(self, target: Target) -> int:
        """Return 0 of what partitions share, 1 of partitions, 2 of what compares them."""
        asset, partition = target
        if partition is not None:
            return 1
        return 2 if asset in self.results.after_partitions else 0

    def _is_first(self, target: Target) -> bool:
        return not self.results.specs[target[0]].deps

    def _sources(self, target: Target) -> Iterator[Target]:
        asset, partition = target
        for dep in self.results.specs[asset].deps:
            if dep.asset_key not in self.results.partitioned:
                yield dep.asset_key, None
            elif partition is not None:
                yield dep.asset_key, partition
            else:
                yield from ((dep.asset_key, key) for key in self.results.partition_keys)


STARTED_BY = "model2/started_by"
"""Tag of a run of the market data that begins a night outside the schedule."""

Context = dg.AutomationContext[dg.AssetKey]
Result = dg.AutomationResult[dg.AssetKey]


def nightly_condition(region: "Region", *, first: bool) -> dg.AutomationCondition[Any]:
    """Return the condition under which an asset is made in a night.

    Parameters
    ----------
    region : Region
        Its region.
    first : bool
        Whether it is made from no other asset: the market data.

    Returns
    -------
    AutomationCondition
        Shown with its parts, and for which partitions each holds, in the UI.

    Raises
    ------
    ConfigError
        If Dagster does not take the cron expression.
    """
    schedule = region.config.schedule
    try:
        dg.AutomationCondition.cron_tick_passed(schedule.cron, schedule.timezone)
    except dg_check.CheckError as error:
        raise ConfigError(f"schedule.cron: {schedule.cron!r} is not a cron expression") from error
    label = f"nightly({schedule.cron}, {schedule.timezone})"
    open_night = NightIsOpen(region, first=first)
    if first:
        return (open_night & region_is_at_rest(region)).with_label(label)
    made_anew = dg.AutomationCondition.any_deps_match(dg.AutomationCondition.will_be_requested())
    due = outdated(region) | made_anew
    idle = ~dg.AutomationCondition.in_progress()
    return (open_night & inputs_are_settled(region) & due & idle).with_label(label)


@dataclass(frozen=True, eq=False)
class RegionCondition(dg.AutomationCondition[dg.AssetKey]):
    """A condition that takes a look at the whole region.

    Parameters
    ----------
    region : Region
        The region.
    title : str
        What the UI calls it.
    text : str
        When it holds, in words.
    holds : callable
        Of the look, a target, and what has been requested before it in the same
        evaluation; tells whether the condition holds for the target.
    """

    region: "Region"
    title: str
    text: str
    holds: Callable[[Night, Target, Collection[Target]], bool]

    @property
    def name(self) -> str:
        """What the UI calls it."""
        return self.title

    @property
    def description(self) -> str:
        """When it holds, in words."""
        return self.text

    @property
    def requires_cursor(self) -> bool:
        """Nothing is remembered from one evaluation to the next."""
        return False

    async def evaluate(self, context: Context) -> Result:  # type: ignore[override]
        """Return the candidates for which the condition holds."""
        night, requested = await look(context, self.region), _requested(context)
        candidates = _targets(context.candidate_subset)
        held = {target for target in candidates if self.holds(night, target, requested)}
        return dg.AutomationResult(context, _subset(context, held))


def outdated(region: "Region") -> RegionCondition:
    """Return the condition that a result has to be made again."""
    return RegionCondition(
        region,
        title="outdated",
        text=("Missing, made by other code or settings, or made from other versions of its inputs"),
        holds=lambda night, target, _requested: night.is_outdated(target),
    )


def inputs_are_settled(region: "Region") -> RegionCondition:
    """Return the condition that a result may be made now."""
    return RegionCondition(
        region,
        title="inputs_are_settled",
        text=(
            "The market data were made this night, and everything that this is made from is "
            "current and at rest, or is made before it in the same run"
        ),
        holds=lambda night, target, requested: night.may_be_made(target, requested),
    )


def region_is_at_rest(region: "Region") -> RegionCondition:
    """Return the condition that no two retrains of a region overlap."""
    return RegionCondition(
        region,
        title="region_is_at_rest",
        text="No run or backfill of the region is queued or under way",
        holds=lambda night, _target, _requested: not night.in_progress,
    )


@dataclass(frozen=True, eq=False)
class NightIsOpen(dg.AutomationCondition[dg.AssetKey]):
    """A night has begun in which a target was neither requested nor found current.

    The night, and what is open in it, is remembered from one evaluation to the next.

    Parameters
    ----------
    region : Region
        The region.
    first : bool
        Whether the asset is the market data, whose own renewal begins no night for them.
    """

    region: "Region"
    first: bool

    @property
    def name(self) -> str:
        """What the UI calls it; another schedule forgets the night of the old one."""
        schedule = self.region.config.schedule
        return f"night_is_open({schedule.cron}, {schedule.timezone})"

    @property
    def description(self) -> str:
        """When it holds, in words."""
        return (
            "A night has begun, by the schedule or by other market data, and since then this "
            "was neither requested nor found current"
        )

    async def evaluate(self, context: Context) -> Result:  # type: ignore[override]
        """Return the targets that are still to be settled this night."""
        night, requested = await look(context, self.region), _requested(context)
        began = night.since if self.first else max(night.since, renewed_by_watch(context, night))
        still_open = self._open_before(context, began)
        current = {target for target in still_open if night.is_settled(target, requested)}
        for asset, partition in sorted(current, key=str):
            where = f" of {partition}" if partition else ""
            # The logger of the evaluation: that of the condition does not reach the UI.
            context._root_log.info(f"{asset.to_user_string()}{where} is current: skipped")
        still_open -= current
        memory = {"began": began, "open": [partition for _, partition in still_open]}
        return dg.AutomationResult(context, _subset(context, still_open), json.dumps(memory))

    def _open_before(self, context: Context, began: float) -> set[Target]:
        """Return what was open before this look; everything, where a night has just begun."""
        if context.cursor is None:  # Just switched on: the first night is the next one.
            return set()
        memory = json.loads(context.cursor)
        everything = _targets(context.candidate_subset)
        if began > memory["began"]:
            return everything
        requested = _targets(context.get_previous_requested_subset(context.key))
        return {target for target in everything - requested if target[1] in memory["open"]}


_looks: WeakKeyDictionary[Any, dict[str, Night]] = WeakKeyDictionary()


async def look(context: Context, region: "Region") -> Night:
    """Return how far the night of a region is, looked at once in every evaluation."""
    view = context.asset_graph_view
    looks = _looks.setdefault(view, {})
    if region.name not in looks:
        schedule = region.config.schedule
        tick = view.compute_previous_cron_tick(
            cron_schedule=schedule.cron, cron_timezone=schedule.timezone
        )
        in_progress: set[Target] = set()
        for key in region.specs:
            everything = view.get_full_subset(key=key)
            for subset in (
                await view.compute_run_in_progress_subset(key=key, from_subset=everything),
                await view.compute_backfill_in_progress_subset(key=key, from_subset=everything),
            ):
                in_progress |= _targets(subset)
        looks[region.name] = Night(
            RecordedResults(view.instance, region),
            in_progress=in_progress,
            since=tick.timestamp(),
        )
    return looks[region.name]


def renewed_by_watch(context: Context, night: Night) -> float:
    """Return when the watch last had the market data made, seconds since the epoch; else 0."""
    instance = context.asset_graph_view.instance
    firsts = [key for key, spec in night.results.specs.items() if not spec.deps]
    made = [record for key in firsts for record in night.results.latest(key).values()]
    return max((m.time for m in made if _started_by_watch(instance, m.run_id)), default=0.0)


@lru_cache(maxsize=16)
def _started_by_watch(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and STARTED_BY in run.tags


def _requested(context: Context) -> set[Target]:
    """Return what has been requested so far in this evaluation."""
    subsets = context.request_subsets_by_key.values()
    return {t for s in subsets if isinstance(s.key, dg.AssetKey) for t in _targets(s)}


def _targets(subset: Any) -> set[Target]:
    if subset is None:
        return set()
    return {(p.asset_key, p.partition_key) for p in subset.expensively_compute_asset_partitions()}


def _subset(context: Context, targets: Collection[Target]) -> Any:
    view, key = context.asset_graph_view, context.key
    if context.partitions_def is None:
        return view.get_full_subset(key=key) if targets else view.get_empty_subset(key=key)
    keys = {partition for _, partition in targets if partition is not None}
    return view.get_subset_from_partition_keys(key, context.partitions_def, keys)
