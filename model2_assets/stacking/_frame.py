"""The out-of-fold columns of all models and horizons beside the labels."""

from collections.abc import Collection, Mapping
from functools import reduce

import numpy as np
import pandas as pd

from model2_assets.cross_validation import Role, role_columns, split_horizons
from model2_assets.data_version import table_digest
from model2_assets.errors import StoreError
from model2_assets.provenance import data_version_of, data_versions_of, with_provenance
from model2_assets.stacking._columns import PURGE, BaseColumn

PURGE_GUARANTEES: Mapping[str, str] = {
    "longest_horizon": (
        "purge longest_horizon: no prediction of a row comes from a model that saw a label "
        "overlapping the row's longest label window, so columns of all horizons may be stacked "
        "side by side"
    ),
    "per_horizon": (
        "purge per_horizon: no prediction of a row comes from a model that saw a label "
        "overlapping the row's window of the same horizon, but models of a shorter horizon did "
        "see labels overlapping its longer windows: stack columns of one horizon only"
    ),
}
"""What each purge mode guarantees of the columns, in words."""

NOT_GUARANTEED = (
    "a stacker's own score is not unbiased by that: the predictions of its train rows come "
    "from models that saw its test labels, unless they are nested (cross_validation.nested) or "
    "walk-forward"
)


def make_stacking_frame(
    oof: Mapping[str, pd.DataFrame],
    *,
    labels: pd.DataFrame,
    cv_splits: pd.DataFrame,
    partitions: Collection[str],
    region: str,
) -> pd.DataFrame:
    """Join the out-of-fold predictions of every partition, and the labels of their rows.

    Parameters
    ----------
    oof : mapping of str to DataFrame of shape (n_predictions, 2)
        Out-of-fold predictions by partition key, such as ``21d|ridge``, with their
        provenance.
    labels : DataFrame of shape (n_label_rows, 3 * n_horizons)
        The labels table.
    cv_splits : DataFrame of shape (n_split_rows, 1 + n_splits)
        The splits that the predictions were made with: say how they were purged.
    partitions : collection of str
        Keys of all partitions of the region, in the order that columns are to have.
    region : str
        Its name.

    Returns
    -------
    DataFrame of shape (n_rows, 1 + n_partitions + 2 * n_horizons)
        Every row that any partition predicts, once, sorted by instrument, then datetime.
        ``fold_id`` int16; ``oof_<h>d_<model>`` float64, bps, for every partition that is
        there, NaN where it does not predict the row; ``label_<h>d`` float64, bps, and
        ``label_end_<h>d`` datetime64[us] of every horizon, missing where the row has no
        such label. The provenance names the columns that are missing, the version of each
        that is there, and the purge mode with what it guarantees.

    Raises
    ------
    StoreError
        If there are no predictions at all.
    """
    present = [key for key in partitions if key in oof]
    if not present:
        raise StoreError(
            f"region {region} has no out-of-fold predictions to stack; materialize "
            f"oof_predictions of at least one of {', '.join(partitions)}"
        )
    columns = {key: BaseColumn.of_partition(key) for key in partitions}
    index = _union([oof[key].index for key in present])
    frame = pd.DataFrame({"fold_id": _fold_ids([oof[key] for key in present], index)}, index=index)
    for key in present:
        frame[columns[key].name] = oof[key]["prediction"].reindex(index).to_numpy()
    known = labels.reindex(index)
    for column in labels.columns:
        if str(column).startswith("label_"):
            frame[column] = known[column].to_numpy()
    purge = "per_horizon" if split_horizons(cv_splits) else "longest_horizon"
    return with_provenance(
        frame,
        data_version=table_digest(frame),
        inputs=data_versions_of(labels=labels, cv_splits=cv_splits),
        region=region,
        columns={columns[key].name: data_version_of(oof[key]) for key in present},
        missing_columns=[columns[key].name for key in partitions if key not in oof],
        **{PURGE: purge},
        guarantee=PURGE_GUARANTEES[purge],
        not_guaranteed=NOT_GUARANTEED,
        trained_on_past_only=_trained_on_past_only(cv_splits),
    )


def _union(indexes: list[pd.Index]) -> pd.MultiIndex:
    """Return the distinct rows of all tables, by instrument, then datetime."""
    distinct: list[pd.Index] = []
    for index in indexes:
        if not any(index.equals(other) for other in distinct):
            distinct.append(index)
    union = reduce(lambda left, right: left.union(right, sort=False), distinct).sort_values()
    assert isinstance(union, pd.MultiIndex)
    return union.remove_unused_levels()


def _fold_ids(tables: list[pd.DataFrame], index: pd.MultiIndex) -> pd.Series:
    """Return the fold of every row as the first table that has it says."""
    folds = pd.Series(-1, index=index, dtype="int16")
    for table in reversed(tables):
        folds.loc[table.index] = table["fold_id"].to_numpy()
    return folds


def _trained_on_past_only(cv_splits: pd.DataFrame) -> bool:
    """Tell whether no split trains on a date after the first that it tests."""
    dates = cv_splits.index.get_level_values("datetime").to_numpy()
    for column in role_columns(cv_splits):
        roles = column.roles(cv_splits)
        train, test = dates[roles == Role.TRAIN], dates[roles == Role.TEST]
        if len(train) and len(test) and train.max() >= np.min(test):
            return False
    return True
