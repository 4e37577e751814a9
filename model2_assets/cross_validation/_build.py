"""The cv_splits table: the role of every labelled row in every split."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config import CrossValidationConfig
from model2_assets.cross_validation._intervals import panel_index_of
from model2_assets.cross_validation._label_ends import horizon_keys, longest_label_end
from model2_assets.cross_validation._own_splitter import roles_of_own_splitter
from model2_assets.cross_validation._roles import SPLIT_PREFIX
from model2_assets.cross_validation._splitter import PurgedEmbargoedTimeSeriesSplit
from model2_assets.errors import CrossValidationError
from model2_assets.panel import to_canonical


def build_cv_splits(
    features_index: pd.MultiIndex, labels: pd.DataFrame, config: CrossValidationConfig
) -> pd.DataFrame:
    """Split the rows that have features and a label of at least one horizon.

    One table serves every horizon: a row is purged with the end of the longest label that
    it has, so that no model that predicts row t saw a label overlapping t's longest window.
    Predictions of different horizons may then be put side by side. The splits train on
    the future of their test blocks, hence validate a forecaster and are not a backtest. A
    stacker's own score needs nested or walk-forward predictions besides.

    Parameters
    ----------
    features_index : MultiIndex of shape (n_feature_rows,)
        Rows ``(instrument, datetime)`` that have features.
    labels : DataFrame of shape (n_label_rows, n_columns)
        The labels table, with ``label_<h>d`` and ``label_end_<h>d``.
    config : CrossValidationConfig
        Groups, embargo, and the class that replaces our splitter, if any.

    Returns
    -------
    DataFrame of shape (n_rows, 1 + n_splits)
        In canonical order. ``group_id`` int16: the test group of the row's date, or for a
        splitter of your own the first split that tests the row. ``split_0`` … int8: a
        `Role`.

    Raises
    ------
    CrossValidationError
        If no row has features and a label, there are fewer dates than groups, or a
        splitter of your own breaks the rules.
    ConfigError
        If ``cross_validation.splitter`` cannot be imported.
    """
    label_end = _ends_of_labelled_rows(features_index, labels)
    index = panel_index_of(label_end)
    if config.splitter is not None:
        group_id, roles = roles_of_own_splitter(index, label_end, config)
    else:
        splitter = PurgedEmbargoedTimeSeriesSplit(
            config.n_groups,
            n_test_groups=config.n_test_groups,
            embargo_days=config.embargo_days,
        )
        group_id, roles = splitter.group_ids(index), splitter.roles(index, label_end=label_end)
    return _as_table(index, group_id, roles)


def _ends_of_labelled_rows(features_index: pd.MultiIndex, labels: pd.DataFrame) -> pd.Series:
    keys = horizon_keys(labels)
    labelled = labels[[f"label_{key}" for key in keys]].notna().to_numpy().any(axis=1)
    chosen: NDArray[np.bool_] = np.asarray(labelled, dtype=bool)
    if not features_index.equals(labels.index):
        chosen = np.asarray(labelled & labels.index.isin(features_index), dtype=bool)
    if not chosen.any():
        raise CrossValidationError(
            f"no row has both features and a label: {len(features_index)} rows have features "
            f"and {int(labelled.sum())} have a label; give more history, or shorten "
            f"labels.horizons or features.min_history_bars"
        )
    label_end = longest_label_end(labels)[chosen]
    return to_canonical(label_end.to_frame())["label_end"]


def _as_table(
    index: pd.MultiIndex, group_id: NDArray[np.int16], roles: NDArray[np.int8]
) -> pd.DataFrame:
    columns = [f"{SPLIT_PREFIX}{split_id}" for split_id in range(roles.shape[1])]
    table = pd.DataFrame(roles, index=index, columns=columns)
    table.insert(0, "group_id", group_id)
    return table
