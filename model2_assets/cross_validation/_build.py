"""The cv_splits table: the role of every labelled row in every split."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config import CrossValidationConfig
from model2_assets.cross_validation._intervals import panel_index_of
from model2_assets.cross_validation._label_ends import (
    horizon_keys,
    label_end_of,
    label_positions,
    longest_label_end,
)
from model2_assets.cross_validation._own_splitter import SPLITTER_KEY, roles_of_own_splitter
from model2_assets.cross_validation._roles import RoleColumn
from model2_assets.cross_validation._splitter import PurgedEmbargoedTimeSeriesSplit
from model2_assets.cross_validation._walk_forward import WalkForwardSplit
from model2_assets.errors import CrossValidationError
from model2_assets.panel import to_canonical


def build_cv_splits(
    features_index: pd.MultiIndex, labels: pd.DataFrame, config: CrossValidationConfig
) -> pd.DataFrame:
    """Split the rows that have features and a label of at least one horizon.

    With ``purge: longest_horizon`` one set of splits serves every horizon: a row is purged
    with the end of the longest label that it has, so that no model that predicts row t saw
    a label overlapping t's longest window. Predictions of different horizons may then be
    put side by side. With ``purge: per_horizon`` every horizon has splits of its own, over
    the same groups, purged with that horizon's label ends: more train rows for the shorter
    ones, whose models do see labels overlapping the longer windows.

    With ``scheme: cpcv`` the splits train on the future of their test blocks, hence
    validate a forecaster and are not a backtest; a stacker's own score needs nested or
    walk-forward predictions besides. With ``scheme: walk_forward`` they train on the past
    alone, and the first groups are never tested.

    Parameters
    ----------
    features_index : MultiIndex of shape (n_feature_rows,)
        Rows ``(instrument, datetime)`` that have features.
    labels : DataFrame of shape (n_label_rows, n_columns)
        The labels table, with ``label_<h>d`` and ``label_end_<h>d``.
    config : CrossValidationConfig
        Scheme, groups, embargo, purge, and the class that replaces our splitter, if any.

    Returns
    -------
    DataFrame of shape (n_rows, 1 + n_columns)
        In canonical order. ``group_id`` int16: the group of the row's date, or for a
        splitter of your own the first split that tests the row (-1: none does).
        ``split_0`` … int8: a `Role`; per horizon ``split_0_21d`` …, where a row without
        that label is unused.

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
        return _as_table(index, group_id, {None: roles})
    cv = make_splitter(config)
    if config.purge == "longest_horizon":
        return _as_table(index, cv.group_ids(index), {None: cv.roles(index, label_end=label_end)})
    positions = label_positions(index, labels)
    roles_of: dict[str | None, NDArray[np.int8]] = {
        horizon: cv.roles(
            index,
            label_end=label_end_of(labels, horizon).to_numpy()[positions],
            unlabelled="leave_out",
        )
        for horizon in horizon_keys(labels)
    }
    return _as_table(index, cv.group_ids(index), roles_of)


def make_splitter(
    config: CrossValidationConfig,
) -> PurgedEmbargoedTimeSeriesSplit | WalkForwardSplit:
    """Return our splitter of the configured scheme.

    Parameters
    ----------
    config : CrossValidationConfig
        Names no splitter of the user's own.

    Returns
    -------
    PurgedEmbargoedTimeSeriesSplit or WalkForwardSplit
        It knows its ``test_groups``, ``n_paths`` and ``path_ids()``.

    Raises
    ------
    CrossValidationError
        If a splitter of the user's own is configured, which has no groups that we know of.
    """
    if config.splitter is not None:
        raise CrossValidationError(
            f"{SPLITTER_KEY} {config.splitter} replaces our splitter; leave it out to use ours"
        )
    if config.scheme == "walk_forward":
        return WalkForwardSplit(
            config.n_groups,
            window=config.window,
            train_groups=config.train_groups,
            embargo_days=config.embargo_days,
        )
    return PurgedEmbargoedTimeSeriesSplit(
        config.n_groups, n_test_groups=config.n_test_groups, embargo_days=config.embargo_days
    )


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
    index: pd.MultiIndex,
    group_id: NDArray[np.int16],
    roles_of: Mapping[str | None, NDArray[np.int8]],
) -> pd.DataFrame:
    names = [
        RoleColumn(horizon, split_id).name
        for horizon, roles in roles_of.items()
        for split_id in range(roles.shape[1])
    ]
    table = pd.DataFrame(np.hstack([*roles_of.values()]), index=index, columns=names)
    table.insert(0, "group_id", group_id)
    return table
