"""Plants the failures: spoils candidates in the steps of the places where a case is planted.

The makers of the core and the steps are wrapped, in this process, until it is undone. A code
location that does so for good, `location`, has it in processes that Dagster starts.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from model2_assets.defs import declaration
from model2_assets_tests.planted_failures.catalogue import CASES, Case

PLANTED_VARIABLE = "MODEL2_PLANTED"
"""Environment variable: JSON file that says where which case is planted."""


@dataclass(frozen=True)
class Plot:
    """Where a case is planted.

    Attributes
    ----------
    case : Case
        What is planted.
    region : str
        The region.
    partition : str or None
        Such as ``5d|ridge``, of a case whose asset has partitions.
    """

    case: Case
    region: str
    partition: str | None


def write_plots(path: Path, plots: Iterable[Plot]) -> None:
    """Say in a file where which case is planted."""
    places = [[plot.case.name, plot.region, plot.partition] for plot in plots]
    path.write_text(json.dumps(places), encoding="utf-8")


def read_plots(path: Path) -> list[Plot]:
    """Return where which case is planted."""
    cases = {case.name: case for case in CASES}
    places = json.loads(path.read_text(encoding="utf-8"))
    return [Plot(cases[name], region, partition) for name, region, partition in places]


@contextmanager
def planted(plots: Iterable[Plot]) -> Iterator[None]:
    """Plant cases in this process, for definitions that are built and run in the block."""
    with pytest.MonkeyPatch.context() as patch:
        plant(plots, patch.setattr)
        yield


def plant_as_configured() -> None:
    """Plant, for good, what the file says that the environment names."""
    plant(read_plots(Path(os.environ[PLANTED_VARIABLE])), setattr)


def plant(plots: Iterable[Plot], replace: Callable[[Any, str, Any], None]) -> None:
    """Wrap the steps and the makers; `replace` puts a wrapper in the place of what it wraps."""
    step = _Step({(p.region, p.case.asset, p.partition): p.case for p in plots})
    replace(declaration, "make_and_publish", step.noted(declaration.make_and_publish))
    for maker in sorted({case.maker for case in CASES if case.maker}):
        owner, name = _owner_of(maker)
        replace(owner, name, step.spoiled(maker, getattr(owner, name)))


class _Step:
    """The running step, and what is planted in it; steps of a process take turns."""

    def __init__(self, cases: dict[tuple[str, str, str | None], Case]) -> None:
        self._cases = cases
        self._running: list[Case | None] = []

    def noted(self, make_and_publish: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(make_and_publish)
        def noting(body: Any, step: Any) -> Iterator[Any]:
            context = step.context
            region, asset = context.asset_key.path
            partition = context.partition_key if context.has_partition_key else None
            self._running.append(self._cases.get((region, asset, partition)))
            try:
                yield from make_and_publish(body, step)
            finally:
                self._running.pop()

        return noting

    def spoiled(self, maker: str, make: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(make)
        def making(*args: Any, **kwargs: Any) -> Any:
            made = make(*args, **kwargs)
            case = self._running[-1] if self._running else None
            if case is None or case.spoil is None or case.maker != maker:
                return made
            return case.spoil(made, *args)

        return making


def _owner_of(maker: str) -> tuple[Any, str]:
    package, _, names = maker.partition(":")
    *owners, name = names.split(".")
    owner = import_module(package)
    for each in owners:
        owner = getattr(owner, each)
    return owner, name
