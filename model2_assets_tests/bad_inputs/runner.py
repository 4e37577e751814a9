"""Takes a bad input through the real entries, and says what came of it."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd

from model2_assets.config import Model2Config, load_config
from model2_assets.cross_validation import build_cv_splits
from model2_assets.cross_validation.table import check_min_samples
from model2_assets.errors import Model2Error
from model2_assets.features.build import make_features
from model2_assets.labels import make_labels
from model2_assets.market_data import load_market_data
from model2_assets.storage.files import TEMPORARY_PREFIX
from model2_assets.training import ModelRegistry
from model2_assets_tests.bad_inputs.case import Case, Handled, Refused, Stage, plant


@dataclass(frozen=True)
class Found:
    """What came of a case.

    Attributes
    ----------
    outcome : Refused or Handled
        With all counts of the metadata, or the message.
    problems : tuple of str
        What may never be: changed files, infinite or missing values.
    """

    outcome: Refused | Handled
    problems: tuple[str, ...]

    def matches(self, case: Case) -> bool:
        """Tell whether this is exactly what the case demands."""
        if self.problems:
            return False
        if isinstance(case.outcome, Refused):
            return self.outcome == case.outcome
        found = self.outcome
        return isinstance(found, Handled) and all(
            found.counts.get(name) == count for name, count in case.outcome.counts.items()
        )


def run(case: Case, folder: Path) -> Found:
    """Plant a case in an empty folder and take it down the graph.

    Errors that are not the project's own are raised: each is a bug.
    """
    config = plant(case, folder)
    before = digests(folder)
    try:
        # The package may lie where a user without rights cannot read its defaults.
        settings = load_config(config) if case.act is None else None
        with _nobody() if case.is_nobody else nullcontext():
            if settings is None:
                counts, problems = dict(case.act(folder)), []
            else:
                counts, problems = _take(settings, case.until)
        outcome: Refused | Handled = Handled(counts)
    except Model2Error as error:
        outcome, problems = Refused(_without_what_varies(str(error), folder)), []
    if digests(folder) != before:
        problems.append("a file was changed")
    return Found(outcome, tuple(problems))


def _without_what_varies(message: str, folder: Path) -> str:
    message = message.replace(str(folder), "{folder}")
    message = message.replace(f"{metadata.version('scikit-learn')} is", "{installed} is")
    message = message.replace(f"Dagster {metadata.version('dagster')}", "Dagster {installed}")
    return re.sub(r"-[0-9a-f]{12}\.", "-{hash}.", message)


@contextmanager
def _nobody() -> Iterator[None]:
    """Act as a user without rights, where we are one who has all."""
    own = os.geteuid()
    if own:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(own)


def _take(config: Model2Config, until: Stage) -> tuple[dict[str, int], list[str]]:
    region = config.region("us")
    registry = ModelRegistry.from_config(config, "us")
    for partition in config.partitions_of("us"):
        registry.trainer(partition.model, partition.horizon)
    data = load_market_data(region.market_data)
    counts, problems = dict(data.counts), _not_finite(data.panel, ["close"])
    if until == "data":
        return counts, problems
    labels = make_labels(data.panel, region.labels)
    counts |= labels.attrs.get("counts", {})
    for key in region.labels.horizon_keys:
        labelled = labels[labels[f"label_end_{key}"].notna()]
        problems += _not_finite(labelled, [f"label_{key}", f"forward_return_{key}"])
    if until == "labels":
        return counts, problems
    features = make_features(data.panel, region.features)
    counts |= {**features.attrs.get("counts", {}), "rows": data.counts["rows"]}
    if np.isinf(features.to_numpy()).any():
        problems.append("a feature is infinite")
    if until == "features":
        return counts, problems
    splits = build_cv_splits(features.index, labels, region.cross_validation)
    check_min_samples(splits, labels, min_samples=region.cross_validation.min_samples)
    return counts, problems


def _not_finite(table: pd.DataFrame, names: list[str]) -> list[str]:
    return [
        f"{name} is not finite" for name in names if not np.isfinite(table[name].to_numpy()).all()
    ]


def digests(folder: Path) -> Mapping[str, str]:
    """Return the digest of every regular file below a folder, but for locks and leftovers."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not path.is_symlink()
        and not (path.parent.name.startswith(TEMPORARY_PREFIX) or path.parent.name == ".locks")
    }
