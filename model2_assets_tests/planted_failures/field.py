"""Configurations and files in which cases are planted: what was good, and what is tried next.

``BEFORE`` and ``AFTER`` differ in data, labels, features, splits and models, so that every
candidate has other values than the last good result.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model2_assets.defs.assets import PREPARATION, SUMMARY
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
            "params": {"n_instruments": 8, "n_dates": 300, "seed": 12 if after else 11},
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
        "checks": {"null_control_permutations": 20, "lookahead_control_dates": 1},
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
        regions[case.name] = {**_with_settings(case), "models": {MODEL: model}}
    plots = [Plot(case, case.name, PARTITION if is_partitioned(case) else None) for case in cases]
    return configuration(regions, drawings=drawings), plots


def is_partitioned(case: Case) -> bool:
    """Tell whether a case's asset has partitions."""
    return case.asset not in (*PREPARATION, *SUMMARY)


def lay_out(base: Path, plot: Plot, *, before: Path, after: Path, order: Sequence[str]) -> None:
    """Give a region the files of before from where the case's run begins, those of after above.

    Parameters
    ----------
    base : Path
        The store of the cases.
    plot : Plot
        The case's place.
    before, after : Path
        Folders of a region retrained well with either configuration.
    order : sequence of str
        The assets, in the order of the graph.
    """
    first = order.index(plot.case.first_asset)
    for position, asset in enumerate(order):
        source = after if position < first else before
        for path in source.glob(f"{asset}*"):
            if path.stem == asset:
                _copy(path, base / plot.region / path.name)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def _with_settings(case: Case) -> dict[str, Any]:
    sections = region(after=True)
    return {**sections, **{
        name: {**sections[name], **settings} for name, settings in case.settings.items()
    }}
