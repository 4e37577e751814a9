"""How far the retrain of a region is in one night.

An asset partition is *settled* once the market data were renewed since the night began,
and it and everything that it is made from is current and at rest. What follows it may
then be made, or is known to need no making.
"""

from collections.abc import Collection, Iterator

import dagster as dg

from model2_assets.defs.staleness import RecordedResults

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
