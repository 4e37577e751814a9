import numpy as np
import pandas as pd
import pytest

from model2_assets.config import CrossValidationConfig
from model2_assets.cross_validation import (
    PurgedEmbargoedTimeSeriesSplit,
    build_cv_splits,
    prove_no_overlap,
)
from model2_assets.errors import ConfigError, CrossValidationError
from model2_assets_tests.checks.builders import check_embargo_kept, check_no_label_overlap
from model2_assets_tests.cross_validation.panels import two_horizons

HERE = __name__


def own(splitter: str, **params: object) -> CrossValidationConfig:
    return CrossValidationConfig(splitter=f"{HERE}:{splitter}", params=params)


class OursAgain(PurgedEmbargoedTimeSeriesSplit):
    """Takes the same path as any class of the user's own."""


@pytest.mark.parametrize("n_test_groups", [1, 2])
def test_our_splitter_named_as_the_users_own_gives_the_same_roles(n_test_groups):
    labels = two_horizons(3, 40)
    settings = {"n_groups": 5, "n_test_groups": n_test_groups, "embargo_days": 3}
    ours = build_cv_splits(labels.index, labels, CrossValidationConfig(**settings))
    theirs = build_cv_splits(labels.index, labels, own("OursAgain", **settings))
    columns = ours.columns[1:] if n_test_groups > 1 else ours.columns
    pd.testing.assert_frame_equal(theirs[columns], ours[columns])


def test_scikit_learns_kfold_is_taken_and_the_proof_finds_its_leaks():
    labels = two_horizons(2, 20)
    config = CrossValidationConfig(splitter="sklearn.model_selection:KFold", params={"n_splits": 2})
    splits = build_cv_splits(labels.index, labels, config)
    assert splits["group_id"].tolist() == [0] * 19 + [1] * 19
    proof = prove_no_overlap(splits, labels)
    assert proof.per_split["overlaps"].tolist() == [7, 7]


@pytest.mark.parametrize("n_test_groups", [1, 2])
def test_an_embargo_that_an_own_splitter_ignores_fails_its_check(n_test_groups):
    labels = two_horizons(3, 200)
    asked = {"n_groups": 5, "n_test_groups": n_test_groups}
    config = own("OursAgain", **asked, embargo_days=0).model_copy(update={"embargo_days": 50})
    splits = build_cv_splits(labels.index, labels, config)
    assert check_no_label_overlap(splits, labels).passed

    found = check_embargo_kept(splits, labels, embargo_days=50)

    assert (found.name, found.passed, found.severity) == ("embargo_kept", False, "error")
    assert found.rejects
    proof = prove_no_overlap(splits, labels, embargo_days=50)
    rows = proof.per_split["in_embargo"]
    # 199 dates can be split, 40 of them a group; labels look 3 dates further, and then 3 names
    # train on each of 50 dates.
    assert rows[0] == 150
    dates = labels.index.get_level_values("datetime").unique()
    first = dates[n_test_groups * 40 + 3]
    assert found.description == (
        f"split 0: 150 train rows, first S0 {first:%Y-%m-%d} (label to "
        f"{dates[n_test_groups * 40 + 6]:%Y-%m-%d}), on date 1 after a test block's latest label "
        f"end, where the embargo is 50 dates (in all splits {rows.sum():,} such rows): have "
        f"cross_validation.splitter leave them out, or set cross_validation.embargo_days to 0, "
        f"which these splits keep"
    )
    assert dict(found.values) == {
        "embargo_days": 50,
        "train_rows_in_embargo": rows.sum(),
        "smallest_distance_before": 1,
        "smallest_distance_after": 1,
    }
    kept = build_cv_splits(labels.index, labels, own("OursAgain", **asked, embargo_days=50))
    passed = check_embargo_kept(kept, labels, embargo_days=50)
    assert passed.passed
    assert passed.description == (
        "embargo of 50 dates: the smallest distance after a test block's latest label end is 51, "
        "before a test block 1, in dates of the splits"
    )


class Leaves:
    """Tests each half; leaves out four dates on either side of the boundary."""

    def split(self, X, *, label_end):
        assert label_end.index.equals(X.index)
        rows = np.arange(len(X))
        yield rows[rows >= 14], rows[:10]
        yield rows[:6], rows[10:]


def test_rows_left_out_are_told_apart_by_whether_they_touch_a_test_interval():
    labels = two_horizons(1, 20)
    splits = build_cv_splits(labels.index, labels, own("Leaves"))
    assert splits["group_id"].tolist() == [0] * 10 + [1] * 9
    assert splits["split_0"].tolist() == [1] * 10 + [3, 3, 3, 4] + [0] * 5
    assert splits["split_1"].tolist() == [0] * 6 + [4] + [2] * 3 + [1] * 9


def test_scikit_learns_time_series_split_is_taken_walking_forward():
    labels = two_horizons(1, 20)
    config = CrossValidationConfig(
        scheme="walk_forward",
        splitter="sklearn.model_selection:TimeSeriesSplit",
        params={"n_splits": 2, "gap": 3},
    )
    splits = build_cv_splits(labels.index, labels, config)
    # 19 rows: tests of 6 each, and no train row in the 3 before.
    assert splits["group_id"].tolist() == [-1] * 7 + [0] * 6 + [1] * 6
    assert splits["split_0"].tolist() == [0] * 4 + [2] * 3 + [1] * 6 + [5] * 6
    assert splits["split_1"].tolist() == [0] * 10 + [2] * 3 + [1] * 6
    assert prove_no_overlap(splits, labels).n_overlaps == 0
    with pytest.raises(CrossValidationError, match=r"2020-01-01 0 times and others 1 times; .* or"):
        build_cv_splits(labels.index, labels, config.model_copy(update={"scheme": "cpcv"}))


def test_a_walk_forward_that_trains_on_the_future_or_tests_nothing_is_refused():
    labels = two_horizons(1, 20)
    forward = {"scheme": "walk_forward"}
    with pytest.raises(CrossValidationError, match="split 0 trains on 5 rows dated on or after"):
        build_cv_splits(labels.index, labels, own("Leaves").model_copy(update=forward))
    for name in ("Untested", "Uneven"):
        with pytest.raises(CrossValidationError, match="every row that it tests equally often"):
            build_cv_splits(labels.index, labels, own(name).model_copy(update=forward))


class Untested:
    def split(self, X):
        yield np.arange(3), np.arange(0)


class Uneven:
    def split(self, X):
        yield np.arange(3), np.arange(10, 12)
        yield np.arange(3), np.arange(11, 13)


def test_what_a_splitter_of_the_users_own_yields_is_not_known_beforehand():
    assert own("Leaves").n_splits is None
    assert own("Leaves").role_column_names(("1d",)) == ()


class Overlapping:
    def split(self, X):
        rows = np.arange(len(X))
        yield rows, rows


class Incomplete:
    def split(self, X):
        rows = np.arange(len(X))
        yield rows[:5], rows[5:]


class Masks:
    def split(self, X):
        yield np.ones(len(X), dtype=bool), np.zeros(len(X), dtype=bool)


class OutOfRange:
    def split(self, X):
        yield np.arange(3), np.array([len(X)])


class Repeated:
    def split(self, X):
        yield np.array([4, 2, 4]), np.arange(5, len(X))


class NoPairs:
    def split(self, X):
        yield np.arange(3)


class Nothing:
    def split(self, X):
        return []


class Failing:
    def split(self, X):
        raise KeyError("close")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Overlapping", "split 0 trains on 19 of the rows that it tests, first row 0"),
        ("Incomplete", "tests instrument S0 on 2020-01-01 0 times"),
        ("Masks", "train of split 0 must be a one-dimensional array of integer positions"),
        ("OutOfRange", "test of split 0 has positions from 19 to 19, but there are 19 rows"),
        ("Repeated", "train of split 0 has position 4 more than once; give each once"),
        ("NoPairs", "split 0 is not a pair"),
        ("Nothing", "yields no split"),
        ("Failing", "failed with KeyError: 'close'"),
    ],
)
def test_a_faulty_own_splitter_is_refused(name, message):
    labels = two_horizons(1, 20)
    with pytest.raises(CrossValidationError, match=message):
        build_cv_splits(labels.index, labels, own(name))


def test_unknown_settings_and_classes_of_an_own_splitter_are_refused():
    labels = two_horizons(1, 20)
    with pytest.raises(CrossValidationError, match="failed with TypeError"):
        build_cv_splits(labels.index, labels, own("Leaves", gap=3))
    with pytest.raises(ConfigError, match=r"cross_validation\.splitter: .*no attribute 'Missing'"):
        build_cv_splits(labels.index, labels, own("Missing"))
