import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model2_assets import panel
from model2_assets.errors import StoreError
from model2_assets.panel import panel_index
from model2_assets.storage.data_version import (
    data_version_of,
    data_versions_of,
    facts_of,
    joined_digest,
    part_digest,
    require_made_from,
    table_digest,
    with_provenance,
)
from model2_assets.storage.record import document_digest
from model2_assets_tests.sample_tables import cv_splits, labels, oof_predictions


def mixed() -> pd.DataFrame:
    columns = {
        "number": [1.0, np.nan, -2.5],
        "small": np.array([1, 2, 3], dtype=np.int16),
        "flag": [True, False, True],
        "when": pd.to_datetime(["2024-01-02", None, "2024-01-03"]).as_unit("us"),
        "text": pd.Series(["b", None, "a"], dtype="str").to_numpy(),
        "maybe": pd.array([1, None, 3], dtype="Int16"),
    }
    return pd.DataFrame(columns, index=oof_predictions().index).astype({"text": "str"})


def test_digest_is_pinned():
    assert table_digest(mixed()) == table_digest(mixed())
    assert len(table_digest(mixed())) == 32
    assert table_digest(mixed()) == PINNED


PINNED = "016893805577650744794ebbc64a6679"


def changed(edit) -> pd.DataFrame:
    frame = mixed().copy()
    result = edit(frame)
    return frame if result is None else result


def put(column: str, row: int, value: object):
    def edit(frame):
        frame.iloc[row, frame.columns.get_loc(column)] = value

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        put("number", 0, np.nextafter(1.0, 2.0)),
        put("number", 1, 0.0),
        put("number", 2, np.nan),
        put("number", 2, 2.5),
        put("small", 1, 3),
        put("flag", 0, False),
        put("when", 0, pd.Timestamp("2024-01-02 00:00:00.000001")),
        put("when", 1, pd.Timestamp("1970-01-01")),
        put("text", 0, "B"),
        put("text", 0, None),
        put("text", 1, ""),
        put("text", 1, "None"),
        put("text", 1, "nan"),
        put("maybe", 1, 0),
        put("maybe", 1, 1),
        put("maybe", 2, pd.NA),
        lambda frame: frame.rename(columns={"number": "Number"}),
        lambda frame: frame[frame.columns[::-1]],
        lambda frame: frame.drop(columns="flag"),
        lambda frame: frame.assign(more=1.0),
        lambda frame: frame.iloc[::-1],
        lambda frame: frame.iloc[:2],
        lambda frame: frame.swaplevel(),
        lambda frame: frame.rename_axis(["name", "datetime"]),
        lambda frame: frame.reset_index(drop=True),
        lambda frame: frame.astype({"small": "int32"}),
        lambda frame: frame.astype({"small": "Int16"}),
        lambda frame: frame.astype({"number": "float32"}),
        lambda frame: frame.astype({"flag": "int8"}),
        lambda frame: frame.astype({"maybe": "Int32"}),
        lambda frame: frame.astype({"maybe": "str"}),
    ],
)
def test_any_change_changes_the_digest(edit):
    assert table_digest(changed(edit)) != table_digest(mixed())


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.lists(st.floats(), min_size=1, max_size=6),
    st.integers(0, 5),
    st.floats(),
)
def test_digests_are_equal_exactly_where_values_are(values, position, value):
    position %= len(values)
    other = [*values[:position], value, *values[position + 1 :]]
    same = values[position] == value or (np.isnan(values[position]) and np.isnan(value))
    left, right = (table_digest(pd.DataFrame({"x": x})) for x in (values, other))
    assert (left == right) == same


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.lists(st.text(max_size=3) | st.none(), min_size=1, max_size=5),
    st.lists(st.text(max_size=3) | st.none(), min_size=1, max_size=5),
)
def test_digests_of_texts_are_equal_exactly_where_texts_are(left, right):
    digests = [
        table_digest(pd.DataFrame({"x": pd.Series(x, dtype="str")})) for x in (left, right, left)
    ]
    assert digests[0] == digests[2]
    assert (digests[0] == digests[1]) == (left == right)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_of_nan_and_sign_of_zero_do_not_count(dtype):
    plain = np.array([np.nan, 0.0, 1.0], dtype=dtype)
    unsigned = {4: np.uint32, 8: np.uint64}[plain.itemsize]
    odd = plain.copy()
    odd.view(unsigned)[0] |= 1
    odd.view(unsigned)[0] |= unsigned(1) << unsigned(8 * plain.itemsize - 1)
    odd[1] = -0.0
    assert np.isnan(odd[0])
    assert odd.tobytes() != plain.tobytes()
    frames = [pd.DataFrame({"x": values}) for values in (plain, odd)]
    assert table_digest(frames[0]) == table_digest(frames[1])
    assert np.signbit(frames[1]["x"].iloc[1]), "digesting changed the table"


def test_inner_layout_of_the_index_does_not_count():
    frame = mixed()
    wider = pd.concat([frame.rename(index={"B": "zz"}, level=0), frame])
    part = wider.iloc[len(frame) :]
    assert len(part.index.levels[0]) > len(frame.index.levels[0])
    shuffled = frame.copy()
    levels = [level[::-1] for level in frame.index.levels]
    codes = [len(level) - 1 - code for level, code in zip(levels, frame.index.codes, strict=True)]
    shuffled.index = pd.MultiIndex(levels, codes, names=frame.index.names)
    assert list(shuffled.index) == list(frame.index)
    assert table_digest(part) == table_digest(shuffled) == table_digest(frame)


def test_type_of_text_and_unit_of_time_do_not_count():
    frame = mixed()
    other = frame.astype({"text": object, "when": "datetime64[ns]"})
    names = frame.index.get_level_values("instrument").astype(object)
    dates = frame.index.get_level_values("datetime").as_unit("s")
    other.index = pd.MultiIndex.from_arrays([names, dates], names=frame.index.names)
    assert table_digest(other) == table_digest(frame)


def test_index_levels_count_as_the_columns_that_they_are():
    assert table_digest(mixed()) == table_digest(mixed().reset_index())


def test_layout_in_memory_does_not_count():
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    frames = [
        pd.DataFrame(np.ascontiguousarray(values), columns=list("abc")),
        pd.DataFrame(np.asfortranarray(values), columns=list("abc")),
        pd.DataFrame({name: values[:, i].copy() for i, name in enumerate("abc")}),
        pd.DataFrame(np.repeat(values, 2, axis=0), columns=list("abc")).iloc[::2],
    ]
    assert len({table_digest(frame) for frame in frames}) == 1


def test_text_and_numbers_that_look_alike_differ():
    numbers = pd.DataFrame({"x": pd.array([1, None], dtype="Int16")})
    texts = pd.DataFrame({"x": pd.Series(["1", None], dtype="str")})
    assert table_digest(numbers) != table_digest(texts)
    flags = pd.DataFrame({"x": pd.array([True, None], dtype="boolean")})
    assert table_digest(flags) != table_digest(pd.DataFrame({"x": ["True", None]}))


def test_names_cannot_imitate_other_names():
    two = pd.DataFrame({"a": np.zeros(0), "b": np.zeros(0)})
    one = pd.DataFrame({"a|<f8||b": np.zeros(0)})
    assert table_digest(two) != table_digest(one)


def test_empty_tables_differ_by_names_and_types():
    digests = {
        table_digest(pd.DataFrame({name: np.zeros(0, dtype=dtype)}))
        for name in ("a", "b")
        for dtype in ("float64", "float32", "int16")
    }
    assert len(digests) == 6
    assert table_digest(labels().iloc[:0]) == table_digest(labels().iloc[:0])


PROGRAM = """
from model2_assets.storage.data_version import table_digest
from model2_assets.storage.record import document_digest
from model2_assets_tests.storage.test_data_version import mixed
print(table_digest(mixed()), document_digest({"b": 1, "a": [0.1, None]}))
"""


def test_digest_does_not_depend_on_the_process():
    found = set()
    for seed in ("0", "4242"):
        result = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(result.stdout)
    assert found == {f"{table_digest(mixed())} {DOCUMENT}\n"}


DOCUMENT = document_digest({"a": [0.1, None], "b": 1})


@pytest.mark.parametrize(
    "other", [{"a": [0.1, None], "b": 2}, {"a": [None, 0.1], "b": 1}, {"a": [0.1, None]}, {}]
)
def test_document_digest_follows_values_not_key_order(other):
    assert document_digest({"b": 1, "a": [0.1, None]}) == DOCUMENT
    assert document_digest(other) != DOCUMENT


def test_repeated_dates_and_names_keep_their_places():
    rows = [("A", "2024-01-02"), ("B", "2024-01-02"), ("A", "2024-01-03")]
    frames = [
        pd.DataFrame({"x": 0.0}, index=panel_index(*zip(*order, strict=True)))
        for order in (rows, [rows[1], rows[0], rows[2]])
    ]
    assert table_digest(frames[0]) != table_digest(frames[1])


@pytest.mark.parametrize("n_columns", [2, 16, 17, 40])
def test_a_matrix_by_row_has_the_digest_of_its_columns(n_columns):
    values = np.random.default_rng(0).standard_normal((50, n_columns)).astype(np.float32)
    values[3, 1], values[4, 0] = np.nan, -0.0
    names = [f"f{i}" for i in range(n_columns)]
    index = pd.MultiIndex.from_product([["a", "b"], range(25)], names=["instrument", "day"])
    by_row = pd.DataFrame(values, index=index, columns=names, copy=False)
    by_column = pd.DataFrame(dict(zip(names, values.T.copy(), strict=True)), index=index)
    assert by_row.to_numpy().flags.c_contiguous
    assert table_digest(by_row) == table_digest(by_column)


OLD, NEW = "0123456789abcdef" * 2, "fedcba9876543210" * 2


def test_provenance_is_attached_to_a_copy_that_shares_its_values():
    frame = labels()
    marked = with_provenance(frame, data_version=NEW, inputs={"market_data": OLD}, rows=3)
    assert frame.attrs == {}
    assert marked.equals(frame)
    assert np.shares_memory(marked["label_21d"].to_numpy(), frame["label_21d"].to_numpy())
    assert facts_of(marked) == {"data_version": NEW, "inputs": {"market_data": OLD}, "rows": 3}


def test_provenance_replaces_that_of_the_input_it_was_derived_from():
    frame = with_provenance(labels(), data_version=OLD, inputs={}, rows=3)
    marked = with_provenance(frame, data_version=NEW, inputs={"labels": OLD})
    assert facts_of(marked) == {"data_version": NEW, "inputs": {"labels": OLD}}
    assert data_version_of(frame) == OLD


def test_inputs_are_copied():
    inputs = {"labels": OLD}
    marked = with_provenance(cv_splits(), data_version=NEW, inputs=inputs)
    inputs["labels"] = NEW
    assert facts_of(marked)["inputs"] == {"labels": OLD}


def test_stated_version_is_believed():
    marked = with_provenance(labels(), data_version=OLD, inputs={})
    assert data_version_of(marked) == OLD
    assert data_versions_of(labels=marked) == {"labels": OLD}


def test_version_is_computed_where_none_is_stated():
    assert data_version_of(labels()) == ""
    assert data_versions_of(labels=labels(), cv_splits=cv_splits()) == {
        "labels": table_digest(labels()),
        "cv_splits": table_digest(cv_splits()),
    }


@pytest.mark.parametrize(
    ("made_from", "inputs"),
    [
        ({}, {}),
        ({"labels": OLD}, {"labels": OLD}),
        ({"labels": OLD, "market_data": OLD}, {"labels": OLD, "features": NEW}),
        ({"labels": OLD}, {}),
        ({}, {"labels": OLD}),
    ],
)
def test_equal_versions_of_what_is_in_both_are_accepted(made_from, inputs):
    require_made_from("cv_splits", made_from, inputs)


def test_other_version_is_refused_with_what_to_do():
    with pytest.raises(StoreError) as caught:
        require_made_from("cv_splits", {"labels": OLD}, {"labels": NEW})
    assert str(caught.value) == (
        "cv_splits was made from labels of version 0123456789ab, but labels is now of version "
        "fedcba987654; materialize cv_splits again"
    )


def test_first_of_several_by_name_is_refused():
    made_from = {"labels": OLD, "features": OLD, "cv_splits": NEW}
    with pytest.raises(StoreError, match="made from features of"):
        require_made_from("fitted_models", made_from, dict.fromkeys(made_from, NEW))


def test_versions_that_differ_after_the_digits_shown_are_told_apart():
    with pytest.raises(StoreError):
        require_made_from("x", {"labels": OLD}, {"labels": OLD[:-1] + "0"})


def test_hand_made_tables_are_told_apart():
    one, other = oof_predictions(), oof_predictions(fold_id=(0, 0, 1))
    with pytest.raises(StoreError, match="made from splits of version"):
        require_made_from("x", data_versions_of(splits=one), data_versions_of(splits=other))


def test_the_digest_is_that_of_parts_of_whole_dates(monkeypatch):
    frame = labels()
    whole = table_digest(frame)
    monkeypatch.setattr(panel, "PART_ROWS", 1)
    parts = [frame.iloc[part] for part in panel.date_parts(frame.index)]
    assert len(parts) > 1
    digests = [part_digest(part.copy()) for part in parts]
    assert joined_digest(digests) == table_digest(frame) == table_digest(frame.reset_index())
    assert table_digest(frame) != whole == part_digest(frame)
    swapped = [digests[1], digests[0], *digests[2:]]
    assert joined_digest(swapped) != joined_digest(digests)
    assert joined_digest(digests[:1]) == digests[0] == table_digest(parts[0])
