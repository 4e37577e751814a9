"""The cv_splits table: the role of every labelled row in every split."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config import CrossValidationConfig
from model2_assets.config.load import parse_section
from model2_assets.cross_validation.intervals import (
    horizon_keys,
    label_ends,
    label_positions,
    longest_label_end,
    panel_index_of,
)
from model2_assets.cross_validation.own_splitter import roles_of_own_splitter
from model2_assets.cross_validation.roles import (
    Role,
    RoleColumn,
    count_roles,
    horizon_columns,
    role_columns,
    split_horizons,
)
from model2_assets.cross_validation.splitter import PurgedEmbargoedTimeSeriesSplit
from model2_assets.cross_validation.walk_forward import WalkForwardSplit
from model2_assets.errors import CrossValidationError
from model2_assets.panel import date_codes, positions_in, to_canonical

UNEVEN = 4
"""Times the rows of the smallest fold that the largest may have before it is said."""


def build_cv_splits(
    features_index: pd.MultiIndex,
    labels: pd.DataFrame,
    config: CrossValidationConfig | Mapping[str, Any],
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
    config : CrossValidationConfig or mapping
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
        splitter of your own breaks the rules; ConfigError if it cannot be imported.
    """
    config = parse_section(CrossValidationConfig, config, origin="cross_validation")
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
            index, label_end=label_ends(labels, horizon, positions), unlabelled="leave_out"
        )
        for horizon in horizon_keys(labels)
    }
    return _as_table(index, cv.group_ids(index), roles_of)


def make_splitter(
    config: CrossValidationConfig,
) -> PurgedEmbargoedTimeSeriesSplit | WalkForwardSplit:
    """Return our splitter of the configured scheme."""
    if config.scheme == "walk_forward":
        return WalkForwardSplit(
            config.n_groups,
            window=config.window,
            train_groups=config.train_groups,
            embargo_days=config.embargo_days,
            balance=config.balance,
        )
    return PurgedEmbargoedTimeSeriesSplit(
        config.n_groups,
        n_test_groups=config.n_test_groups,
        embargo_days=config.embargo_days,
        balance=config.balance,
    )


def _ends_of_labelled_rows(features_index: pd.MultiIndex, labels: pd.DataFrame) -> pd.Series:
    keys = horizon_keys(labels)
    labelled = labels[[f"label_{key}" for key in keys]].notna().any(axis=1).to_numpy(dtype=bool)
    chosen = labelled
    if not features_index.equals(labels.index):
        chosen = labelled & (positions_in(features_index, labels.index) >= 0)
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


def count_samples(splits: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Count the labelled rows that every split trains on and tests, for every horizon.

    Returns ``horizon`` (such as ``21d``), ``split_id``, ``train`` and ``test`` (rows), a row for
    each horizon and split.
    """
    positions = label_positions(splits.index, labels)
    counts = []
    for horizon in horizon_keys(labels):
        labelled = labels[f"label_{horizon}"].notna().to_numpy()[positions]
        for column in horizon_columns(splits, horizon):
            found = count_roles(column.roles(splits)[labelled])
            counts.append((horizon, column.split_id, found["train"], found["test"]))
    return pd.DataFrame(counts, columns=["horizon", "split_id", "train", "test"])


def check_min_samples(
    splits: pd.DataFrame, labels: pd.DataFrame, *, min_samples: int
) -> pd.DataFrame:
    """Return the counts of `count_samples`; refuse fewer than `min_samples` in train or test.

    The error names the horizon, the split, the folds that it tests, and the counts.
    """
    counts = count_samples(splits, labels)
    short = counts[(counts["train"] < min_samples) | (counts["test"] < min_samples)]
    if len(short):
        horizon, split_id = str(short["horizon"].iloc[0]), int(short["split_id"].iloc[0])
        roles = horizon_columns(splits, horizon)[split_id].roles(splits)
        tested = splits["group_id"][roles == Role.TEST].unique()
        groups = ", ".join(str(group) for group in sorted(tested)) or "none"
        others = f" (and {len(short) - 1} more)" if len(short) > 1 else ""
        raise CrossValidationError(
            f"horizon {horizon}, split {split_id} testing fold {groups}: "
            f"{short['train'].iloc[0]} labelled train rows and {short['test'].iloc[0]} labelled "
            f"test rows, but cross_validation.min_samples is {min_samples}{others}; give more "
            f"history or instruments, or lower cross_validation.n_groups, embargo_days, "
            f"min_samples or labels.horizons"
        )
    return counts


def split_summary(splits: pd.DataFrame) -> pd.DataFrame:
    """Summarize every split: its test blocks, and rows and dates by role.

    Of each horizon (or ``longest``, where one set of splits serves all) and ``split_id``:
    ``test_groups`` (such as ``0, 3``); ``test_blocks``, the first and last date of each run of
    consecutive test dates; ``test_dates`` and ``train_dates``, distinct dates with a row in that
    role; and the rows in each `Role`, by its name in lower case.
    """
    dates = date_codes(splits.index)
    calendar = pd.DatetimeIndex(dates.values)
    group_id = splits["group_id"].to_numpy()
    records = []
    for column in role_columns(splits):
        roles = column.roles(splits)
        test = roles == Role.TEST
        test_dates = np.unique(dates.codes[test])
        records.append(
            {
                "horizon": column.purged_with,
                "split_id": column.split_id,
                "test_groups": ", ".join(str(group) for group in np.unique(group_id[test])),
                "test_blocks": _ranges(test_dates, calendar),
                "test_dates": len(test_dates),
                "train_dates": len(np.unique(dates.codes[roles == Role.TRAIN])),
                **count_roles(roles),
            }
        )
    return pd.DataFrame(records)


def _ranges(codes: NDArray[np.int64], calendar: pd.DatetimeIndex) -> str:
    runs = np.split(codes, np.flatnonzero(np.diff(codes) > 1) + 1) if len(codes) else []
    return "; ".join(f"{calendar[run[0]]:%Y-%m-%d} to {calendar[run[-1]]:%Y-%m-%d}" for run in runs)


def uneven_folds(splits: pd.DataFrame, config: CrossValidationConfig) -> str:
    """Say that folds are of very unequal rows, and what to set; empty where they are not."""
    tested = np.zeros(len(splits), dtype=bool)
    for column in role_columns(splits):
        tested |= column.roles(splits) == Role.TEST
    rows = splits["group_id"][tested].value_counts()
    if rows.empty or rows.max() <= UNEVEN * rows.min():
        return ""
    remedy = "set cross_validation.balance to rows"
    if config.splitter is not None:
        remedy = "have cross_validation.splitter cut dates by their rows"
    elif config.balance == "rows":
        remedy = "lower cross_validation.n_groups, or begin the history later"
    return (
        f"fold {rows.idxmax()} has {rows.max():,} rows and fold {rows.idxmin()} {rows.min():,}: a "
        f"score of the latter says little, and the mean over folds weighs both alike; {remedy}"
    )


def coverage_text(splits: pd.DataFrame) -> str:
    """Say how many rows are tested, and how often: all are, or the later ones walking forward.

    There is a phrase for each horizon with roles of its own, or a single one.
    """
    dates = splits.index.get_level_values("datetime")
    phrases = []
    for horizon in split_horizons(splits) or (None,):
        used = np.full(len(splits), horizon is None)
        n_tests = np.zeros(len(splits), dtype=np.int64)
        for column in horizon_columns(splits, horizon):
            roles = column.roles(splits)
            used |= roles != Role.UNUSED
            n_tests += roles == Role.TEST
        rows, tested = np.count_nonzero(used), np.count_nonzero(n_tests)
        times = f"each in {n_tests.max()} split{'' if n_tests.max() == 1 else 's'}"
        phrase = f"all {rows:,} rows are tested, {times}"
        if tested < rows:
            since = f", from {dates[n_tests > 0].min():%Y-%m-%d} on" if tested else ""
            phrase = (
                f"{tested:,} of {rows:,} rows ({tested / rows:.1%}) are tested, {times}{since}; "
                f"{rows - tested:,} are never tested, and scores and coverage do not speak of them"
            )
        phrases.append(f"{horizon}: {phrase}" if horizon else phrase)
    return "; ".join(phrases)
