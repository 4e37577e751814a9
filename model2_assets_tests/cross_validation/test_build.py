import numpy as np
import pandas as pd
import pytest

from model2_assets.config import CrossValidationConfig
from model2_assets.cross_validation import (
    PurgedEmbargoedTimeSeriesSplit,
    build_cv_splits,
    prove_no_overlap,
)
from model2_assets.cross_validation.intervals import longest_label_end
from model2_assets.cross_validation.table import make_splitter
from model2_assets.errors import ConfigError, CrossValidationError
from model2_assets.panel import is_canonical, panel_index
from model2_assets_tests.cross_validation._panels import full_panel, labels_table

HERE = __name__


def own(splitter: str, **params: object) -> CrossValidationConfig:
    return CrossValidationConfig(splitter=f"{HERE}:{splitter}", params=params)


def two_horizons(n_instruments: int = 2, n_dates: int = 20) -> pd.DataFrame:
    """Return labels of horizons 1d and 3d; the last rows lack the longer, then both."""
    index, _ = full_panel(n_instruments, n_dates, window=0)
    calendar = index.get_level_values("datetime").unique()
    missing = [np.datetime64("NaT")]
    ends = {h: np.concatenate([calendar[h:].to_numpy(), missing * h]) for h in (1, 3)}
    return labels_table(
        index,
        end_1d=np.repeat(ends[1], n_instruments),
        end_3d=np.repeat(ends[3], n_instruments),
    )


def test_longest_label_end_is_that_of_the_longest_label_a_row_has():
    dates = pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"])
    labels = labels_table(
        panel_index(["A"] * 4, dates),
        end_5d=pd.to_datetime(["2024-01-09", "2024-01-10", None, None]),
        end_21d=pd.to_datetime(["2024-02-01", None, "2024-02-05", None]),
    )
    ends = longest_label_end(labels)
    assert ends.dtype == "datetime64[us]"
    assert ends.index.equals(labels.index)
    expected = ["2024-02-01", "2024-01-10", "2024-02-05", None]
    pd.testing.assert_series_equal(
        ends.reset_index(drop=True),
        pd.Series(pd.to_datetime(expected).as_unit("us"), name="label_end"),
    )


def test_labels_without_ends_or_without_horizons_are_refused():
    labels = two_horizons()
    with pytest.raises(CrossValidationError, match="has label_3d but no label_end_3d"):
        longest_label_end(labels.drop(columns="label_end_3d"))
    with pytest.raises(CrossValidationError, match="no column label_<horizon>d, only label_end_1d"):
        longest_label_end(labels[["label_end_1d"]])


def test_table_holds_rows_with_features_and_a_label_in_canonical_order():
    labels = two_horizons()
    features = labels.index[6:][::-1]
    splits = build_cv_splits(features, labels, CrossValidationConfig(n_groups=3, embargo_days=1))
    assert list(splits.columns) == ["group_id", "split_0", "split_1", "split_2"]
    assert splits.dtypes.astype(str).tolist() == ["int16", "int8", "int8", "int8"]
    assert is_canonical(splits.index)
    assert splits.index.equals(labels.index[6:38])
    assert splits["group_id"].to_numpy()[::2].tolist() == [0] * 6 + [1] * 5 + [2] * 5


def test_rows_are_purged_with_their_longest_label():
    labels = two_horizons(n_instruments=1)
    splits = build_cv_splits(
        labels.index, labels, CrossValidationConfig(n_groups=2, embargo_days=0)
    )
    assert splits["split_0"].tolist() == [1] * 10 + [3] * 3 + [0] * 6
    assert splits["split_1"].tolist() == [0] * 7 + [2] * 3 + [1] * 9
    short = build_cv_splits(
        labels.index,
        labels[["label_1d", "label_end_1d"]],
        CrossValidationConfig(n_groups=2, embargo_days=0),
    )
    assert short["split_0"].tolist() == [1] * 10 + [3] * 1 + [0] * 8


def test_a_row_without_its_longer_label_is_purged_with_the_shorter():
    index, _ = full_panel(1, 8, window=0)
    days = index.get_level_values("datetime").to_numpy()
    longer = np.append(days[3:], days[7:].repeat(3))
    longer[3] = np.datetime64("NaT")
    labels = labels_table(index, end_1d=np.append(days[1:], days[7]), end_3d=longer)
    splits = build_cv_splits(index, labels, CrossValidationConfig(n_groups=2, embargo_days=0))
    assert splits["split_1"].tolist() == [0, 2, 2, 2, 1, 1, 1, 1]
    labels = labels.assign(label_1d=np.nan, label_end_1d=pd.NaT)
    splits = build_cv_splits(index, labels, CrossValidationConfig(n_groups=2, embargo_days=0))
    assert len(splits) == 7


def test_shuffled_labels_give_the_same_table():
    labels = two_horizons(3, 30)
    config = CrossValidationConfig(n_groups=4, n_test_groups=2, embargo_days=2)
    order = np.random.default_rng(0).permutation(len(labels))
    expected = build_cv_splits(labels.index, labels, config)
    found = build_cv_splits(labels.index[order[::-1]], labels.iloc[order], config)
    pd.testing.assert_frame_equal(found, expected)


def test_no_row_with_features_and_a_label_is_refused():
    labels = two_horizons()
    with pytest.raises(CrossValidationError, match="no row has both features and a label: 2 rows"):
        build_cv_splits(labels.index[-2:], labels, CrossValidationConfig())


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


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"n_groups": 4}, "PurgedEmbargoedTimeSeriesSplit(n_groups=4, n_test_groups=1, "),
        (
            {"scheme": "walk_forward", "window": "rolling", "train_groups": 2},
            "WalkForwardSplit(n_groups=5, window='rolling', train_groups=2, ",
        ),
    ],
)
def test_the_configured_splitter_is_made_and_knows_its_splits(settings, text):
    config = CrossValidationConfig(**settings, embargo_days=3)
    cv = make_splitter(config)
    assert repr(cv) == text + "embargo_days=3)"
    assert cv.n_splits == config.n_splits
    labels = two_horizons(1, 30)
    table = build_cv_splits(labels.index, labels, config)
    assert tuple(table.columns[1:]) == config.role_column_names(("1d", "3d"))


def test_per_horizon_columns_follow_from_the_configuration():
    config = CrossValidationConfig(n_groups=4, n_test_groups=2, purge="per_horizon")
    labels = two_horizons(1, 30)
    table = build_cv_splits(labels.index, labels, config)
    assert tuple(table.columns[1:]) == config.role_column_names(("1d", "3d"))
    assert len(table.columns) == 13


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
