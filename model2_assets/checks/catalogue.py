"""What is on disk, read again and checked afresh: every predicate that needs no refit."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from model2_assets.checks.controls import check_lookahead_control
from model2_assets.checks.inputs import (
    check_features_consistent,
    check_fresh,
    check_labels_consistent,
)
from model2_assets.checks.live import check_live
from model2_assets.checks.models import check_every_feature, check_stored_final_complete
from model2_assets.checks.oof import (
    check_coverage,
    check_finite,
    check_range,
    check_rank_ic_plausible,
    mean_rank_ic,
)
from model2_assets.checks.outcome import CheckOutcome, failed_errors
from model2_assets.checks.paths import check_nested, check_paths
from model2_assets.checks.splits import check_minimum_samples, check_no_label_overlap
from model2_assets.checks.summary import (
    check_same_inputs,
    check_scores_complete,
    check_stacking_frame,
    check_within_budget,
)
from model2_assets.config import ChecksConfig, Model2Config, RegionConfig
from model2_assets.config.partition import Partition, horizon_days
from model2_assets.errors import Model2Error, StoreError, lack_of_memory, without_secrets
from model2_assets.storage import Address, Store
from model2_assets.storage.data_version import table_digest
from model2_assets.storage.provenance import (
    INPUTS,
    data_version_of,
    data_versions_of,
    facts_of,
    require_made_from,
)

if TYPE_CHECKING:
    import pandas as pd

    from model2_assets.storage.models import StoredFoldModels


def check_unaltered(frame: pd.DataFrame) -> CheckOutcome:
    """Check that a table's values have the digest that its file states.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        The stored table, with its provenance.

    Returns
    -------
    CheckOutcome
        Named ``unaltered``.
    """
    stated, found = data_version_of(frame), table_digest(frame)
    description = f"data version {found[:12]}"
    if not stated:
        description = "the file states no data version; materialize it again"
    elif stated != found:
        description = (
            f"the values have data version {found[:12]}, the file states {stated[:12]}: it was "
            f"altered since it was written; materialize it again"
        )
    return CheckOutcome("unaltered", passed=stated == found, description=description)


def check_recorded(difference: str | None) -> CheckOutcome:
    """Check that what is on disk is what was recorded when it was published.

    Parameters
    ----------
    difference : str or None
        How it differs from the record; None where it does not.

    Returns
    -------
    CheckOutcome
        Named ``recorded``.
    """
    return CheckOutcome(
        "recorded",
        passed=difference is None,
        description=difference or "as it was recorded when it was published",
    )


def check_made_from(
    asset: str,
    frame: pd.DataFrame,
    *,
    versions: Mapping[str, str] | None = None,
    **inputs: pd.DataFrame,
) -> CheckOutcome:
    """Check that a stored table was made from what is stored now.

    Parameters
    ----------
    asset : str
        Name of the table.
    frame : DataFrame of shape (n_rows, n_columns)
        The stored table, with its provenance.
    versions : mapping of str to str, optional
        Data versions of inputs that are no tables.
    **inputs : DataFrame
        Stored tables that it is made from, by asset name.

    Returns
    -------
    CheckOutcome
        Named ``made_from``.
    """
    current = {**data_versions_of(**inputs), **(versions or {})}
    return _made_from(asset, facts_of(frame).get(INPUTS, {}), current)


def check_models_current(
    asset: str, made_from: Mapping[str, str], current: Mapping[str, str]
) -> CheckOutcome:
    """Check that stored models were made from the tables that are stored now.

    Parameters
    ----------
    asset : str
        Their name.
    made_from : mapping of str to str
        Data versions that their manifest names.
    current : mapping of str to str
        Data versions of what is stored.

    Returns
    -------
    CheckOutcome
        Named ``made_from``.
    """
    return _made_from(asset, made_from, current)


def check_splits_complete(found: Sequence[int], expected: Sequence[int]) -> CheckOutcome:
    """Check that every split has exactly one stored model.

    Parameters
    ----------
    found : sequence of int
        Splits that have a model.
    expected : sequence of int
        Splits that there are.

    Returns
    -------
    CheckOutcome
        Named ``complete``.
    """
    models, splits = sorted(found), sorted(expected)
    return CheckOutcome(
        "complete",
        passed=models == splits,
        description=f"models of splits {models}, expected {splits}",
        values={"models": len(models), "splits": len(splits)},
    )


def check_scores_current(scores: pd.DataFrame, recomputed: pd.DataFrame) -> CheckOutcome:
    """Check that stored scores are those of the stored predictions.

    Parameters
    ----------
    scores : DataFrame of shape (n_scores, 7)
        The stored scores.
    recomputed : DataFrame of shape (n_scores, 7)
        Those of the stored predictions.

    Returns
    -------
    CheckOutcome
        Named ``scores_current``. Values may differ by a billionth of themselves: other
        processors round otherwise.
    """
    keys = ["scope", "fold_id", "split_id", "path_id", "metric"]
    old, new = (frame.set_index(keys)["value"].sort_index() for frame in (scores, recomputed))
    same_rows = old.index.equals(new.index)
    close = (
        np.isclose(old, new, rtol=1e-9, atol=1e-12, equal_nan=True)
        if same_rows
        else np.zeros(0, dtype=bool)
    )
    wrong = int(np.count_nonzero(~close))
    description = f"{len(old):,} scores are those of the stored predictions"
    if not same_rows:
        description = (
            f"{len(old):,} scores are stored, of others than the {len(new):,} that the stored "
            f"predictions have; materialize cv_scores again"
        )
    elif wrong:
        scope, *_, metric = old.index[int(np.flatnonzero(~close)[0])]
        description = (
            f"{wrong:,} of {len(old):,} scores are not those of the stored predictions, first "
            f"{metric} of scope {scope}; materialize cv_scores again"
        )
    return CheckOutcome(
        "scores_current",
        passed=same_rows and not wrong,
        description=description,
        values={"scores": len(old), "wrong_scores": wrong},
    )


def check_board_current(board: pd.DataFrame, oof: Mapping[str, str]) -> CheckOutcome:
    """Warn where the leaderboard shows other predictions than those that are stored.

    Parameters
    ----------
    board : DataFrame of shape (n_partitions, n_columns)
        With ``horizon``, ``model`` and the ``data_version`` of the predictions.
    oof : mapping of str to str
        Data version of the stored predictions, by partition key.

    Returns
    -------
    CheckOutcome
        Named ``board_current``, of severity ``warn``.
    """
    shown = {
        f"{horizon}|{model}": str(version)
        for horizon, model, version in zip(
            board["horizon"], board["model"], board["data_version"], strict=True
        )
    }
    other = sorted(key for key in {*shown, *oof} if shown.get(key) != oof.get(key))
    return CheckOutcome(
        "board_current",
        passed=not other,
        severity="warn",
        description=f"shows other predictions than those stored of {', '.join(other)}; "
        f"materialize leaderboard again"
        if other
        else f"shows the stored predictions of {len(shown)} partitions",
        values={"partitions": len(shown), "other_partitions": len(other)},
    )


def _made_from(
    asset: str, made_from: Mapping[str, str], current: Mapping[str, str]
) -> CheckOutcome:
    unknown = sorted(set(current) - set(made_from))
    problem = f"states no version of {', '.join(unknown)}; materialize {asset} again"
    try:
        require_made_from(asset, made_from, current)
    except StoreError as error:
        unknown, problem = list(current), str(error)
    return CheckOutcome(
        "made_from",
        passed=not unknown,
        description=problem if unknown else f"made from the stored {', '.join(sorted(current))}",
    )


class StoredFiles:
    """What is on disk of a region; every file is read once, and nothing is written.

    Parameters
    ----------
    store : Store
        Where results are.
    config : Model2Config
        The configuration.
    region : str
        Name of the region.
    horizon, model : str, optional
        The partition, such as ``21d`` and ``ridge``.
    """

    def __init__(
        self,
        store: Store,
        config: Model2Config,
        region: str,
        horizon: str | None = None,
        model: str | None = None,
    ) -> None:
        self.store = store
        self.config = config
        self.region = region
        self.horizon = horizon or ""
        self.model = model or ""
        self._read: dict[Address, Any] = {}

    @property
    def settings(self) -> RegionConfig:
        """The region's own section of the configuration."""
        return self.config.region(self.region)

    @property
    def limits(self) -> ChecksConfig:
        """The limits of the checks."""
        return self.config.checks

    @property
    def partitions(self) -> tuple[tuple[str, str], ...]:
        """Horizon and model of every partition that the region has to have."""
        return tuple(
            (horizon, model)
            for horizon in self.settings.labels.horizon_keys
            for model in self.config.models_of(self.region)
        )

    @property
    def partition_keys(self) -> tuple[str, ...]:
        """Their keys, such as ``21d|ridge``."""
        return tuple(f"{horizon}|{model}" for horizon, model in self.partitions)

    def shared(self, asset: str) -> "pd.DataFrame":
        """Read a table that all partitions share, such as ``labels``.

        Raises
        ------
        StoreError, ContractError
            If it is not there, damaged, or breaks its contract.
        """
        table: pd.DataFrame = self._load(Address(self.region, asset))
        return table

    def own(self, asset: str) -> "pd.DataFrame":
        """Read a table of the partition, such as ``oof_predictions``.

        Raises
        ------
        StoreError, ContractError
            If it is not there, damaged, or breaks its contract.
        """
        table: pd.DataFrame = self._load(self.address(asset))
        return table

    def models(self, asset: str = "fitted_models") -> "StoredFoldModels":
        """Open models of the partition; their files are read when asked for.

        Raises
        ------
        StoreError
            If they are not there, or their manifest is damaged.
        """
        opened: StoredFoldModels = self._load(self.address(asset))
        return opened

    def is_recorded(self, asset: str) -> bool:
        """Tell whether anything is recorded of an asset outside of the store."""
        return self.store.attestation(self.address(asset)) is not None

    def difference_from_record(self, asset: str) -> str | None:
        """Say how an asset differs from what is recorded of it outside of the store."""
        address = self.address(asset)
        return self.store.difference_from_record(address, self._load(address))

    def every(self, asset: str) -> dict[str, Any]:
        """Read an asset of every partition that has it, by partition key."""
        addresses = {
            f"{horizon}|{model}": Address(self.region, asset, horizon, model)
            for horizon, model in self.partitions
        }
        return {
            key: self._load(address)
            for key, address in addresses.items()
            if self.store.exists(address)
        }

    def address(self, asset: str) -> Address:
        """Return where a result of the partition is; of the region where there is none."""
        return Address(self.region, asset, self.horizon or None, self.model or None)

    def _load(self, address: Address) -> Any:
        if address not in self._read:
            self._read[address] = self.store.load(address)
        return self._read[address]


def fitted_models_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored fold models."""
    from model2_assets.cross_validation.roles import split_ids
    from model2_assets.storage.provenance import data_versions_of

    manifest, splits = files.models().manifest, files.shared("cv_splits")
    yield check_splits_complete([fold.split_id for fold in manifest.folds], split_ids(splits))
    yield check_models_current(
        "fitted_models",
        manifest.data_versions,
        data_versions_of(
            labels=files.shared("labels"), features=files.shared("features"), cv_splits=splits
        ),
    )


def feature_importance_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored importances."""
    importance, manifest = files.own("feature_importance"), files.models().manifest
    yield check_unaltered(importance)
    yield check_made_from(
        "feature_importance", importance, versions={"fitted_models": manifest.data_version}
    )
    yield check_every_feature(importance, manifest.feature_names)


def final_models_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored final model."""
    from model2_assets.storage.provenance import data_versions_of

    manifest = files.models("final_models").manifest
    features, labels = files.shared("features"), files.shared("labels")
    yield check_models_current(
        "final_models",
        manifest.data_versions,
        data_versions_of(
            features=features, labels=labels, oof_predictions=files.own("oof_predictions")
        ),
    )
    yield check_stored_final_complete(manifest, features=features, labels=labels)


def oof_predictions_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored out-of-fold predictions; nothing is refitted."""
    from model2_assets.training import Tables
    from model2_assets.training.predict import rows_to_predict

    oof, labels, features = (
        files.own("oof_predictions"),
        files.shared("labels"),
        files.shared("features"),
    )
    splits, scheme = files.shared("cv_splits"), files.settings.cross_validation
    yield check_unaltered(oof)
    yield check_made_from(
        "oof_predictions",
        oof,
        labels=labels,
        features=features,
        cv_splits=splits,
        versions={"fitted_models": files.models().manifest.data_version},
    )
    tables = Tables(features, labels, splits)
    label, never_tested = rows_to_predict(
        tables, tables.roles(files.horizon), files.horizon, covers_history=scheme.covers_history
    )
    assert isinstance(label.index, pd.MultiIndex)
    yield check_coverage(oof, label.index, never_tested=never_tested)
    yield check_finite(oof)
    yield check_range(oof, limit_bps=files.limits.prediction_bps)
    yield check_rank_ic_plausible(mean_rank_ic(oof, label), limit=files.limits.rank_ic_warn)


def oof_paths_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored predictions of every path."""
    from model2_assets.training import Tables
    from model2_assets.training.predict import OutOfFoldPaths, PathPlan

    paths, oof = files.own("oof_paths"), files.own("oof_predictions")
    labels, features = files.shared("labels"), files.shared("features")
    splits = files.shared("cv_splits")
    yield check_unaltered(paths)
    yield check_made_from(
        "oof_paths",
        paths,
        labels=labels,
        features=features,
        cv_splits=splits,
        oof_predictions=oof,
        versions={"fitted_models": files.models().manifest.data_version},
    )
    roles = Tables(features, labels, splits).roles(files.horizon)
    yield from check_paths(
        OutOfFoldPaths(
            paths=paths,
            oof=oof,
            expected=roles.index[roles.tested_rows],
            plan=PathPlan.of(files.settings.cross_validation),
        ),
        limits=files.limits,
    )


def nested_oof_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored nested predictions; their splits are proved again."""
    from model2_assets.training import Tables
    from model2_assets.training.nested import stored_nested

    nested = files.own("nested_oof")
    labels, features = files.shared("labels"), files.shared("features")
    splits = files.shared("cv_splits")
    yield check_unaltered(nested)
    yield check_made_from("nested_oof", nested, labels=labels, features=features, cv_splits=splits)
    tables = Tables(features, labels, splits)
    candidate = stored_nested(nested, tables, files.settings.cross_validation, files.horizon)
    yield from check_nested(candidate, limits=files.limits)


def cv_scores_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored scores: they are those of the stored predictions."""
    from model2_assets.evaluation.scores import score_partition

    recomputed = score_partition(
        files.own("oof_predictions"),
        files.own("oof_paths"),
        files.shared("labels"),
        Partition(files.horizon, files.model),
        execution_lag_days=files.settings.labels.execution_lag_days,
        n_trials=len(files.partitions),
    )
    yield check_scores_current(files.own("cv_scores"), recomputed)


def live_predictions_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored live predictions."""
    from model2_assets.training.live import LivePredictions

    live, paths = files.own("live_predictions"), files.own("oof_paths")
    panel, labels = files.shared("market_data"), files.shared("labels")
    features = files.shared("features")
    yield check_unaltered(live)
    yield check_made_from(
        "live_predictions",
        live,
        market_data=panel,
        labels=labels,
        features=features,
        oof_predictions=files.own("oof_predictions"),
        versions={"final_models": files.models("final_models").manifest.data_version},
    )
    bars = files.settings.labels.execution_lag_days + horizon_days(files.horizon)
    yield from check_live(
        LivePredictions(live, bars),
        market_data=panel,
        labels=labels,
        features=features,
        oof_paths=paths,
        horizon=files.horizon,
        limits=files.limits,
    )


def market_data_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored market data."""
    panel = files.shared("market_data")
    yield check_unaltered(panel)
    yield check_fresh(
        panel.index.get_level_values("datetime").max().date(),
        now=datetime.now(UTC),
        timezone=files.config.schedule.timezone,
        max_age_weekdays=files.settings.market_data.max_age_weekdays,
    )


def labels_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored labels."""
    labels, panel = files.shared("labels"), files.shared("market_data")
    yield check_unaltered(labels)
    yield check_made_from("labels", labels, market_data=panel)
    yield check_labels_consistent(
        labels,
        panel,
        horizons=files.settings.labels.horizon_keys,
        execution_lag_days=files.settings.labels.execution_lag_days,
    )


def features_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored features; history is cut and they are computed again."""
    from model2_assets.checks.controls import lookahead_control

    features, panel = files.shared("features"), files.shared("market_data")
    yield check_unaltered(features)
    yield check_made_from("features", features, market_data=panel)
    yield check_features_consistent(features, panel)
    yield check_lookahead_control(
        lookahead_control(
            features,
            panel,
            files.settings.features,
            n_dates=files.limits.lookahead_control_dates,
            seed=files.limits.controls_seed,
        )
    )


def cv_splits_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored splits, counted from the stored labels."""
    from model2_assets.cross_validation import prove_no_overlap

    splits, labels = files.shared("cv_splits"), files.shared("labels")
    yield check_unaltered(splits)
    yield check_made_from("cv_splits", splits, labels=labels, features=files.shared("features"))
    yield check_no_label_overlap(prove_no_overlap(splits, labels))
    yield check_minimum_samples(
        splits, labels, min_samples=files.settings.cross_validation.min_samples
    )


def leaderboard_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored leaderboard and of the partitions that it compares."""
    from model2_assets.evaluation.leaderboard import folds_of
    from model2_assets.storage.provenance import data_version_of

    scores, oof = files.every("cv_scores"), files.every("oof_predictions")
    manifests = {key: found.manifest for key, found in files.every("fitted_models").items()}
    yield check_board_current(
        files.shared("leaderboard"), {key: data_version_of(table) for key, table in oof.items()}
    )
    yield check_scores_complete(
        scores,
        partitions=files.partition_keys,
        n_folds=folds_of(oof),
        n_splits={key: len(manifest.folds) for key, manifest in manifests.items()},
    )
    yield check_same_inputs(oof, models={key: kept.data_version for key, kept in manifests.items()})
    yield check_within_budget(
        sum(manifest.total_bytes for manifest in manifests.values()), budgets=files.limits
    )


def stacking_frame_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored stacking frame, compared with the stored predictions."""
    frame = files.shared("stacking_frame")
    yield check_unaltered(frame)
    yield from check_stacking_frame(
        frame,
        files.every("oof_predictions"),
        labels=files.shared("labels"),
        cv_splits=files.shared("cv_splits"),
        partitions=files.partition_keys,
    )


Predicates = Callable[[StoredFiles], Iterator[CheckOutcome]]

PREDICATES: Mapping[str, Predicates] = {
    "market_data": market_data_outcomes,
    "labels": labels_outcomes,
    "features": features_outcomes,
    "cv_splits": cv_splits_outcomes,
    "fitted_models": fitted_models_outcomes,
    "oof_predictions": oof_predictions_outcomes,
    "oof_paths": oof_paths_outcomes,
    "nested_oof": nested_oof_outcomes,
    "feature_importance": feature_importance_outcomes,
    "cv_scores": cv_scores_outcomes,
    "final_models": final_models_outcomes,
    "live_predictions": live_predictions_outcomes,
    "leaderboard": leaderboard_outcomes,
    "stacking_frame": stacking_frame_outcomes,
}
"""What yields the outcomes of an asset that can be read, by asset."""


def evaluate_stored(files: StoredFiles, asset: str) -> tuple[CheckOutcome, ...]:
    """Read a stored result again, and evaluate what is known to hold of it.

    Parameters
    ----------
    files : StoredFiles
        What is on disk.
    asset : str
        The asset to look at.

    Returns
    -------
    tuple of CheckOutcome
        ``readable`` first; the predicates of `PREDICATES` follow where it is, and before them
        ``recorded`` where something is recorded of it outside of the store. One that cannot be
        evaluated, since a file that it needs is missing or damaged, is a failure.
    """
    outcomes = [read_back(files, asset)]
    if outcomes[0].passed and files.is_recorded(asset):
        outcomes.append(check_recorded(files.difference_from_record(asset)))
    if outcomes[0].passed and asset in PREDICATES:
        try:
            outcomes.extend(PREDICATES[asset](files))
        except Exception as error:
            outcomes.append(_failure("evaluated", "cannot be evaluated", error))
    return tuple(outcomes)


def read_back(files: StoredFiles, asset: str) -> CheckOutcome:
    """Read a stored result as a whole: it is there, undamaged, and keeps its contract.

    Parameters
    ----------
    files : StoredFiles
        What is on disk.
    asset : str
        The asset to look at.

    Returns
    -------
    CheckOutcome
        Named ``readable``; fold models are compared with the hashes in their manifest.
    """
    address = files.address(asset)
    try:
        if address.product.format == "fold_models":
            models = files.models(asset)
            models.verify()
            size = models.manifest.total_bytes / 1e6
            text = f"{len(models)} models, {size:,.2f} MB, are as their manifest says"
        elif address.product.contract is None:
            files.store.verify(address)
            text = f"{address} can be read"
        else:
            if address.product.as_matrix:
                files.store.verify(address)
            text = f"{len(files.own(asset)):,} rows keep {address.product.contract}"
    except Exception as error:
        return _failure("readable", "", error)
    return CheckOutcome("readable", passed=True, description=text)


def reproduce_stored(files: StoredFiles) -> CheckOutcome:
    """Predict every row by the stored fold models, and compare with what is stored.

    Parameters
    ----------
    files : StoredFiles
        What is on disk of a partition.

    Returns
    -------
    CheckOutcome
        Named ``stored_models_reproduce_oof``; a file that is missing or damaged fails it.
    """
    from model2_assets.checks.oof import check_reproduced
    from model2_assets.training import Tables
    from model2_assets.training.predict import average_splits, predict_stored

    try:
        tables = Tables(*map(files.shared, ("features", "labels", "cv_splits")))
        predictions, data = predict_stored(files.models(), tables)
        predicted = average_splits(predictions, data)
        return check_reproduced(files.own("oof_predictions"), predicted)
    except Exception as error:
        return _failure("stored_models_reproduce_oof", "cannot be evaluated", error)


def read_back_predictions(files: StoredFiles) -> CheckOutcome:
    """Check that stored predictions are the published ones, of the fold models that are stored.

    The check ``repeatable`` found, before they were published, that these models predict them
    to the bit; so if neither has changed since, they still do.

    Parameters
    ----------
    files : StoredFiles
        What is on disk of a partition.

    Returns
    -------
    CheckOutcome
        Named ``stored_models_reproduce_oof``; a file that is missing or damaged fails it.
    """
    try:
        oof, models = files.own("oof_predictions"), files.models()
        models.verify()
        found = (
            check_unaltered(oof),
            check_made_from(
                "oof_predictions", oof, versions={"fitted_models": models.manifest.data_version}
            ),
        )
    except Exception as error:
        return _failure("stored_models_reproduce_oof", "cannot be evaluated", error)
    problems = [outcome.description for outcome in found if not outcome.passed]
    return CheckOutcome(
        "stored_models_reproduce_oof",
        passed=not problems,
        description="; ".join(problems)
        or f"{len(oof):,} predictions and {len(models)} models are those of the check repeatable",
    )


def verdict_of(outcomes: Sequence[CheckOutcome]) -> CheckOutcome:
    """Return several outcomes as one.

    Parameters
    ----------
    outcomes : sequence of CheckOutcome
        What was found.

    Returns
    -------
    CheckOutcome
        Named ``stored``; names every predicate that fails, or all that hold. Its severity
        is ``error`` if one of severity error fails, ``warn`` if only others do.
    """
    failed = [outcome for outcome in outcomes if not outcome.passed]
    only_warns = bool(failed) and not failed_errors(outcomes)
    holds = f"{outcomes[0].description}; hold: {', '.join(outcome.name for outcome in outcomes)}"
    return CheckOutcome(
        "stored",
        passed=not failed,
        severity="warn" if only_warns else "error",
        description="; ".join(f"{outcome.name}: {outcome.description}" for outcome in failed)
        or holds,
        values={"predicates": len(outcomes), "failed_predicates": len(failed)},
    )


def _failure(name: str, what: str, error: Exception) -> CheckOutcome:
    """Return what is wrong; other errors than ours name their kind, since texts may be bare."""
    refused = lack_of_memory(error)
    if refused is not None:
        text = f"no verdict, for lack of memory ({refused or type(error).__name__})"
    elif isinstance(error, Model2Error):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}"
    text = without_secrets(f"{what}: {text}" if what else text)
    return CheckOutcome(name, passed=False, description=text)
