import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model2_assets.panel import (
    INDEX_NAMES,
    aligned,
    date_codes,
    date_parts,
    instrument_codes,
    is_canonical,
    panel_index,
    positions_in,
    row_chunks,
    to_canonical,
    with_plain_names,
)

DAYS = ["2024-01-02", "2024-01-03", "1969-12-31", "2262-04-12"]
ROWS = st.lists(
    st.tuples(st.sampled_from(["A", "B", "a", "É", "日", "AA"]), st.sampled_from(DAYS)),
    min_size=1,
    max_size=12,
)


def index_of(rows) -> pd.MultiIndex:
    return panel_index([name for name, _ in rows], [day for _, day in rows])


def test_panel_index_has_the_names_and_types_of_every_table():
    index = index_of([("B", "2024-01-03"), ("A", "2024-01-02")])
    assert tuple(index.names) == INDEX_NAMES == ("instrument", "datetime")
    assert index.get_level_values("instrument").dtype == "str"
    assert index.get_level_values("datetime").dtype == "datetime64[us]"
    assert list(index) == [("B", pd.Timestamp("2024-01-03")), ("A", pd.Timestamp("2024-01-02"))]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_panel_index_takes_dates_of_any_unit(unit):
    dates = pd.DatetimeIndex(["2024-01-03", "2024-01-02"]).as_unit(unit)
    index = panel_index(["A", "A"], dates)
    assert index.get_level_values("datetime").dtype == "datetime64[us]"
    assert date_codes(index).codes.tolist() == [1, 0]


def test_empty_panel_index():
    index = panel_index([], [])
    assert len(index) == 0
    assert tuple(index.names) == INDEX_NAMES
    assert is_canonical(index)
    assert date_codes(index).codes.tolist() == []


@settings(deadline=None, derandomize=True, max_examples=80)
@given(ROWS)
def test_codes_point_into_sorted_distinct_values(rows):
    index = index_of(rows)
    for codes, values in (
        (instrument_codes(index), [name for name, _ in rows]),
        (date_codes(index), [np.datetime64(day, "us") for _, day in rows]),
    ):
        distinct = list(codes.values)
        assert distinct == list(pd.Index(sorted(set(values))))
        assert [distinct[code] for code in codes.codes] == list(pd.Index(values))
        assert codes.codes.dtype == np.int64


def test_codes_skip_values_that_no_row_has():
    index = index_of([("A", "2024-01-02"), ("B", "2024-01-03"), ("C", "2024-01-04")])[[2, 0]]
    assert len(index.levels[0]) == 3
    assert list(instrument_codes(index).values) == ["A", "C"]
    assert instrument_codes(index).codes.tolist() == [1, 0]
    assert date_codes(index).codes.tolist() == [1, 0]


def test_codes_do_not_depend_on_the_order_of_inner_levels():
    index = pd.MultiIndex(
        levels=[["C", "A"], pd.DatetimeIndex(["2024-01-03", "2024-01-02"]).as_unit("us")],
        codes=[[0, 1, 1], [0, 0, 1]],
        names=INDEX_NAMES,
    )
    assert instrument_codes(index).codes.tolist() == [1, 0, 0]
    assert date_codes(index).codes.tolist() == [1, 1, 0]


def test_codes_find_levels_by_name():
    index = index_of([("B", "2024-01-02"), ("A", "2024-01-03")]).swaplevel()
    assert instrument_codes(index).codes.tolist() == [1, 0]
    assert date_codes(index).codes.tolist() == [0, 1]


@settings(deadline=None, derandomize=True, max_examples=80)
@given(ROWS)
def test_canonical_means_ascending_by_date_then_name_each_once(rows):
    keys = [(day, name) for name, day in rows]
    assert is_canonical(index_of(rows)) == (keys == sorted(set(keys)))


@settings(deadline=None, derandomize=True, max_examples=80)
@given(ROWS)
def test_to_canonical_sorts_like_python_and_keeps_rows_together(rows):
    frame = pd.DataFrame({"position": range(len(rows))}, index=index_of(rows))
    ordered = to_canonical(frame)
    expected = sorted(range(len(rows)), key=lambda row: (rows[row][1], rows[row][0]))
    assert ordered["position"].tolist() == expected
    assert ordered.index.equals(frame.index[expected])
    assert to_canonical(ordered).equals(ordered)


def test_to_canonical_returns_an_ordered_frame_itself():
    frame = pd.DataFrame({"x": [1.0, 2.0]}, index=index_of([("A", DAYS[0]), ("B", DAYS[0])]))
    assert to_canonical(frame) is frame
    assert to_canonical(frame.iloc[::-1]).equals(frame)


def test_repeated_rows_are_kept_in_their_order():
    index = index_of([("B", DAYS[0]), ("A", DAYS[0]), ("A", DAYS[0])])
    frame = pd.DataFrame({"x": [1, 2, 3]}, index=index)
    assert not is_canonical(index[1:])
    assert to_canonical(frame)["x"].tolist() == [2, 3, 1]


def test_far_dates_and_many_names_do_not_overflow():
    names = [f"S{i:05d}" for i in range(2000)]
    index = panel_index(names * 2, ["0001-01-01"] * 2000 + ["9999-12-31"] * 2000)
    assert is_canonical(index)
    assert not is_canonical(index[::-1])


@settings(deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(["B", "A", "C", None]), min_size=1, max_size=6))
def test_plain_names_are_those_of_the_categories(names):
    dates = pd.date_range("2024-01-01", periods=len(names), unit="us")
    categories = pd.Categorical(names, categories=["C", "A", "B"])
    index = pd.MultiIndex.from_arrays([categories, dates], names=["instrument", "datetime"])
    text = with_plain_names(index)
    assert text.levels[0].tolist() == sorted(text.levels[0])
    assert text.levels[0].dtype == "str"
    plain = pd.MultiIndex.from_arrays([pd.Index(names, dtype="str"), dates], names=index.names)
    pd.testing.assert_frame_equal(text.to_frame(), plain.to_frame())


def test_chunks_are_views_of_all_rows_in_order():
    table = pd.DataFrame(np.arange(14.0).reshape(7, 2))
    chunks = list(row_chunks(table, 3))
    assert [len(chunk) for chunk in chunks] == [3, 3, 1]
    pd.testing.assert_frame_equal(pd.concat(chunks), table)
    assert all(np.shares_memory(chunk.to_numpy(), table.to_numpy()) for chunk in chunks)


def test_no_rows_have_no_chunk():
    assert list(row_chunks(pd.DataFrame({"a": []}))) == []


def parts_of(counts: list[int], most_rows: int) -> list[tuple[int, int]]:
    """Cut row after row, by hand: a date joins the part before where both fit."""
    parts, start, stop = [], 0, 0
    for count in counts:
        if stop > start and stop + count - start > most_rows:
            parts.append((start, stop))
            start = stop
        stop += count
    return [*parts, (start, stop)]


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.lists(st.integers(1, 7), max_size=12), st.integers(1, 9))
def test_parts_are_whole_dates_and_as_long_as_they_may_be(counts, most_rows):
    dates = np.repeat(pd.date_range("2024-01-01", periods=len(counts)).to_numpy(), counts)
    index = panel_index(np.arange(len(dates)).astype(str), dates)
    found = date_parts(index, most_rows)
    assert [(part.start, part.stop) for part in found] == parts_of(counts, most_rows)
    assert date_parts(index.get_level_values("datetime"), most_rows) == found


def test_rows_without_ascending_dates_are_one_part():
    ascending = panel_index(["A", "A", "A"], DAYS[2:3] + DAYS[:2])
    assert date_parts(ascending, 1) == [slice(0, 1), slice(1, 2), slice(2, 3)]
    assert date_parts(ascending[::-1], 1) == [slice(0, 3)]
    assert date_parts(panel_index(["A", "A"], [DAYS[0], "NaT"]), 1) == [slice(0, 2)]
    assert date_parts(pd.RangeIndex(3), 1) == [slice(0, 3)]
    assert date_parts(ascending[:0], 1) == [slice(0, 0)]


@pytest.mark.parametrize("shuffled", [False, True])
def test_positions_are_those_that_pandas_finds(shuffled):
    random = np.random.default_rng(5)
    days = np.repeat(pd.date_range("2024-01-01", periods=30), 8)
    every = panel_index(np.tile(list("ABCDEFGH"), 30), days)
    index = every[np.sort(random.choice(len(every), 150, replace=False))]
    index = index[random.permutation(len(index))] if shuffled else index
    rows = every[random.permutation(len(every))[:170]].append(
        panel_index(["Z", "A"], ["2024-01-05", "2031-01-01"])
    )
    found = positions_in(index, rows)
    np.testing.assert_array_equal(found, index.get_indexer(rows))
    assert 0 < np.count_nonzero(found < 0) < len(rows)
    column = pd.Series(days[: len(index)], index=index, name="day")
    pd.testing.assert_series_equal(aligned(column, rows), column.reindex(rows))
    assert positions_in(index[:0], rows).max() == -1
    assert not len(positions_in(index, rows[:0]))


def test_positions_in_an_index_that_repeats_a_row_are_refused():
    index = panel_index(["A", "B", "A"], ["2024-01-01"] * 3)
    with pytest.raises(pd.errors.InvalidIndexError):
        positions_in(index, index[:1])
