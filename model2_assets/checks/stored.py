"""What is on disk, read again and checked afresh: every check that needs no refit."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from model2_assets.checks import inputs, models, predictions, summary
from model2_assets.checks.catalogue import (
    ON_DISK,
    REPRODUCED,
    STORED,
    Check,
    CheckOutcome,
    Finding,
    evaluate,
    failed_errors,
)
from model2_assets.checks.predictions import check_reproduced
from model2_assets.config import ChecksConfig, Model2Config, RegionConfig
from model2_assets.config.partition import Partition
from model2_assets.cross_validation.roles import split_ids
from model2_assets.errors import Model2Error, StoreError, lack_of_memory, without_secrets
from model2_assets.evaluation.scores import score_partition
from model2_assets.storage import Address, Store
from model2_assets.storage.data_version import data_version_of, require_made_from, table_digest
from model2_assets.storage.models import StoredFoldModels
from model2_assets.storage.record import Record
from model2_assets.training import Tables
from model2_assets.training.nested import expected_rows, prove_nested_splits
from model2_assets.training.predict import average_splits, predict_stored, rows_to_predict

_SHARED = ("market_data", "labels", "features", "cv_splits")
_MADE_FROM: Mapping[str, tuple[str, ...]] = {
    "labels": ("market_data",),
    "features": ("market_data",),
    "cv_splits": ("labels", "features"),
    "fitted_models": ("labels", "features", "cv_splits"),
    "oof_predictions": ("labels", "features", "cv_splits", "fitted_models"),
    "oof_paths": ("labels", "features", "cv_splits", "fitted_models", "oof_predictions"),
    "nested_oof": ("labels", "features", "cv_splits"),
    "feature_importance": ("fitted_models",),
    "final_models": ("labels", "features", "oof_predictions"),
    "live_predictions": ("market_data", "labels", "features", "oof_predictions", "final_models"),
}
"""What a result states to be made from. The others are compared with their inputs themselves."""


@dataclass(frozen=True, eq=False)
class StoredFiles:
    """What is on disk of a region, and of a partition; every file is read once."""

    store: Store
    config: Model2Config
    region: str
    partition: Partition | None = None
    _read: dict[Address, Any] = field(default_factory=dict)
    _records: dict[Address, Record] = field(default_factory=dict)

    @property
    def horizon(self) -> str:
        """Horizon of the partition, such as ``21d``."""
        return self.partition.horizon if self.partition else ""

    @property
    def settings(self) -> RegionConfig:
        """The region's own section of the configuration."""
        return self.config.region(self.region)

    @property
    def limits(self) -> ChecksConfig:
        """The limits of the checks."""
        return self.config.checks

    @property
    def partition_keys(self) -> tuple[str, ...]:
        """Keys of all partitions that the region has to have."""
        return tuple(partition.key for partition in self.config.partitions_of(self.region))

    @property
    def tables(self) -> Tables:
        """Features, labels and splits."""
        return Tables(self.table("features"), self.table("labels"), self.table("cv_splits"))

    def address(self, asset: str) -> Address:
        """Return where a result is: of the partition, or shared by all of the region."""
        partition = None if asset in _SHARED else self.partition
        return Address(self.region, asset, *(partition or ()))

    def table(self, asset: str) -> pd.DataFrame:
        """Read a table."""
        found: pd.DataFrame = self.load(self.address(asset))
        return found

    def models(self, asset: str = "fitted_models") -> StoredFoldModels:
        """Open models of the partition; their files are read when asked for."""
        opened: StoredFoldModels = self.load(self.address(asset))
        return opened

    def every(self, asset: str) -> dict[str, Any]:
        """Read an asset of every partition that has it, by partition key."""
        partitions = self.config.partitions_of(self.region)
        addresses = {each.key: Address(self.region, asset, *each) for each in partitions}
        return {key: self.load(at) for key, at in addresses.items() if self.store.exists(at)}

    def record(self, asset: str) -> Record:
        """Return what the store recorded of a result: its version, and those of its inputs."""
        address = self.address(asset)
        if address not in self._records:
            record = self.store.current_version(address)
            if record is None:
                raise StoreError(f"{self.store.path(address)}: not there, or not recorded")
            self._records[address] = record
        return self._records[address]

    def load(self, address: Address) -> Any:
        """Read a result, once."""
        if address not in self._read:
            self._read[address] = self.store.load(address)
        return self._read[address]


def _final_model(files: StoredFiles) -> models.FinalModelChecks:
    manifest, tables = files.models("final_models").manifest, files.tables
    n_train = [model.n_train for model in manifest.folds]
    return models.FinalModelChecks(n_train, manifest, tables.features, tables.labels)


def _out_of_fold(files: StoredFiles) -> predictions.OutOfFoldChecks:
    label, never_tested = rows_to_predict(
        files.tables,
        files.tables.roles(files.horizon),
        files.horizon,
        covers_history=files.settings.cross_validation.covers_history,
    )
    oof, limits = files.table("oof_predictions"), files.limits
    return predictions.OutOfFoldChecks(oof, limits.prediction_bps, label, never_tested, limits)


def _paths(files: StoredFiles) -> predictions.PathsChecks:
    roles = files.tables.roles(files.horizon)
    return predictions.PathsChecks(
        files.table("oof_paths"),
        files.limits.prediction_bps,
        files.table("oof_predictions"),
        roles.index[roles.tested_rows],
        predictions.path_plan(files.settings.cross_validation),
    )


def _nested(files: StoredFiles) -> predictions.NestedChecks:
    """Bring nested predictions together with their splits, which are proved again."""
    _, proof = prove_nested_splits(files.tables, files.settings.cross_validation)
    expected = expected_rows(files.tables.roles(files.horizon))
    nested, limit = files.table("nested_oof"), files.limits.prediction_bps
    return predictions.NestedChecks(nested, limit, expected, proof)


def _scores(files: StoredFiles) -> models.ScoresChecks:
    assert files.partition is not None
    recomputed = score_partition(
        files.table("oof_predictions"),
        files.table("oof_paths"),
        files.table("labels"),
        files.partition,
        execution_lag_days=files.settings.labels.execution_lag_days,
        n_trials=len(files.partition_keys),
    )
    return models.ScoresChecks(files.table("cv_scores"), recomputed)


def _live(files: StoredFiles) -> models.LiveChecks:
    assert files.partition is not None
    return models.LiveChecks(
        files.table("live_predictions"),
        files.limits.prediction_bps,
        market_data=files.table("market_data"),
        features=files.table("features"),
        label=files.table("labels")[f"label_{files.horizon}"],
        oof_paths=files.table("oof_paths"),
        bars=files.settings.labels.execution_lag_days + files.partition.days,
        psi_warn=files.limits.psi_warn,
    )


def _leaderboard(files: StoredFiles) -> summary.LeaderboardChecks:
    return summary.LeaderboardChecks(
        files.table("leaderboard"),
        scores=files.every("cv_scores"),
        oof=files.every("oof_predictions"),
        manifests={key: found.manifest for key, found in files.every("fitted_models").items()},
        partitions=files.partition_keys,
        limits=files.limits,
    )


SUBJECTS: Mapping[str, Callable[[StoredFiles], object]] = {
    "market_data": lambda files: inputs.MarketDataChecks(
        files.table("market_data"),
        files.config.schedule.timezone,
        files.settings.market_data.max_age_weekdays,
    ),
    "labels": lambda files: inputs.LabelsChecks(
        files.table("labels"), files.table("market_data"), files.settings.labels
    ),
    "features": lambda files: inputs.FeaturesChecks(
        files.table("features"), files.table("market_data"), files.settings.features, files.limits
    ),
    "cv_splits": lambda files: inputs.SplitsChecks(
        files.table("cv_splits"), files.table("labels"), files.settings.cross_validation.min_samples
    ),
    "fitted_models": lambda files: models.FoldModelsChecks(
        [fold.split_id for fold in files.models().manifest.folds],
        split_ids(files.table("cv_splits")),
    ),
    "oof_predictions": _out_of_fold,
    "oof_paths": _paths,
    "nested_oof": _nested,
    "feature_importance": lambda files: models.ImportanceChecks(
        files.table("feature_importance"), files.models().manifest.feature_names
    ),
    "cv_scores": _scores,
    "final_models": _final_model,
    "live_predictions": _live,
    "leaderboard": _leaderboard,
    "stacking_frame": lambda files: summary.StackingChecks(
        files.table("stacking_frame"),
        files.every("oof_predictions"),
        files.table("labels"),
        files.table("cv_splits"),
        files.partition_keys,
    ),
}
"""What builds the subject of an asset's checks from what is on disk; reports have none."""


def evaluate_stored(files: StoredFiles, asset: str) -> tuple[CheckOutcome, ...]:
    """Read a stored result again, and evaluate what is known to hold of it."""
    outcomes = [read_back(files, asset)]
    if outcomes[0].passed:
        try:
            outcomes.extend(_outcomes(files, asset))
        except Exception as error:
            outcomes.append(_on_disk("evaluated").outcome(_failure(error)))
    return tuple(outcomes)


def _outcomes(files: StoredFiles, asset: str) -> Iterator[CheckOutcome]:
    address = files.address(asset)
    if files.store.attestation(address) is not None:
        difference = files.store.difference_from_record(address, files.load(address))
        text = difference or "as it was recorded when it was published"
        yield _on_disk("recorded").outcome(Finding(difference is None, text))
    if asset in ("market_data", *_MADE_FROM, "stacking_frame") and address.product.contract:
        yield _on_disk("unaltered").outcome(check_unaltered(files.table(asset)))
    if asset in _MADE_FROM:
        yield _on_disk("made_from").outcome(check_made_from(files, asset, _MADE_FROM[asset]))
    if asset in SUBJECTS:
        yield from evaluate(asset, SUBJECTS[asset](files), stored=True)


def _on_disk(name: str) -> Check:
    return Check(ON_DISK[name], name=name)


def read_back(files: StoredFiles, asset: str) -> CheckOutcome:
    """Read a stored result as a whole: it is there, undamaged, and keeps its contract."""
    return _attempt(_on_disk("readable"), lambda: Finding(True, _read(files, asset)), what="")


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
        predicted = average_splits(*predict_stored(files.models(), files.tables))
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
