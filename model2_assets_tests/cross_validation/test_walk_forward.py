import numpy as np
import pytest
from purgedcv import WalkForwardSplit as PurgedcvWalkForward
from skfolio.model_selection import WalkForward as SkfolioWalkForward
from sklearn.model_selection import TimeSeriesSplit

from model2_assets.cross_validation import WalkForwardSplit
from model2_assets.errors import CrossValidationError
from model2_assets_tests.cross_validation.panels import dates_of, full_panel, one_series


def pairs(splitter, index, label_end):
    return [
        (train.tolist(), test.tolist())
        for train, test in splitter.split(index, label_end=label_end)
    ]


def test_expanding_windows_of_one_series_with_a_two_day_label():
    index, label_end = one_series(12, window=2)
    splitter = WalkForwardSplit(4)
    assert splitter.test_groups.tolist() == [[1], [2], [3]]
    assert splitter.get_n_splits(index) == splitter.n_splits == 3
    assert splitter.roles(index, label_end=label_end).T.tolist() == [
        [0, 2, 2, 1, 1, 1, 5, 5, 5, 5, 5, 5],
        [0, 0, 0, 0, 2, 2, 1, 1, 1, 5, 5, 5],
        [0, 0, 0, 0, 0, 0, 0, 2, 2, 1, 1, 1],
    ]
    assert pairs(splitter, index, label_end)[1] == ([0, 1, 2, 3], [6, 7, 8])
    assert splitter.group_ids(index).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_the_first_model_may_train_on_several_groups():
    index, label_end = one_series(12, window=2)
    splitter = WalkForwardSplit(4, train_groups=3)
    assert splitter.roles(index, label_end=label_end).T.tolist() == [
        [0, 0, 0, 0, 0, 0, 0, 2, 2, 1, 1, 1]
    ]


def test_a_walk_forward_has_one_path():
    splitter = WalkForwardSplit(4, train_groups=2)
    assert (splitter.n_paths, splitter.path_ids().tolist()) == (1, [[0], [0]])


def test_a_rolling_window_leaves_older_groups_unused():
    index, label_end = one_series(12, window=4)
    roles = WalkForwardSplit(6, window="rolling", train_groups=2).roles(index, label_end=label_end)
    assert roles.T.tolist() == [
        [2, 2, 2, 2, 1, 1, 5, 5, 5, 5, 5, 5],
        [5, 5, 2, 2, 2, 2, 1, 1, 5, 5, 5, 5],
        [5, 5, 5, 5, 2, 2, 2, 2, 1, 1, 5, 5],
        [5, 5, 5, 5, 5, 5, 2, 2, 2, 2, 1, 1],
    ]
    shorter = WalkForwardSplit(4, window="rolling", train_groups=1)
    index, label_end = one_series(12, window=1)
    assert (
        shorter.roles(index, label_end=label_end)[:, 1].tolist()
        == [5] * 3 + [0, 0, 2] + [1] * 3 + [5] * 3
    )


def test_an_embargo_changes_nothing_since_nothing_after_the_test_group_trains():
    index, label_end = full_panel(3, 30, window=4)
    none = WalkForwardSplit(5, embargo_days=0).roles(index, label_end=label_end)
    long = WalkForwardSplit(5, embargo_days=20).roles(index, label_end=label_end)
    np.testing.assert_array_equal(none, long)


@pytest.mark.parametrize("settings", [{}, {"window": "rolling", "train_groups": 3}])
def test_no_model_sees_a_row_or_a_label_dated_on_or_after_its_first_test_date(settings):
    index, label_end = full_panel(4, 47, window=6)
    dates, ends = dates_of(index), np.asarray(label_end)
    for train, test in WalkForwardSplit(7, **settings).split(index, label_end=label_end):
        assert len(train)
        assert ends[train].max() < dates[test].min()


@pytest.mark.parametrize("n_groups", [3, 5, 9])
def test_labels_that_look_nowhere_agree_with_scikit_learn(n_groups):
    index, label_end = one_series(6 * n_groups, window=0)
    theirs = TimeSeriesSplit(n_groups - 1).split(np.zeros((len(index), 1)))
    expected = [(train.tolist(), test.tolist()) for train, test in theirs]
    assert pairs(WalkForwardSplit(n_groups), index, label_end) == expected


@pytest.mark.parametrize(("n_groups", "first", "window"), [(4, 1, 2), (6, 3, 5), (5, 2, 8)])
@pytest.mark.parametrize("n_instruments", [1, 3])
def test_expanding_windows_agree_with_purgedcv(n_instruments, n_groups, first, window):
    index, label_end = full_panel(n_instruments, 8 * n_groups, window=window)
    theirs = PurgedcvWalkForward(
        n_groups - first,
        8 * n_instruments,
        prediction_times=dates_of(index),
        evaluation_times=np.asarray(label_end) + np.timedelta64(1, "us"),
    )
    ours = WalkForwardSplit(n_groups, train_groups=first).split(index, label_end=label_end)
    for (train, test), (their_train, their_test) in zip(
        ours, theirs.split(np.zeros((len(index), 1))), strict=True
    ):
        np.testing.assert_array_equal(train, their_train)
        np.testing.assert_array_equal(test, their_test)


@pytest.mark.parametrize("window", [0, 3])
def test_expanding_windows_agree_with_skfolio(window):
    index, label_end = one_series(40, window=window)
    theirs = SkfolioWalkForward(
        test_size=8, train_size=16 - window, purged_size=window, expand_train=True
    ).split(np.zeros((40, 1)))
    expected = [(train.tolist(), test.tolist()) for train, test in theirs]
    assert pairs(WalkForwardSplit(5, train_groups=2), index, label_end) == expected


def test_rolling_windows_agree_with_purgedcv_where_nothing_is_purged():
    index, label_end = one_series(40, window=0)
    theirs = PurgedcvWalkForward(
        3,
        8,
        train_size=16,
        window="sliding",
        prediction_times=dates_of(index),
        evaluation_times=np.asarray(label_end) + np.timedelta64(1, "us"),
    ).split(np.zeros((40, 1)))
    expected = [(train.tolist(), test.tolist()) for train, test in theirs]
    splitter = WalkForwardSplit(5, window="rolling", train_groups=2)
    assert pairs(splitter, index, label_end) == expected


def test_repr_can_be_evaluated():
    text = repr(WalkForwardSplit(6, window="rolling", train_groups=2, embargo_days=3))
    assert text == (
        "WalkForwardSplit(n_groups=6, window='rolling', train_groups=2, embargo_days=3, "
        "balance='dates')"
    )
    assert repr(eval(text)) == text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_groups": 1}, "n_groups must be an integer of at least 2"),
        ({"window": "sliding"}, "window must be one of expanding, rolling, got 'sliding'"),
        ({"window": "rolling"}, "a rolling window needs train_groups"),
        ({"train_groups": 0}, "train_groups must be an integer of at least 1"),
        ({"train_groups": 2.0}, "train_groups must be an integer"),
        ({"train_groups": 5}, r"train_groups \(5\) must be below n_groups \(5\)"),
        ({"embargo_days": -1}, "embargo_days must be an integer of at least 0"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(CrossValidationError, match=message):
        WalkForwardSplit(**settings)


def test_too_few_dates_and_missing_label_ends_are_refused():
    index, label_end = full_panel(5, 4, window=1)
    with pytest.raises(CrossValidationError, match=r"n_groups is 5 .* only 4 distinct dates"):
        WalkForwardSplit(5).split(index, label_end=label_end)
    missing = label_end.to_numpy().copy()
    missing[7] = np.datetime64("NaT")
    with pytest.raises(CrossValidationError, match=r"row 7 .* has no label end"):
        WalkForwardSplit(3).roles(index, label_end=missing)
