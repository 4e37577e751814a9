"""The model that trades, refitted on every labelled row, and what it says of the latest rows."""

import logging
from dataclasses import replace

import numpy as np
import pandas as pd

from model2_assets.config import ExecutionConfig
from model2_assets.cross_validation.roles import Role
from model2_assets.errors import StoreError
from model2_assets.panel import (
    aligned,
    ends_history,
    histories,
    in_universe,
    positions_in,
    to_canonical,
)
from model2_assets.storage.data_version import (
    INPUTS,
    data_versions_of,
    facts_of,
    require_made_from,
)
from model2_assets.storage.models import Manifest, StoredFoldModels, TrainedRows
from model2_assets.training.base_models import predict_rows
from model2_assets.training.calibration import final_calibration
from model2_assets.training.data import (
    TrainingData,
    assemble_training_data,
    panel_rows,
    refuse_infinity,
    take_rows,
)
from model2_assets.training.fit import fit_all_rows
from model2_assets.training.fold_models import FittedModels, provenance_of, within_memory
from model2_assets.training.models import load_model
from model2_assets.training.resources import measure_resources, usable_cores
from model2_assets.training.search import ParameterSearch
from model2_assets.training.task import Task

logger = logging.getLogger(__name__)


def fit_final_model(
    task: Task,
    validated: Manifest,
    oof_predictions: pd.DataFrame,
    *,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    execution: ExecutionConfig,
) -> FittedModels:
    """Refit a model on every row with features and a label of its horizon.

    Trainer, parameters, seed, weights of rows and the limit on memory are those of the fold
    models; a parameter that every split has chosen itself becomes what the trainer makes of
    their choices, see `BaseModelTrainer.adopt`; those that are searched are searched once more, on
    inner folds of all rows. The slope of its predictions is the median of the splits', walking
    forward the last. Nothing is held out, so this model has no
    score of its own: that of the fold models, which have its settings and fewer rows, speaks
    for it.

    What was validated has to be what will trade: fold models of other settings than the task,
    and out-of-fold predictions of other models, features or labels, are refused.
    """
    task.require_same_settings("fitted_models", validated)
    versions = data_versions_of(features=features, labels=labels, oof_predictions=oof_predictions)
    require_made_from(
        "oof_predictions",
        facts_of(oof_predictions).get(INPUTS, {}),
        {**versions, "fitted_models": validated.data_version},
    )
    horizon = task.partition.horizon
    with measure_resources() as usage:
        rows = assemble_labelled_rows(
            features=features,
            labels=labels,
            horizon=horizon,
            n_groups=1 if task.search is None else task.cross_validation.n_groups,
            embargo_days=task.embargo_days,
        )
        data = task.weighted(rows, labels)
        data, _ = within_memory(task, data, execution)
        logger.info(
            "%s: fitting the final model on %s rows × %d features",
            task.partition.key,
            f"{data.n_rows:,}",
            len(data.feature_names),
        )
        chosen = [fold.chosen_params for fold in validated.folds]
        final = fit_all_rows(
            lambda: task.make_trainer().adopt(chosen),
            data,
            n_threads=execution.n_jobs or usable_cores(),
            search=ParameterSearch.of(task),
        )
        if task.calibrates:
            walks_forward = task.cross_validation.scheme == "walk_forward"
            calibration = final_calibration(
                final.trainer, data, validated, walks_forward=walks_forward
            )
            final = replace(final, calibration=calibration)
    provenance = replace(
        provenance_of(task, data, data_versions=versions, usage=usage),
        kind="final_model",
        trained_on=_trained_on(data, labels[f"label_end_{horizon}"]),
    )
    return FittedModels((final,), provenance)


def assemble_labelled_rows(
    *,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    horizon: str,
    n_groups: int = 1,
    embargo_days: int = 5,
) -> TrainingData:
    """Bring all rows with features and a label of a horizon together, in one split's train set.

    Inner folds are of as many groups of about equally many dates, with that embargo.
    """
    labelled = labels.filter([f"label_{horizon}"]).dropna().index
    shared = labelled[positions_in(features.index, labelled) >= 0]
    date = pd.factorize(shared.get_level_values("datetime"), sort=True)[0]
    roles = {
        "group_id": (date * n_groups // (date.max(initial=0) + 1)).astype(np.int16),
        "split_0": np.full(len(shared), Role.TRAIN, dtype=np.int8),
    }
    everything = to_canonical(pd.DataFrame(roles, index=shared))
    return assemble_training_data(
        features, labels, everything, horizon=horizon, embargo_days=embargo_days
    )


def _trained_on(data: TrainingData, label_end: pd.Series) -> TrainedRows:
    dates = data.index.get_level_values("datetime")
    ends = aligned(label_end, data.index)
    return TrainedRows(
        rows=data.n_rows,
        first_date=f"{dates.min():%Y-%m-%d}",
        last_date=f"{dates.max():%Y-%m-%d}",
        first_label_end=f"{ends.min():%Y-%m-%d}",
        last_label_end=f"{ends.max():%Y-%m-%d}",
    )


def find_live_rows(
    market_data: pd.DataFrame, features: pd.DataFrame, *, bars: int
) -> pd.MultiIndex:
    """Find the rows whose horizon has not ended, of instruments still trading.

    A row is live if it has features, its instrument has fewer than `bars` own bars after it, so
    that the bar at which its position ends is still to come, and its instrument has a bar on the
    last date of the panel, and is in the universe there.

    A row whose exit bar is there but which has no label, as after a long gap, is not live: its
    horizon is over. Nor are the last rows of an instrument that was delisted, is halted on the
    last date, or has left the universe: it cannot be traded. Bars outside the universe count, as
    they do for labels; those of another history do not. The rows are sorted by instrument, then
    datetime.
    """
    panel = to_canonical(market_data)
    index = panel_rows(panel)
    dates = index.get_level_values("datetime")
    is_tradable = np.asarray(dates == dates.max()) & in_universe(panel) & ~ends_history(panel)
    own = histories(panel)
    is_too_recent = own.earlier[own.newest] - own.earlier < bars
    live = index[is_too_recent & is_tradable[own.newest]]
    rows = live[positions_in(features.index, live) >= 0].sort_values()
    assert isinstance(rows, pd.MultiIndex)
    return rows


def extremes(live: pd.DataFrame, n_names: int = 10) -> pd.DataFrame:
    """Return the newest date's `n_names` highest and lowest predictions, from the highest down."""
    table = live.reset_index()
    newest = table[table["datetime"] == table["datetime"].max()]
    ranked = newest.sort_values(["prediction", "instrument"], ascending=[False, True])
    ranked.insert(0, "rank", np.arange(1, len(ranked) + 1))
    middle = ranked.iloc[n_names : max(len(ranked) - n_names, n_names)]
    ends: pd.DataFrame = ranked.drop(index=middle.index)
    return ends


def make_live(
    task: Task,
    stored: StoredFoldModels,
    *,
    market_data: pd.DataFrame,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    oof_predictions: pd.DataFrame,
    oof_paths: pd.DataFrame,
) -> pd.DataFrame:
    """Predict the rows that `find_live_rows` finds and that have no label: ``prediction`` in bps.

    A label of another builder may have ended before its horizon: then its position has.

    A final model of other settings, of other features (named) or of other versions of its
    inputs is refused; `oof_paths` is what the live predictions are compared with later.
    """
    manifest = stored.manifest
    task.require_same_settings("final_models", manifest)
    _require_same_features(manifest.feature_names, tuple(map(str, features.columns)))
    versions = data_versions_of(
        market_data=market_data, features=features, labels=labels, oof_predictions=oof_predictions
    )
    for asset, made_from in (
        ("features", facts_of(features).get(INPUTS, {})),
        ("labels", facts_of(labels).get(INPUTS, {})),
        ("final_models", manifest.data_versions),
        ("oof_paths", facts_of(oof_paths).get(INPUTS, {})),
    ):
        require_made_from(asset, made_from, versions)
    rows = find_live_rows(market_data, features, bars=task.bars)
    rows = rows[aligned(labels[f"label_{task.partition.horizon}"], rows).isna().to_numpy()]
    X = take_rows(features, positions_in(features.index, rows))
    refuse_infinity(X, rows, manifest.feature_names)
    prediction = predict_rows(load_model(stored, 0), X, np.arange(len(rows)))
    live = pd.DataFrame({"prediction": prediction}, index=rows)
    dates = rows.get_level_values("datetime")
    return task.mark(
        live,
        {**versions, "final_models": manifest.data_version},
        calibrations=manifest.calibrations,
        oldest_date=f"{dates.min():%Y-%m-%d}" if len(rows) else "",
        newest_date=f"{dates.max():%Y-%m-%d}" if len(rows) else "",
    )


def _require_same_features(trained: tuple[str, ...], present: tuple[str, ...]) -> None:
    """Refuse features of other names, or in another order, than a model was trained on."""
    unknown = [name for name in present if name not in trained]
    absent = [name for name in trained if name not in present]
    moved = [name for name, other in zip(present, trained, strict=False) if name != other]
    for names, problem in (
        (unknown, "features has {!r}, which final_models was not trained on"),
        (absent, "features lacks {!r}, which final_models was trained on"),
        (moved, "features has {!r} in another place than final_models was trained with"),
    ):
        if names:
            raise StoreError(f"{problem.format(names[0])}; materialize final_models again")
