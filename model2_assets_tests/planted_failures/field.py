"""Configurations and files in which cases are planted: what was good, and what is tried next.

``BEFORE`` and ``AFTER`` differ in data, labels, features, splits and models, so that every
candidate has other values than the last good result.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from model2_assets.defs.assets import PREPARATION, SUMMARY
from model2_assets.storage import PRODUCTS, Address, Store
from model2_assets.storage.models import Provenance
from model2_assets.training import FittedModels
from model2_assets.training.models import load_models
from model2_assets_tests.planted_failures.catalogue import TEAMS, Case
from model2_assets_tests.planted_failures.planting import Plot

HORIZON, MODEL = "5d", "ridge"
PARTITION = f"{HORIZON}|{MODEL}"
RIDGE = "model2_assets.training:RidgeTrainer"


def region(*, after: bool) -> dict[str, Any]:
    """Return the sections of a region, before or after the change."""
    return {
        "market_data": {
            "source": "synthetic",
            "params": {"n_instruments": 8, "n_dates": 240, "seed": 12 if after else 11},
        },
        "labels": {"horizons": [5], "winsorize": 0.05 if after else 0.10},
        "features": {
            "builder": f"{TEAMS}:momentum_features",
            "params": {"window": 10 if after else 20},
        },
        "cross_validation": {"n_groups": 3, "embargo_days": 4 if after else 5, "nested": True},
    }


def ridge(*, after: bool, trainer: str = RIDGE) -> dict[str, Any]:
    """Return a model, before or after the change."""
    return {"trainer": trainer, "params": {"alpha": 3000.0 if after else 1000.0}}


def configuration(regions: dict[str, Any], *, drawings: bool, **sections: Any) -> dict[str, Any]:
    """Return a whole configuration; every region names its own models."""
    return {
        "regions": regions,
        "checks": {"lookahead_control_dates": 1},
        "reports": {"pictures": False, "tear_sheets": drawings},
        **sections,
    }


def one_region(name: str, *, after: bool, drawings: bool) -> dict[str, Any]:
    """Return the configuration of a region without a failure."""
    sections = {**region(after=after), "models": {MODEL: ridge(after=after)}}
    return configuration({name: sections}, drawings=drawings)


def a_region_each(cases: Sequence[Case], *, drawings: bool) -> tuple[dict[str, Any], list[Plot]]:
    """Return the changed configuration with a region for each case, and where they are planted."""
    regions = {}
    for case in cases:
        model = ridge(after=True, trainer=case.trainer or RIDGE)
        regions[case.name] = {**_merged([case], after=True), "models": {MODEL: model}}
    plots = [Plot(case, case.name, PARTITION if is_partitioned(case) else None) for case in cases]
    return configuration(regions, drawings=drawings), plots


def packed(cases: Sequence[Case], *, after: bool) -> tuple[dict[str, dict[str, Any]], list[Plot]]:
    """Return regions that are retrained as a whole, and where cases are planted in them.

    A night makes everything of a region, so there are as few as can be: one in which every
    partition has its case, and others in which what does not depend on each other fails at once.

    Parameters
    ----------
    cases : sequence of Case
        What is planted.
    after : bool
        Before the change nothing fails; after it, settings and trainers are those of the cases.
    """
    own = [case for case in cases if is_partitioned(case)]
    regions = {
        "training": {
            **region(after=after),
            "models": {
                case.name: ridge(after=after, trainer=(case.trainer if after else "") or RIDGE)
                for case in own
            },
        }
    }
    plots = [Plot(case, "training", f"{HORIZON}|{case.name}") for case in own]
    for side in (("market_data",), ("labels",), ("cv_splits",), ("leaderboard", "region_report")):
        beside = {"labels": "features", "leaderboard": "stacking_frame"}.get(side[0])
        others = [case for case in cases if case.asset == beside]
        for case in (case for case in cases if case.asset in side):
            here = [case, *others[:1]]
            others = others[1:]
            plots += [Plot(each, case.name, None) for each in here]
            regions[case.name] = _merged(here, after=after)
        if others:
            name = others[0].name
            plots += [Plot(others[0], name, None)]
            regions[name] = _merged(others[:1], after=after)
            assert len(others) == 1, others
    return regions, plots


def _merged(cases: Sequence[Case], *, after: bool) -> dict[str, Any]:
    sections = region(after=after)
    for case in cases if after else ():
        for name, settings in case.settings.items():
            sections[name] = {**sections[name], **settings}
    return {**sections, "models": {MODEL: ridge(after=after)}}


def is_partitioned(case: Case) -> bool:
    """Tell whether a case's asset has partitions."""
    return case.asset not in (*PREPARATION, *SUMMARY)


def lay_out(store: Store, plot: Plot, grown: Store) -> None:
    """Give a region the results of before from where the case's run begins, those of after above.

    Parameters
    ----------
    store : Store
        Of the cases.
    plot : Plot
        The case's place.
    grown : Store
        Of the regions ``before`` and ``after``, retrained well with either configuration; the
        latter without drawings.
    """
    first = list(PRODUCTS).index(plot.case.first_asset)
    for position, asset in enumerate(PRODUCTS):
        sources = ("after", "before") if position < first else ("before",)
        places = () if asset in (*PREPARATION, *SUMMARY) else (HORIZON, MODEL)
        for source in (Address(name, asset, *places) for name in sources):
            if grown.exists(source):
                _publish(grown, source, store, Address(plot.region, asset, *places))
                break


def _publish(grown: Store, source: Address, store: Store, target: Address) -> None:
    """Publish a result at another address: files state where they belong."""
    value = grown.load(source)
    if target.product.format == "fold_models":
        stated = {each.name: getattr(value.manifest, each.name) for each in fields(Provenance)}
        provenance = Provenance(**{**stated, "region": target.region})
        models = tuple(load_models(value))
        value = FittedModels(models=models, provenance=provenance)
    store.write(target, value)
