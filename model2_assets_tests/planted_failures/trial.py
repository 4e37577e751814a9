"""A region for each case, and the three runs that try to replace its last good result.

The regions are not retrained one by one: two regions are, one with the old and one with the
changed configuration, and every case's region has the files of the one from where its run
begins, and of the other above. So a run has to make nothing but what is planted in.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from model2_assets.config import Model2Config, parse_config
from model2_assets.config.partition import Partition
from model2_assets.defs.assets import PREPARATION, SUMMARY
from model2_assets.defs.build import build_definitions
from model2_assets.defs.region import Region
from model2_assets.defs.retrain import execute_plan, plan_region
from model2_assets.storage import PRODUCTS, Store
from model2_assets_tests.defs.small_region import built_region
from model2_assets_tests.planted_failures.catalogue import Case
from model2_assets_tests.planted_failures.field import (
    HORIZON,
    MODEL,
    PARTITION,
    a_region_each,
    is_partitioned,
    lay_out,
    one_region,
)
from model2_assets_tests.planted_failures.planting import Plot, planted
from model2_assets_tests.planted_failures.verdict import Verdict, judge, kept, published_files

ORDER = tuple(PRODUCTS)


@dataclass(frozen=True)
class Selection:
    """What one run makes.

    Attributes
    ----------
    assets : tuple of AssetKey
        Of many regions.
    partition : str or None
        Such as ``5d|ridge``, where the assets have partitions.
    """

    assets: tuple[dg.AssetKey, ...]
    partition: str | None


@dataclass(frozen=True)
class Trial:
    """The regions of the cases, before the failures.

    Attributes
    ----------
    values : dict
        The changed configuration, as in its file.
    plots : list of Plot
        Where which case is planted.
    base : Path
        The base path of the results.
    """

    values: dict[str, Any]
    plots: list[Plot]
    base: Path

    @classmethod
    def prepare(cls, folder: Path, base: Path, cases: Sequence[Case]) -> "Trial":
        """Retrain the old and the changed region in a folder, and lay out the cases' regions."""
        drawings = any(PRODUCTS[case.asset].format == "html" for case in cases)
        with dg.DagsterInstance.ephemeral() as instance:
            _retrain("before", instance, folder, drawings=drawings)
            _retrain("after", instance, folder, drawings=False)
        values, plots = a_region_each(cases, drawings=drawings)
        trial = cls(values, plots, base)
        for plot in plots:
            lay_out(trial.store, plot, Store(str(folder)))
        return trial

    @property
    def config(self) -> Model2Config:
        """The changed configuration."""
        return parse_config(self.values)

    @property
    def store(self) -> Store:
        """Where the results are."""
        return Store(str(self.base))

    def region(self, plot: Plot) -> Region:
        """Return the region of a plot."""
        return built_region(plot.region, self.config, self.store)

    def selections(self) -> Iterator[Selection]:
        """Yield what the runs make: what models share, one partition, what compares models.

        Each has, of every case, the assets from where its failure arises, and the next one.
        """
        config, store = self.config, self.store
        for partition, scope in (
            (None, PREPARATION),
            (PARTITION, tuple(name for name in ORDER if name not in (*PREPARATION, *SUMMARY))),
            (None, SUMMARY),
        ):
            keys: list[dg.AssetKey] = []
            for plot in self.plots:
                if plot.case.asset not in scope:
                    continue
                region = built_region(plot.region, config, store)
                follows = [name for name in kept(plot, region) if name in scope][:2]
                keys += [region.key(name) for name in {plot.case.first_asset, *follows}]
            if keys:
                yield Selection(tuple(keys), partition)

    def run_in_process(self, instance: dg.DagsterInstance) -> list[bool]:
        """Execute the runs in this process, with the failures; return which were a success."""
        with planted(self.plots):
            definitions = build_definitions(self.config, self.store)
            job = definitions.resolve_implicit_global_asset_job_def()
            return [
                job.get_subset(asset_selection=set(selection.assets))
                .execute_in_process(
                    instance=instance, partition_key=selection.partition, raise_on_error=False
                )
                .success
                for selection in self.selections()
            ]

    def judge(self, instance: dg.DagsterInstance, before: Any) -> list[Verdict]:
        """Look at what the runs left."""
        after, config, store = published_files(self.base), self.config, self.store
        return [
            judge(plot, built_region(plot.region, config, store), instance, before, after)
            for plot in self.plots
        ]


def _retrain(name: str, instance: dg.DagsterInstance, base: Path, *, drawings: bool) -> None:
    config = parse_config(one_region(name, after=name == "after", drawings=drawings))
    definitions = build_definitions(config, Store(str(base)))
    plan = plan_region(name, [Partition(HORIZON, MODEL)])
    failures = [
        failure for run in execute_plan(definitions, instance, plan) for failure in run.failures
    ]
    assert not failures, failures


__all__ = ["Selection", "Trial", "is_partitioned"]
