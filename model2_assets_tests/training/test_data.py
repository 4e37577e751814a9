import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model2_assets.errors import CrossValidationError, TrainingError
from model2_assets.panel import is_canonical, panel_index
from model2_assets.training import TrainingData, assemble_training_data
from model2_assets.training.data import SelectedRows, _run_of_dates, compact, hash_row_order
from model2_assets_tests.training.panels import make_data, make_tables


def tiny_tables():
    index = panel_index(
        ["A", "B", "A", "B", "A"],
        pd.to_datetime(["2024-01-02", "2024-01-02", "2024-01-03", "2024-01-03", "2024-01-04"]),
    )
    features = pd.DataFrame(
        {"f": [1, 2, 3, 4, 5], "g": [10, 20, np.nan, 40, 50]}, index=index, dtype=np.float32
    )
    labels = pd.DataFrame(
        {
            "label_21d": [1.0, -1.0, np.nan, 4.0, 5.0],
            "label_63d": [np.nan, 7.0, 8.0, np.nan, np.nan],
        },
        index=index,
    )
    splits = pd.DataFrame(
        {"group_id": [0, 0, 1, 1, 2], "split_0": [1, 1, 2, 0, 0], "split_1": [0, 3, 1, 1, 4]},
        index=index,
    )
    return features, labels, splits


def test_rows_with_a_label_of_the_horizon_are_kept_in_order():
    data = assemble_training_data(*tiny_tables(), horizon="21d")
    assert data.X.tolist() == [[1, 10], [2, 20], [4, 40], [5, 50]]
    assert data.y.tolist() == [1.0, -1.0, 4.0, 5.0]
    assert data.roles.tolist() == [[1, 0], [1, 3], [0, 1], [0, 4]]
    assert data.group_id.tolist() == [0, 0, 1, 2]
    assert data.feature_names == ("f", "g")
    assert [str(data.X.dtype), str(data.y.dtype), str(data.roles.dtype)] == [
        "float32",
        "float64",
        "int8",
    ]
    assert data.train_rows(0).tolist() == [2, 3]
    assert data.test_rows(0).tolist() == [0, 1]
    assert data.train_rows(1).tolist() == [0]


def test_the_other_horizon_has_its_own_rows_and_keeps_missing_features():
    data = assemble_training_data(*tiny_tables(), horizon="63d")
    np.testing.assert_array_equal(data.X, np.array([[2, 20], [3, np.nan]], dtype=np.float32))
    assert data.y.tolist() == [7.0, 8.0]


def test_roles_per_horizon_are_those_of_the_horizon():
    features, labels, splits = tiny_tables()
    roles = splits[["split_0", "split_1"]]
    per_horizon = pd.concat(
        [splits[["group_id"]], roles.add_suffix("_21d"), (4 - roles).add_suffix("_63d")], axis=1
    )
    data = assemble_training_data(features, labels, per_horizon, horizon="21d")
    assert data.roles.tolist() == [[1, 0], [1, 3], [0, 1], [0, 4]]
    data = assemble_training_data(features, labels, per_horizon, horizon="63d")
    assert data.roles.tolist() == [[3, 1], [2, 3]]
    faulty = per_horizon.rename(columns={"split_1_63d": "split_2_63d"})
    with pytest.raises(CrossValidationError, match="no column split_2_21d"):
        assemble_training_data(features, labels, faulty, horizon="63d")
    only = per_horizon.drop(columns=["split_0_63d", "split_1_63d"])
    with pytest.raises(CrossValidationError, match=r"per horizon \(21d\), none for '63d'"):
        assemble_training_data(features, labels, only, horizon="63d")


def test_tested_rows_are_those_that_any_split_predicts():
    features, labels, splits = tiny_tables()
    data = assemble_training_data(features, labels, splits, horizon="21d")
    assert data.tested_rows.tolist() == [0, 1, 2]
    assert data.tested_rows.dtype == np.intp
    none = assemble_training_data(features, labels, splits * 0, horizon="21d")
    assert none.tested_rows.tolist() == []
    every = make_data(n_test_groups=2)
    assert every.tested_rows.tolist() == list(range(every.n_rows))


@settings(deadline=None, derandomize=True, max_examples=25)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_rows_given_does_not_matter(random):
    features, labels, splits = make_tables(n_dates=12, n_instruments=3)
    shuffled = [
        table.iloc[random.sample(range(len(table)), len(table))]
        for table in (features, labels, splits)
    ]
    expected = make_data(n_dates=12, n_instruments=3)
    data = assemble_training_data(*shuffled, horizon="21d")
    assert is_canonical(data.index)
    assert data.index.equals(expected.index)
    np.testing.assert_array_equal(data.X, expected.X)
    np.testing.assert_array_equal(data.y, expected.y)
    np.testing.assert_array_equal(data.roles, expected.roles)


def test_a_matrix_of_its_own_is_not_copied():
    features, labels, splits = make_tables(n_dates=20, n_instruments=3)
    matrix = features.to_numpy(copy=True, dtype=np.float32).copy(order="C")
    plain = pd.DataFrame(matrix, features.index, features.columns, copy=False)
    data = assemble_training_data(plain, labels, splits, horizon="21d")
    assert np.shares_memory(data.X[:], matrix)
    np.testing.assert_array_equal(data.X[:], matrix)


def test_rows_without_features_are_refused_by_name():
    features, labels, splits = tiny_tables()
    with pytest.raises(
        TrainingError, match="features lack 1 rows of cv_splits, first instrument B on 2024-01-03"
    ):
        assemble_training_data(
            features.drop(index=features.index[3]), labels, splits, horizon="21d"
        )


def test_rows_unknown_to_the_labels_are_refused_by_name():
    features, labels, splits = tiny_tables()
    message = "labels lack 1 rows of cv_splits, first instrument A on 2024-01-02"
    with pytest.raises(TrainingError, match=message):
        assemble_training_data(features, labels.iloc[1:], splits, horizon="21d")


def test_an_unknown_horizon_is_refused_with_the_known_ones():
    with pytest.raises(TrainingError, match="'label_5d'; they have label_21d, label_63d"):
        assemble_training_data(*tiny_tables(), horizon="5d")


def test_a_horizon_without_any_label_is_refused():
    features, labels, splits = tiny_tables()
    labels["label_21d"] = np.nan
    with pytest.raises(TrainingError, match="no row has a label of horizon 21d"):
        assemble_training_data(features, labels, splits, horizon="21d")


def test_a_gap_in_the_split_columns_is_refused():
    features, labels, splits = tiny_tables()
    with pytest.raises(CrossValidationError, match="no column split_0"):
        assemble_training_data(features, labels, splits.drop(columns="split_0"), horizon="21d")


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
@pytest.mark.parametrize("chunk_rows", [2, 99])
def test_infinity_is_refused_with_feature_and_first_row(value, chunk_rows, monkeypatch):
    monkeypatch.setattr("model2_assets.training.data.CHUNK_ROWS", chunk_rows)
    features, labels, splits = tiny_tables()
    features = features.astype(np.float64)
    features.iloc[3, 1] = value
    features.iloc[4, 0] = value
    with pytest.raises(TrainingError, match="'g' is infinite at instrument B on 2024-01-03"):
        assemble_training_data(features, labels, splits, horizon="21d")


def changed(data, **changes):
    fields = {
        name: getattr(data, name)
        for name in ("index", "X", "y", "feature_names", "roles", "group_id")
    }
    return TrainingData(**{**fields, **changes})


def test_what_cannot_be_trained_on_is_refused():
    data = make_data(n_dates=10, n_instruments=2)
    with pytest.raises(TrainingError, match="not in canonical order"):
        changed(data, index=data.index[::-1])
    with pytest.raises(TrainingError, match="feature 'F1' appears twice"):
        changed(data, feature_names=("F0", "F1", "F1", "F2", "F3", "F4"))
    y = data.y.copy()
    y[3] = np.nan
    with pytest.raises(TrainingError, match="label is nan at instrument S01 on 2020-01-02"):
        changed(data, y=y)


def test_the_row_order_hash_sees_values_and_order_alone():
    index = make_data(n_dates=5, n_instruments=3).index
    rebuilt = panel_index(
        index.get_level_values("instrument").astype(object),
        index.get_level_values("datetime").as_unit("ns"),
    )
    assert hash_row_order(rebuilt) == hash_row_order(index)
    reference = pd.MultiIndex.from_arrays(
        [
            index.get_level_values("instrument").astype(object),
            index.get_level_values("datetime").as_unit("ns"),
        ],
        names=index.names,
    )
    assert hash_row_order(reference) == hash_row_order(index)
    wider = make_data(n_dates=6, n_instruments=3).index
    assert hash_row_order(wider[: len(index)]) == hash_row_order(index)
    others = {hash_row_order(index[::-1]), hash_row_order(index[1:]), hash_row_order(wider)}
    assert len(others | {hash_row_order(index)}) == 4


MATRIX = np.arange(20, dtype=np.float32).reshape(10, 2)


@st.composite
def selections(draw):
    """Return chosen rows, and a slice or positions among them."""
    chosen = draw(st.lists(st.integers(0, 9)).map(sorted) | st.lists(st.integers(0, 9)))
    if draw(st.booleans()) or not chosen:
        ends = st.none() | st.integers(-12, 12)
        return chosen, slice(draw(ends), draw(ends), draw(st.sampled_from([None, 1, 2, 3])))
    return chosen, np.array(draw(st.lists(st.integers(-len(chosen), len(chosen) - 1))), dtype=int)


@given(selections())
def test_rows_are_those_of_a_copy(selection):
    chosen, rows = selection
    positions = np.array(chosen, dtype=np.intp)
    X, copy = SelectedRows(MATRIX, positions), MATRIX[positions]
    assert (len(X), X.shape, X.dtype) == (len(copy), copy.shape, copy.dtype)
    np.testing.assert_array_equal(X[rows], copy[rows])
    assert X[rows].dtype == np.float32
    assert X[rows].flags.c_contiguous


def test_neighbours_are_a_view_that_nobody_can_write_to():
    view = SelectedRows(MATRIX, np.array([1, 3, 4, 5]))[1:]
    assert np.shares_memory(view, MATRIX)
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0] = 1
    assert MATRIX.flags.writeable


def test_positions_give_a_copy_of_ones_own():
    copy = SelectedRows(MATRIX, np.array([1, 3, 4, 5]))[np.array([1, 2])]
    assert not np.shares_memory(copy, MATRIX)
    copy[0, 0] = -1
    assert MATRIX[3, 0] == 6


@pytest.mark.parametrize(
    ("positions", "expected"),
    [([3, 4, 5], slice(3, 6)), ([], slice(0, 0)), ([3, 5], None), ([3, 2], None),
     ([1, 3, 2, 4], None), ([1, 3, 3, 4], None)],
)  # fmt: skip
def test_neighbours_are_told(positions, expected):
    rows = np.array(positions, dtype=np.intp)
    found = compact(rows)
    assert found is rows if expected is None else found == expected


@pytest.mark.parametrize(
    ("max_rows", "expected"), [(1, [0, 1, 2, 3]), (5, [0, 0, 1, 2]), (99, [0, 0, 0, 0])]
)
def test_dates_are_cut_into_runs_of_few_rows_and_never_within_a_date(
    max_rows, expected, monkeypatch
):
    monkeypatch.setattr("model2_assets.training.data.RUN_ROWS", max_rows)
    assert _run_of_dates(np.array([3, 2, 7, 2])).tolist() == expected
