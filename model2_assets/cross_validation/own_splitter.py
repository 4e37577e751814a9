"""A splitter of the user's own, under the same table and the same proof."""

import inspect
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config import CrossValidationConfig
from model2_assets.config.load import load_object
from model2_assets.cross_validation.intervals import RowIntervals, row_intervals
from model2_assets.cross_validation.roles import Role
from model2_assets.errors import CrossValidationError
from model2_assets.panel import row_name

SPLITTER_KEY = "cross_validation.splitter"

BoolArray = NDArray[np.bool_]


def roles_of_own_splitter(
    index: pd.MultiIndex, label_end: pd.Series, config: CrossValidationConfig
) -> tuple[NDArray[np.int16], NDArray[np.int8]]:
    """Turn what a splitter class yields into groups (n_rows,) and roles (n_rows, n_splits).

    The class is built from ``config.params``. Its ``split`` gets a frame without columns
    that has the panel index, and `label_end` where its signature takes it. A row in neither
    train nor test is purged where its interval [datetime, label end] touches a test row's
    (after, where a test row's interval contains the row's date; before, where it only
    reaches one that starts later), and embargoed where it touches none. Walking forward,
    no train row may be dated on or after the first test date of its split; rows need not
    all be tested; and a row left out is purged before where it is dated earlier and
    reaches a test row, unused otherwise. The group of a row is the first split that tests it,
    -1 where none does. Refused is what yields anything but valid row positions, trains on a row
    that it tests, does not test every row equally often, or walks forward and trains on the
    future.
    """
    rows = row_intervals(index, label_end)
    pairs = _yielded_pairs(index, label_end, config)
    if not pairs:
        raise CrossValidationError(f"{SPLITTER_KEY} {config.splitter} yields no split")
    forward = config.scheme == "walk_forward"
    roles = np.empty((len(index), len(pairs)), dtype=np.int8, order="F")
    for split_id, pair in enumerate(pairs):
        roles[:, split_id] = _roles_of_pair(rows, pair, split_id=split_id, forward=forward)
    tests = roles == Role.TEST
    n_tests = tests.sum(axis=1)
    _require_equal_tests(index, n_tests, str(config.splitter), forward=forward)
    group_id = np.where(n_tests > 0, tests.argmax(axis=1), -1).astype(np.int16)
    return group_id, roles


def _yielded_pairs(
    index: pd.MultiIndex, label_end: pd.Series, config: CrossValidationConfig
) -> list[Any]:
    splitter_class = load_object(str(config.splitter), key=SPLITTER_KEY)
    X = pd.DataFrame(index=index)
    try:
        split = splitter_class(**config.params).split
        return list(split(X, label_end=label_end) if _takes_label_end(split, X) else split(X))
    except Exception as error:
        raise CrossValidationError(
            f"{SPLITTER_KEY} {config.splitter} failed with {type(error).__name__}: {error}; "
            f"correct the class or cross_validation.params"
        ) from error


def _takes_label_end(split: Any, X: pd.DataFrame) -> bool:
    try:
        inspect.signature(split).bind(X, label_end=None)
    except TypeError:
        return False
    return True


def _roles_of_pair(
    rows: RowIntervals, pair: Any, *, split_id: int, forward: bool
) -> NDArray[np.int8]:
    try:
        train, test = pair
    except (TypeError, ValueError) as error:
        raise CrossValidationError(
            f"{SPLITTER_KEY}: split {split_id} is not a pair of train and test positions"
        ) from error
    train_rows = _row_mask(train, len(rows.start), what=f"train of split {split_id}")
    test_rows = _row_mask(test, len(rows.start), what=f"test of split {split_id}")
    both = train_rows & test_rows
    if both.any():
        raise CrossValidationError(
            f"{SPLITTER_KEY}: split {split_id} trains on {int(both.sum())} of the rows that it "
            f"tests, first row {int(np.argmax(both))}; keep train and test apart"
        )
    first = rows.start[test_rows].min(initial=rows.n_dates)
    late = np.count_nonzero(train_rows & (rows.start >= first))
    if forward and late:
        raise CrossValidationError(
            f"{SPLITTER_KEY}: split {split_id} trains on {late} rows dated on or after its "
            f"first test date; correct the class, or set cross_validation.scheme to cpcv"
        )
    if forward:
        reaches = (rows.start < first) & (rows.end >= first)
        roles = np.where(reaches, Role.PURGED_BEFORE, Role.UNUSED).astype(np.int8)
    else:
        roles = _roles_of_left_out(rows, test_rows)
    roles[train_rows] = Role.TRAIN
    roles[test_rows] = Role.TEST
    return roles


def _row_mask(positions: Any, n_rows: int, *, what: str) -> BoolArray:
    values = np.asarray(positions)
    mask = np.zeros(n_rows, dtype=bool)
    if values.size == 0:
        return mask
    if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer):
        raise CrossValidationError(
            f"{SPLITTER_KEY}: {what} must be a one-dimensional array of integer positions, got "
            f"{values.dtype} of shape {values.shape}"
        )
    if values.min() < 0 or values.max() >= n_rows:
        raise CrossValidationError(
            f"{SPLITTER_KEY}: {what} has positions from {values.min()} to {values.max()}, but "
            f"there are {n_rows} rows"
        )
    mask[values] = True
    if np.count_nonzero(mask) < values.size:
        repeated = np.argmax(np.bincount(values) > 1)
        raise CrossValidationError(
            f"{SPLITTER_KEY}: {what} has position {repeated} more than once; give each once"
        )
    return mask


def _roles_of_left_out(rows: RowIntervals, test_rows: BoolArray) -> NDArray[np.int8]:
    starts = np.bincount(rows.start[test_rows], minlength=rows.n_dates).cumsum()
    ends = np.bincount(rows.end[test_rows], minlength=rows.n_dates).cumsum()
    contains_date = (starts > np.concatenate([[0], ends[:-1]]))[rows.start]
    starts_later = starts[rows.end] > starts[rows.start]
    roles = np.full(len(rows.start), Role.EMBARGOED, dtype=np.int8)
    roles[starts_later] = Role.PURGED_BEFORE
    roles[contains_date] = Role.PURGED_AFTER
    return roles


def _require_equal_tests(
    index: pd.MultiIndex, n_tests: NDArray[np.int64], splitter: str, *, forward: bool
) -> None:
    most = max(int(n_tests.max()), 1)
    uneven = n_tests != most
    if forward and n_tests.any():
        uneven &= n_tests > 0
    if uneven.any():
        row = int(np.argmax(uneven))
        rule = "every row that it tests equally often" if forward else "every row equally often"
        scheme = "" if forward else ", or set cross_validation.scheme to walk_forward"
        raise CrossValidationError(
            f"{SPLITTER_KEY} {splitter} must test {rule} and at least once, but tests "
            f"{row_name(index, row)} {int(n_tests[row])} times and others {most} times; correct "
            f"the class{scheme}"
        )
