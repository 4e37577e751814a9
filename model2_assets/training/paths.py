"""Paths: every prediction of every row, recombined into complete histories."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config import CrossValidationConfig
from model2_assets.cross_validation import PurgedEmbargoedTimeSeriesSplit
from model2_assets.panel import INDEX_NAMES
from model2_assets.storage.data_version import table_digest
from model2_assets.storage.provenance import (
    INPUTS,
    data_version_of,
    data_versions_of,
    facts_of,
    require_made_from,
    with_provenance,
)
from model2_assets.training.data import TrainingData
from model2_assets.training.models import StoredFoldModels
from model2_assets.training.out_of_fold import predict_stored_splits
from model2_assets.training.predict import SplitPredictions, mean_by_row, output_order


def recombine_predictions(predictions: SplitPredictions, data: TrainingData) -> pd.DataFrame:
    """List every prediction of every row with the split and the path that it belongs to.

    The n-th split that tests a row gives the row's part of path n: the rule of
    ``PurgedEmbargoedTimeSeriesSplit.path_ids`` [1]_, read from the roles, so that it holds
    for any splitter that tests every row equally often.

    Parameters
    ----------
    predictions : SplitPredictions
        Of every split of `data`.
    data : TrainingData
        Rows and groups.

    Returns
    -------
    DataFrame of shape (n_predictions, 7)
        Sorted by instrument, datetime, split. ``instrument``, ``datetime``; ``split_id``,
        ``path_id``, ``group_id`` (int16); ``prediction`` (float64, bps);
        ``prediction_std`` (float64, bps): sample standard deviation of the row's
        predictions, NaN where it has one.

    References
    ----------
    .. [1] M. López de Prado, "Advances in Financial Machine Learning", Wiley 2018,
       section 12.4.
    """
    place = np.empty(data.n_rows, dtype=np.int64)
    place[output_order(data)] = np.arange(data.n_rows)
    # Stable: the splits of a row stay in their order.
    order = np.argsort(place[predictions.row], kind="stable")
    row, prediction = predictions.row[order], predictions.prediction[order]
    columns = {name: data.index.get_level_values(name).take(row) for name in INDEX_NAMES}
    return pd.DataFrame(
        {
            **columns,
            "split_id": predictions.split_id[order],
            "path_id": _occurrence(row),
            "group_id": data.group_id[row],
            "prediction": prediction,
            "prediction_std": _spread_by_row(row, prediction, data.n_rows)[row],
        }
    )


def _occurrence(row: NDArray[np.intp]) -> NDArray[np.int16]:
    """Count from 0 the predictions of each row, where those of a row are adjacent."""
    is_first = np.diff(row, prepend=-1) != 0
    first = np.flatnonzero(is_first)
    occurrence = np.arange(len(row)) - first[np.cumsum(is_first) - 1]
    return np.asarray(occurrence, dtype=np.int16)


def _spread_by_row(
    row: NDArray[np.intp], prediction: NDArray[np.float64], n_rows: int
) -> NDArray[np.float64]:
    mean = mean_by_row(row, prediction, n_rows)
    squares = np.bincount(row, weights=(prediction - mean[row]) ** 2, minlength=n_rows)
    count = np.bincount(row, minlength=n_rows)
    variance = np.full(n_rows, np.nan)
    np.divide(squares, count - 1, out=variance, where=count > 1)
    spread: NDArray[np.float64] = np.sqrt(variance)
    return spread


@dataclass(frozen=True, eq=False)
class PathPlan:
    """How the predictions of a row are to recombine into paths.

    Attributes
    ----------
    n_paths : int
        Complete histories, and predictions of every tested row.
    path_of : ndarray of shape (n_splits, n_groups), int64
        Path of each tested group of each split; -1 where a split does not test a group.
    """

    n_paths: int
    path_of: NDArray[np.int64]

    @classmethod
    def of(cls, config: CrossValidationConfig) -> "PathPlan | None":
        """Return the plan of a configuration; None where our splitter does not make one.

        Parameters
        ----------
        config : CrossValidationConfig
            Scheme, groups and test groups.

        Returns
        -------
        PathPlan or None
            None for a splitter of your own and for a walk-forward.
        """
        if config.splitter is not None or config.scheme != "cpcv":
            return None
        splitter = PurgedEmbargoedTimeSeriesSplit(
            config.n_groups, n_test_groups=config.n_test_groups, embargo_days=config.embargo_days
        )
        path_of = np.full((splitter.n_splits, splitter.n_groups), -1, dtype=np.int64)
        np.put_along_axis(path_of, splitter.test_groups, splitter.path_ids(), axis=1)
        return cls(n_paths=splitter.n_paths, path_of=path_of)


@dataclass(frozen=True, eq=False)
class OutOfFoldPaths:
    """Every out-of-fold prediction, and what it has to agree with.

    Attributes
    ----------
    paths : DataFrame of shape (n_predictions, 7)
        As `recombine_predictions` returns it, with its provenance.
    oof : DataFrame of shape (n_rows, 2)
        The published means.
    expected : MultiIndex of shape (n_rows,)
        Rows that a split tests.
    plan : PathPlan or None
        How the paths are to be recombined, where the configuration says so.
    """

    paths: pd.DataFrame
    oof: pd.DataFrame
    expected: pd.MultiIndex
    plan: PathPlan | None

    @property
    def data_version(self) -> str:
        """Digest of the predictions."""
        return data_version_of(self.paths)


def make_paths(
    stored: StoredFoldModels,
    oof: pd.DataFrame,
    *,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    cv_splits: pd.DataFrame,
    config: CrossValidationConfig,
) -> OutOfFoldPaths:
    """Predict every row by every stored model that tests it.

    Parameters
    ----------
    stored : StoredFoldModels
        The fold models of one horizon and model.
    oof : DataFrame of shape (n_rows, 2)
        The stored out-of-fold predictions of the same models, with their provenance.
    features, labels, cv_splits : DataFrame
        Stored tables, with their provenance.
    config : CrossValidationConfig
        How the splits were made.

    Returns
    -------
    OutOfFoldPaths
        The predictions, each with split and path.

    Raises
    ------
    StoreError
        If the models were made from other tables, or `oof` from other models.
    """
    manifest = stored.manifest
    require_made_from(
        "oof_predictions",
        facts_of(oof).get(INPUTS, {}),
        {"fitted_models": manifest.data_version},
    )
    predictions, data = predict_stored_splits(
        stored, features=features, labels=labels, cv_splits=cv_splits
    )
    paths = recombine_predictions(predictions, data)
    marked = with_provenance(
        paths,
        data_version=table_digest(paths),
        inputs={
            **data_versions_of(
                features=features, labels=labels, cv_splits=cv_splits, oof_predictions=oof
            ),
            "fitted_models": manifest.data_version,
        },
        region=manifest.region,
        horizon=manifest.horizon,
        model=manifest.model,
        n_splits=data.n_splits,
        n_paths=int(paths["path_id"].max()) + 1,
    )
    return OutOfFoldPaths(
        paths=marked,
        oof=oof,
        expected=data.index[data.tested_rows],
        plan=PathPlan.of(config),
    )
