"""What is on disk, read again and checked afresh: every check that needs no refit."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from model2_assets.checks import inputs, models, predictions, summary
from model2_assets.checks.catalogue import (
    REPRODUCED,
    STORED,
    Check,
    CheckOutcome,
    Finding,
    evaluate,
    failed_errors,
)
from model2_assets.checks.predictions import check_reproduced, stored_tables
from model2_assets.checks.subjects import Evidence
from model2_assets.errors import Model2Error, StoreError, lack_of_memory, without_secrets
from model2_assets.storage import Address, Store
from model2_assets.storage.data_version import data_version_of, require_made_from, table_digest
from model2_assets.storage.record import Record
from model2_assets.training.predict import average_splits, predict_stored

# What is looked at of any asset on disk, besides its own checks.
READABLE = Check("The file is there, undamaged, and keeps its contract.", name="readable")
RECORDED = Check("It is what Dagster recorded when it was published.", name="recorded")
UNALTERED = Check("Its values have the data version that its file states.", name="unaltered")
MADE_FROM = Check("It was made from what is stored beside it.", name="made_from")
EVALUATED = Check("Nothing that its checks need is missing or damaged.", name="evaluated")

_SHARED = ("market_data", "labels", "features", "cv_splits")
_MADE_FROM: Mapping[str, tuple[str, ...]] = {
    "labels": ("market_data",),
    "features": ("market_data",),
    "cv_splits": ("labels", "features"),
    "fitted_models": ("labels", "features", "cv_splits"),
    "oof_predictions": ("labels", "features", "cv_splits", "fitted_models"),
    "oof_paths": ("labels", "features", "cv_splits", "fitted_models", "oof_predictions"),
    "nested_oof": ("labels", "features", "cv_splits"),
    "feature_importance": ("labels", "features", "fitted_models"),
    "final_models": ("labels", "features", "oof_predictions"),
    "live_predictions": ("market_data", "labels", "features", "oof_predictions", "final_models"),
}
"""What a result states to be made from. The others are compared with their inputs themselves."""


@dataclass(frozen=True, eq=False)
class StoredFiles(Evidence):
    """What is on disk of a region, and of a partition; every file is read once."""

    store: Store = field(kw_only=True)
    _records: dict[str, Record] = field(default_factory=dict)

    def address(self, asset: str) -> Address:
        """Return where a result is: of the partition, or shared by all of the region."""
        partition = None if asset in _SHARED else self.partition
        return Address(self.region, asset, *(partition or ()))

    def load(self, asset: str) -> Any:
        """Read a result, once."""
        if asset not in self.results:
            self.results[asset] = self.store.load(self.address(asset))
        return super().load(asset)

    def every(self, asset: str) -> dict[str, Any]:
        """Read an asset of every partition that has it, by partition key, once."""
        if asset not in self.results:
            partitions = self.config.partitions_of(self.region)
            addresses = {each.key: Address(self.region, asset, *each) for each in partitions}
            stored = {key: at for key, at in addresses.items() if self.store.exists(at)}
            self.results[asset] = {key: self.store.load(at) for key, at in stored.items()}
        return super().every(asset)

    def record(self, asset: str) -> Record:
        """Return what the store recorded of a result: its version, and those of its inputs."""
        if asset not in self._records:
            address = self.address(asset)
            record = self.store.current_version(address)
            if record is None:
                raise StoreError(f"{self.store.path(address)}: not there, or not recorded")
            self._records[asset] = record
        return self._records[asset]


SUBJECTS: Mapping[str, Callable[[Any, Evidence], object]] = {
    "market_data": inputs.MarketDataChecks,
    "labels": inputs.LabelsChecks,
    "features": inputs.FeaturesChecks,
    "cv_splits": inputs.SplitsChecks,
    "fitted_models": models.FoldModelsChecks,
    "oof_predictions": predictions.OutOfFoldChecks,
    "oof_paths": predictions.PathsChecks,
    "nested_oof": predictions.NestedChecks,
    "feature_importance": models.ImportanceChecks,
    "cv_scores": models.ScoresChecks,
    "final_models": models.FinalModelChecks,
    "live_predictions": models.LiveChecks,
    "leaderboard": summary.LeaderboardChecks,
    "stacking_frame": summary.StackingChecks,
}
"""What has the checks of an asset, made of a result and its evidence; reports have none on disk."""


def evaluate_stored(files: StoredFiles, asset: str) -> tuple[CheckOutcome, ...]:
    """Read a stored result again, and evaluate what is known to hold of it."""
    outcomes = [read_back(files, asset)]
    if outcomes[0].passed:
        try:
            outcomes.extend(_outcomes(files, asset))
        except Exception as error:
            outcomes.append(EVALUATED.outcome(_failure(error)))
    return tuple(outcomes)


def _outcomes(files: StoredFiles, asset: str) -> Iterator[CheckOutcome]:
    address = files.address(asset)
    if files.store.attestation(address) is not None:
        difference = files.store.difference_from_record(address, files.load(asset))
        text = difference or "as it was recorded when it was published"
        yield RECORDED.outcome(Finding(difference is None, text))
    if asset in ("market_data", *_MADE_FROM, "stacking_frame") and address.product.contract:
        yield UNALTERED.outcome(check_unaltered(files.table(asset)))
    if asset in _MADE_FROM:
        yield MADE_FROM.outcome(check_made_from(files, asset, _MADE_FROM[asset]))
    if asset in SUBJECTS:
        yield from evaluate(asset, SUBJECTS[asset](files.load(asset), files), stored=True)


def read_back(files: StoredFiles, asset: str) -> CheckOutcome:
    """Read a stored result as a whole: it is there, undamaged, and keeps its contract."""
    return _attempt(READABLE, lambda: Finding(True, _read(files, asset)), what="")


def _read(files: StoredFiles, asset: str) -> str:
    """Read a result, fold models with the hashes in their manifest; say what it is."""
    address = files.address(asset)
    if address.product.format == "fold_models":
        found = files.models(asset)
        found.verify()
        size = found.manifest.total_bytes / 1e6
        return f"{len(found)} models, {size:,.2f} MB, are as their manifest says"
    if address.product.contract is None or address.product.as_matrix:
        files.store.verify(address)
    if address.product.contract is None:
        return f"{address} can be read"
    return f"{len(files.table(asset)):,} rows keep {address.product.contract}"


def check_unaltered(frame: pd.DataFrame) -> Finding:
    """Check that a table's values have the digest that its file states."""
    stated, found = data_version_of(frame), table_digest(frame)
    text = f"data version {found[:12]}"
    if not stated:
        text = "the file states no data version; materialize it again"
    elif stated != found:
        text = (
            f"the values have data version {found[:12]}, the file states {stated[:12]}: it was "
            f"altered since it was written; materialize it again"
        )
    return Finding(stated == found, text)


def check_made_from(files: StoredFiles, asset: str, names: Sequence[str]) -> Finding:
    """Check that a result was made from the inputs that are stored now."""
    made_from = files.record(asset).inputs
    current = {name: files.record(name).data_version for name in names}
    unknown = sorted(set(current) - set(made_from))
    text = f"made from the stored {', '.join(sorted(current))}"
    if unknown:
        text = f"states no version of {', '.join(unknown)}; materialize {asset} again"
    try:
        require_made_from(asset, made_from, current)
    except StoreError as error:
        return Finding(False, str(error))
    return Finding(not unknown, text)


def reproduce_stored(files: StoredFiles) -> CheckOutcome:
    """Predict every row by the stored fold models, and compare with what is stored."""

    def reproduced() -> Finding:
        predicted = average_splits(*predict_stored(files.models(), stored_tables(files)))
        return check_reproduced(files.table("oof_predictions"), predicted)

    return _attempt(REPRODUCED, reproduced)


def read_back_predictions(files: StoredFiles) -> CheckOutcome:
    """Check that stored predictions are the published ones, of the fold models that are stored.

    The check ``repeatable`` found, before they were published, that these models predict them
    to the bit; so if neither has changed since, they still do.
    """

    def unchanged() -> Finding:
        oof, fitted = files.table("oof_predictions"), files.models()
        fitted.verify()
        made_from = check_made_from(files, "oof_predictions", ["fitted_models"])
        found = (check_unaltered(oof), made_from)
        problems = [each.description for each in found if not each.passed]
        text = f"{len(oof):,} predictions, {len(fitted)} models: those of the check repeatable"
        return Finding.of(problems, text, {})

    return _attempt(REPRODUCED, unchanged)


def verdict_of(outcomes: Sequence[CheckOutcome]) -> CheckOutcome:
    """Return several outcomes as one."""
    failed = [outcome for outcome in outcomes if not outcome.passed]
    holds = f"{outcomes[0].description}; hold: {', '.join(outcome.name for outcome in outcomes)}"
    text = "; ".join(f"{outcome.name}: {outcome.description}" for outcome in failed) or holds
    values = {"predicates": len(outcomes), "failed_predicates": len(failed)}
    only_warns = bool(failed) and not failed_errors(outcomes)
    return STORED.outcome(Finding(not failed, text, values, only_warns))


def _attempt(
    check: Check, predicate: Callable[[], Finding], what: str = "cannot be evaluated"
) -> CheckOutcome:
    try:
        return check.outcome(predicate())
    except Exception as error:
        return check.outcome(_failure(error, what))


def _failure(error: Exception, what: str = "cannot be evaluated") -> Finding:
    """Return what is wrong; other errors than ours name their kind, since texts may be bare."""
    refused = lack_of_memory(error)
    if refused is not None:
        text = f"no verdict, for lack of memory ({refused or type(error).__name__})"
    elif isinstance(error, Model2Error):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}"
    return Finding(False, without_secrets(f"{what}: {text}" if what else text))
