import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score

from model2_assets.cross_validation import (
    PurgedEmbargoedTimeSeriesSplit,
    Role,
    WalkForwardSplit,
    leave_group_out,
)
from model2_assets.errors import CrossValidationError
from model2_assets.panel import panel_index
from model2_assets_tests.cross_validation.panels import full_panel, one_series


def pairs(splitter, index, label_end):
    return [
        (train.tolist(), test.tolist())
        for train, test in splitter.split(index, label_end=label_end)
    ]


def test_three_folds_of_one_series_with_a_two_day_label():
    index, label_end = one_series(12, window=2)
    splitter = PurgedEmbargoedTimeSeriesSplit(3, embargo_days=1)
    assert pairs(splitter, index, label_end) == [
        ([7, 8, 9, 10, 11], [0, 1, 2, 3]),
        ([0, 1, 11], [4, 5, 6, 7]),
        ([0, 1, 2, 3, 4, 5], [8, 9, 10, 11]),
    ]


def test_roles_of_one_series_with_a_two_day_label():
    index, label_end = one_series(12, window=2)
    roles = PurgedEmbargoedTimeSeriesSplit(3, embargo_days=1).roles(index, label_end=label_end)
    assert roles.dtype == np.int8
    assert roles.T.tolist() == [
        [1, 1, 1, 1, 3, 3, 4, 0, 0, 0, 0, 0],
        [0, 0, 2, 2, 1, 1, 1, 1, 3, 3, 4, 0],
        [0, 0, 0, 0, 0, 0, 2, 2, 1, 1, 1, 1],
    ]


def test_two_test_groups_merge_where_adjacent_and_free_the_rows_between_where_not():
    index, label_end = one_series(12, window=1)
    splitter = PurgedEmbargoedTimeSeriesSplit(4, n_test_groups=2, embargo_days=1)
    roles = splitter.roles(index, label_end=label_end)
    assert splitter.test_groups.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    assert roles.T.tolist() == [
        [1, 1, 1, 1, 1, 1, 3, 4, 0, 0, 0, 0],
        [1, 1, 1, 3, 4, 2, 1, 1, 1, 3, 4, 0],
        [1, 1, 1, 3, 4, 0, 0, 0, 2, 1, 1, 1],
        [0, 0, 2, 1, 1, 1, 1, 1, 1, 3, 4, 0],
        [0, 0, 2, 1, 1, 1, 3, 4, 2, 1, 1, 1],
        [0, 0, 0, 0, 0, 2, 1, 1, 1, 1, 1, 1],
    ]


def test_a_row_purged_from_both_sides_is_purged_after():
    index, label_end = one_series(6, window=3)
    splitter = PurgedEmbargoedTimeSeriesSplit(3, n_test_groups=2, embargo_days=0)
    roles = splitter.roles(index, label_end=label_end)[:, 1]
    assert roles.tolist() == [1, 1, 3, 3, 1, 1]


def test_each_row_of_a_panel_is_purged_by_its_own_label_end():
    dates = pd.date_range("2024-01-01", periods=6)
    index = panel_index(["A", "B"] * 6, np.repeat(dates, 2))
    label_end = pd.DatetimeIndex(np.repeat(dates, 2)) + pd.to_timedelta([1, 3] * 6, unit="D")
    roles = PurgedEmbargoedTimeSeriesSplit(3, embargo_days=0).roles(index, label_end=label_end)
    assert roles[:, 1].reshape(6, 2).tolist() == [[0, 2], [2, 2], [1, 1], [1, 1], [3, 3], [3, 3]]


def test_label_ends_between_and_beyond_the_dates_of_the_panel():
    dates = pd.to_datetime(["2024-01-02", "2024-01-05", "2024-01-09", "2024-01-12"])
    index = panel_index(["A"] * 4, dates)
    label_end = pd.to_datetime(["2024-01-08", "2024-01-10", "2024-01-30", "2024-02-28"])
    roles = PurgedEmbargoedTimeSeriesSplit(2, embargo_days=0).roles(index, label_end=label_end)
    assert roles[:, 0].tolist() == [1, 1, 3, 0]
    assert roles[:, 1].tolist() == [0, 2, 1, 1]


def test_the_embargo_counts_dates_of_the_panel_and_stops_at_its_end():
    index, label_end = full_panel(3, 10, window=0)
    splitter = PurgedEmbargoedTimeSeriesSplit(5, embargo_days=3)
    roles = splitter.roles(index, label_end=label_end).reshape(10, 3, 5)
    assert (roles == roles[:, :1]).all()
    assert roles[:, 0, 0].tolist() == [1, 1, 4, 4, 4, 0, 0, 0, 0, 0]
    assert roles[:, 0, 3].tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 4, 4]
    assert roles[:, 0, 4].tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 1, 1]


def test_group_sizes_differ_by_at_most_one_date_and_the_first_are_longer():
    index, _ = full_panel(2, 11, window=0)
    groups = PurgedEmbargoedTimeSeriesSplit(4).group_ids(index)
    assert groups.dtype == np.int16
    assert groups[::2].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3]
    assert (groups[::2] == groups[1::2]).all()


def growing_panel(*n_instruments):
    """Return a panel with so many instruments on each date, and label ends on the same date."""
    dates = pd.bdate_range("2020-01-01", periods=len(n_instruments)).as_unit("us")
    names = [f"S{i}" for n in n_instruments for i in range(n)]
    index = panel_index(names, np.repeat(dates, n_instruments))
    return index, index.get_level_values("datetime")


SPLITTERS = (PurgedEmbargoedTimeSeriesSplit, WalkForwardSplit)


@pytest.mark.parametrize("splitter", SPLITTERS)
@pytest.mark.parametrize(
    ("n_instruments", "n_groups", "sizes"),
    [
        ([1, 1, 1, 1, 4, 4, 4], 2, [5, 2]),  # 8 and 8 rows, by dates 4 and 12
        ([1] * 10 + [10] * 2, 3, [10, 1, 1]),  # 10 rows each, by dates 4, 4 and 22
        ([3, 3, 3], 2, [1, 2]),  # as near to the half before the second as before the third
        ([9, 1, 1], 3, [1, 1, 1]),  # none is left without a date
        ([1, 1, 9], 3, [1, 1, 1]),
        ([2] * 12, 4, [3, 3, 3, 3]),  # as by dates, if all dates have equally many rows
    ],
)
def test_balanced_by_rows_groups_are_whole_dates_of_about_equal_rows(
    splitter, n_instruments, n_groups, sizes
):
    index, _ = growing_panel(*n_instruments)
    groups = splitter(n_groups, balance="rows").group_ids(index)
    expected = np.repeat(np.repeat(np.arange(n_groups), sizes), n_instruments)
    assert groups.tolist() == expected.tolist()


@pytest.mark.parametrize("seed", range(20))
def test_balanced_by_rows_a_group_is_off_by_no_more_than_a_date_at_either_end(seed):
    rng = np.random.default_rng(seed)
    n_instruments = np.sort(rng.integers(1, 40, size=60))
    index, label_end = growing_panel(*n_instruments)
    cv = PurgedEmbargoedTimeSeriesSplit(5, balance="rows")
    rows = np.bincount(cv.group_ids(index))
    assert abs(rows - len(index) / 5).max() <= n_instruments.max()
    tests = [len(test) for _, test in cv.split(index, label_end=label_end)]
    assert tests == rows.tolist()
    by_dates = np.bincount(PurgedEmbargoedTimeSeriesSplit(5).group_ids(index))
    assert np.ptp(by_dates) > 3 * np.ptp(rows)


@pytest.mark.parametrize("splitter", SPLITTERS)
def test_an_unknown_balance_is_refused(splitter):
    with pytest.raises(CrossValidationError, match="balance must be one of dates, rows, got 'x'"):
        splitter(3, balance="x")


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
@pytest.mark.parametrize("seed", [0, 1])
def test_row_order_and_datetime_unit_do_not_matter(seed, unit):
    index, label_end = full_panel(3, 20, window=3)
    splitter = PurgedEmbargoedTimeSeriesSplit(4, n_test_groups=2, embargo_days=2)
    expected = splitter.roles(index, label_end=label_end)
    order = np.random.default_rng(seed).permutation(len(index))
    shuffled = index[order]
    rebuilt = pd.MultiIndex.from_arrays(
        [
            shuffled.get_level_values("datetime").as_unit(unit),
            shuffled.get_level_values("instrument"),
        ],
        names=["datetime", "instrument"],
    )
    frame = pd.DataFrame({"x": 0.0}, index=rebuilt)
    roles = splitter.roles(frame, label_end=label_end[order])
    np.testing.assert_array_equal(roles, expected[order])


def test_split_gives_the_positions_of_roles_for_a_frame_a_series_and_an_index():
    index, label_end = full_panel(2, 12, window=2)
    splitter = PurgedEmbargoedTimeSeriesSplit(3, n_test_groups=2, embargo_days=1)
    roles = splitter.roles(index, label_end=label_end)
    frame = pd.DataFrame({"x": np.arange(24.0)}, index=index)
    for X in (index, frame, frame["x"]):
        found = list(splitter.split(X, label_end=label_end))
        assert len(found) == splitter.get_n_splits(X) == 3
        for split_id, (train, test) in enumerate(found):
            np.testing.assert_array_equal(train, np.flatnonzero(roles[:, split_id] == Role.TRAIN))
            np.testing.assert_array_equal(test, np.flatnonzero(roles[:, split_id] == Role.TEST))


def test_paths_of_six_choose_two_are_those_of_the_book():
    splitter = PurgedEmbargoedTimeSeriesSplit(6, n_test_groups=2)
    assert (splitter.n_splits, splitter.n_paths) == (15, 5)
    groups, paths = splitter.test_groups, splitter.path_ids()
    assert groups.shape == paths.shape == (15, 2)
    # Figure 12.2 of Lopez de Prado (2018) numbers the splits that test a group 1, 2, ...
    figure = np.zeros((6, 15), dtype=int)
    for split_id in range(15):
        figure[groups[split_id], split_id] = paths[split_id] + 1
    assert [row[row > 0].tolist() for row in figure] == [[1, 2, 3, 4, 5]] * 6
    assert np.flatnonzero(figure[0]).tolist() == [0, 1, 2, 3, 4]
    assert np.flatnonzero(figure[1]).tolist() == [0, 5, 6, 7, 8]
    assert np.flatnonzero(figure[5]).tolist() == [4, 8, 11, 13, 14]


@pytest.mark.parametrize(
    ("n_groups", "splits_of_path"),
    [
        (4, [[0, 0, 1, 2], [1, 3, 3, 4], [2, 4, 5, 5]]),
        (
            6,
            [
                [0, 0, 1, 2, 3, 4],
                [1, 5, 5, 6, 7, 8],
                [2, 6, 9, 9, 10, 11],
                [3, 7, 10, 12, 12, 13],
                [4, 8, 11, 13, 14, 14],
            ],
        ),
    ],
)
def test_each_path_takes_its_groups_from_the_splits_worked_out_by_hand(n_groups, splits_of_path):
    table = PurgedEmbargoedTimeSeriesSplit(n_groups, n_test_groups=2).path_table()
    for path_id, splits in enumerate(splits_of_path):
        assert table[splits, range(n_groups)].tolist() == [path_id] * n_groups
    assert np.count_nonzero(table >= 0) == n_groups * len(splits_of_path)


@pytest.mark.parametrize(("n_groups", "k"), [(2, 1), (5, 1), (5, 2), (6, 3), (7, 6)])
def test_every_path_holds_every_group_once(n_groups, k):
    splitter = PurgedEmbargoedTimeSeriesSplit(n_groups, n_test_groups=k)
    groups, paths = splitter.test_groups.ravel(), splitter.path_ids().ravel()
    cells = sorted(zip(paths.tolist(), groups.tolist(), strict=True))
    assert cells == [(p, g) for p in range(splitter.n_paths) for g in range(n_groups)]


@pytest.fixture
def labelled():
    index, label_end = full_panel(4, 40, window=2)
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(len(index), 3)), index=index, columns=list("abc"))
    y = X["a"] + rng.normal(size=len(index))
    with sklearn.config_context(enable_metadata_routing=True):
        yield X, y, pd.Series(label_end, index=index)


SPLITTERS = [
    PurgedEmbargoedTimeSeriesSplit(4, embargo_days=1),
    PurgedEmbargoedTimeSeriesSplit(4, n_test_groups=2),
    WalkForwardSplit(4),
    WalkForwardSplit(5, window="rolling", train_groups=2),
]


@pytest.mark.parametrize("cv", SPLITTERS, ids=repr)
@pytest.mark.parametrize("name", ["label_end", "ends"])
def test_scikit_learns_tools_score_the_splits_themselves(labelled, cv, name):
    X, y, label_end = labelled
    routed = clone(cv) if name == "label_end" else clone(cv).set_split_request(label_end=name)

    def score(alpha, train, test):
        fitted = Ridge(alpha).fit(X.iloc[train], y.iloc[train])
        return fitted.score(X.iloc[test], y.iloc[test])

    by_hand = {
        alpha: [score(alpha, *split) for split in cv.split(X, label_end=label_end)]
        for alpha in (0.1, 1e3)
    }
    scores = cross_val_score(Ridge(1e3), X, y, cv=routed, params={name: label_end})
    np.testing.assert_array_equal(scores, by_hand[1e3])

    search = clone(GridSearchCV(Ridge(), {"alpha": list(by_hand)}, cv=routed))
    search.fit(X, y, **{name: label_end})
    assert (search.n_splits_, search.best_params_) == (cv.n_splits, {"alpha": 0.1})
    means = [np.mean(values) for values in by_hand.values()]
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], means, rtol=1e-12)
    assert f"cv={cv!r}" in repr(search).replace("\n", "").replace(" " * 13, " ")


def test_cross_val_predict_takes_one_test_group_at_a_time_and_no_other(labelled):
    X, y, label_end = labelled
    one, two, forward, _ = SPLITTERS
    expected = np.full(len(y), np.nan)
    for train, test in one.split(X, label_end=label_end):
        expected[test] = Ridge().fit(X.iloc[train], y.iloc[train]).predict(X.iloc[test])
    params = {"label_end": label_end}
    np.testing.assert_array_equal(cross_val_predict(Ridge(), X, y, cv=one, params=params), expected)
    for others in (two, forward):
        with pytest.raises(ValueError, match="only works for partitions"):
            cross_val_predict(Ridge(), X, y, cv=others, params=params)


def test_the_example_of_the_page_runs(labelled):
    X, y, label_end = labelled
    labels = pd.DataFrame({"label_21d": y, "label_end_21d": label_end})
    labels.iloc[-4:, 0] = np.nan
    page = (Path(__file__).parents[2] / "docs/scores.md").read_text(encoding="utf-8")
    (*_, example) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    there = {"labels": labels, "features": X.iloc[4:]}
    exec(example, there)
    assert len(there["oof"]) == len(X) - 8
    assert np.isfinite(there["oof"]).all()
    assert there["search"].best_params_ == {"alpha": 100.0}


@pytest.mark.parametrize("cv", SPLITTERS, ids=repr)
def test_clones_and_copies_split_alike_and_are_apart(cv):
    index, label_end = full_panel(2, 40, window=2)
    again = clone(cv)
    assert again is not cv
    assert repr(again) == repr(cv) == repr(clone(cv).set_split_request(label_end="ends"))
    assert pairs(again, index, label_end) == pairs(cv, index, label_end)
    again.set_split_request(label_end=False)
    assert cv.get_metadata_routing().split.requests == {"label_end": True}
    assert clone(again).get_metadata_routing().split.requests == {"label_end": False}


def test_repr_can_be_evaluated():
    splitter = PurgedEmbargoedTimeSeriesSplit(6, n_test_groups=2, embargo_days=3, balance="rows")
    text = repr(splitter)
    assert text == (
        "PurgedEmbargoedTimeSeriesSplit(n_groups=6, n_test_groups=2, embargo_days=3, "
        "balance='rows')"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_groups": 1}, "n_groups must be an integer of at least 2, got 1"),
        ({"n_groups": 5.0}, "n_groups must be an integer"),
        ({"n_groups": True}, "n_groups must be an integer"),
        ({"n_test_groups": 0}, "n_test_groups must be an integer of at least 1"),
        ({"n_test_groups": 5}, r"n_test_groups \(5\) must be below n_groups \(5\)"),
        ({"embargo_days": -1}, "embargo_days must be an integer of at least 0"),
        ({"n_groups": 60, "n_test_groups": 30}, "splits, each a model fit"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(CrossValidationError, match=message):
        PurgedEmbargoedTimeSeriesSplit(**settings)


def test_too_few_dates_name_the_groups_and_the_counts():
    index, label_end = full_panel(50, 4, window=1)
    with pytest.raises(CrossValidationError, match=r"n_groups is 5 .* only 4 distinct dates"):
        PurgedEmbargoedTimeSeriesSplit(5).split(index, label_end=label_end)


def test_a_missing_label_end_names_the_row():
    index, label_end = full_panel(2, 6, window=1)
    faulty = label_end.to_numpy().copy()
    faulty[5] = np.datetime64("NaT")
    message = r"row 5 \(instrument S1 on 2020-01-03\) has no label end"
    with pytest.raises(CrossValidationError, match=message):
        PurgedEmbargoedTimeSeriesSplit(3).split(index, label_end=faulty)


def test_a_label_end_before_its_row_names_the_row():
    index, label_end = full_panel(2, 6, window=1)
    faulty = label_end.to_numpy().copy()
    faulty[4] = np.datetime64("2020-01-02T23:59")
    message = r"row 4 \(instrument S0 on 2020-01-03\) has a label end before its own date"
    with pytest.raises(CrossValidationError, match=message):
        PurgedEmbargoedTimeSeriesSplit(3).roles(index, label_end=faulty)


def test_label_ends_of_other_rows_are_refused():
    index, label_end = full_panel(2, 6, window=1)
    elsewhere = pd.Series(label_end, index=index[::-1])
    splitter = PurgedEmbargoedTimeSeriesSplit(3)
    with pytest.raises(CrossValidationError, match="indexed by other rows than X"):
        splitter.split(index, label_end=elsewhere)
    with pytest.raises(CrossValidationError, match="each of the 12 rows of X, got 11"):
        splitter.split(index, label_end=label_end[:-1])
    with pytest.raises(CrossValidationError, match="one date per row"):
        splitter.split(index, label_end=["soon"] * 12)
    with pytest.raises(CrossValidationError, match="without time zone"):
        splitter.split(index, label_end=label_end.tz_localize("UTC"))


def test_other_indices_are_refused():
    index, label_end = full_panel(2, 6, window=1)
    splitter = PurgedEmbargoedTimeSeriesSplit(3)
    with pytest.raises(CrossValidationError, match="X must be indexed by"):
        splitter.split(np.zeros((12, 1)), label_end=label_end)
    with pytest.raises(CrossValidationError, match="X must be indexed by"):
        splitter.split(pd.DataFrame({"x": range(12)}), label_end=label_end)
    with pytest.raises(CrossValidationError, match="no rows to split"):
        splitter.split(index[:0], label_end=label_end[:0])
    zoned = index.set_levels(index.levels[1].tz_localize("UTC"), level="datetime")
    with pytest.raises(CrossValidationError, match="without time zone"):
        splitter.split(zoned, label_end=label_end)
    missing = pd.MultiIndex.from_arrays(
        [["A", "B", "C"], pd.to_datetime(["2024-01-01", None, "2024-01-03"])],
        names=["instrument", "datetime"],
    )
    with pytest.raises(CrossValidationError, match="no datetime in row 1"):
        splitter.split(missing, label_end=label_end[:3])


def panel(n_dates, names="AB", seed=0, longest=4):
    """Return an index and label ends some dates later, a few beyond the last."""
    calendar = pd.bdate_range("2024-01-01", periods=n_dates + longest).as_unit("us")
    dates = np.repeat(np.arange(n_dates), len(names))
    index = panel_index(list(names) * n_dates, calendar[dates])
    ahead = np.random.default_rng(seed).integers(0, longest + 1, len(index))
    return index, calendar[dates + ahead]


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.integers(0, 3), st.integers(0, 99))
def test_given_our_own_groups_the_splits_are_our_own(n_groups, embargo_days, seed):
    index, end = panel(3 * n_groups + 1, seed=seed)
    cv = PurgedEmbargoedTimeSeriesSplit(n_groups, embargo_days=embargo_days)
    found = leave_group_out(index, cv.group_ids(index), label_end=end, embargo_days=embargo_days)
    pairs = zip(found, cv.split(index, label_end=end), strict=True)
    for number, (fold, (train, test)) in enumerate(pairs):
        assert fold.group_id == number
        np.testing.assert_array_equal(fold.train, train)
        np.testing.assert_array_equal(fold.test, test)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=4, max_size=14), st.integers(0, 99), st.booleans())
def test_no_train_row_touches_a_held_out_row_whatever_the_groups(of_date, seed, past_only):
    index, end = panel(len(of_date), seed=seed)
    groups = np.repeat(of_date, 2)
    start = index.get_level_values("datetime").to_numpy()
    stop = end.to_numpy()
    held_out = set()
    for fold in leave_group_out(index, groups, label_end=end, embargo_days=1, past_only=past_only):
        held_out.add(fold.group_id)
        np.testing.assert_array_equal(fold.test, np.flatnonzero(groups == fold.group_id))
        touches = (start[fold.train][:, None] <= stop[fold.test]) & (
            stop[fold.train][:, None] >= start[fold.test]
        )
        assert not touches.any()
        if past_only:
            assert (groups[fold.train] < fold.group_id).all()
    expected = sorted(set(of_date))
    assert held_out == set(expected[1:] if past_only else expected)


def test_a_date_in_two_groups_is_refused():
    index, end = panel(4)
    with pytest.raises(CrossValidationError, match="rows of one date are in groups 0 and 1"):
        list(leave_group_out(index, [0, 0, 0, 1, 1, 1, 1, 1], label_end=end))
    with pytest.raises(CrossValidationError, match="one group for each of the 8 rows of X, got 1"):
        list(leave_group_out(index, [0], label_end=end))
