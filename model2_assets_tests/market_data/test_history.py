import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model2_assets.market_data.history import compare_history, find_rescaling
from model2_assets.panel import panel_index, to_canonical

DATES = pd.bdate_range("2024-01-01", periods=12)
NAMES = ("A", "B", "C")


def panel(n_dates: int = 10) -> pd.DataFrame:
    """Return closes that are no multiple of each other, with adjusted closes and volume."""
    rng = np.random.default_rng(3)
    dates = DATES[:n_dates]
    index = panel_index(np.tile(NAMES, n_dates), np.repeat(dates, len(NAMES)))
    close = rng.uniform(10, 90, size=len(DATES) * len(NAMES))[: len(index)]
    values = {"close": close, "adjusted_close": close * 0.9, "volume": close * 1000}
    return to_canonical(pd.DataFrame(values, index=index).assign(in_universe=True))


def changed(frame: pd.DataFrame, column: str, instrument: str, factors: object) -> pd.DataFrame:
    after = frame.copy()
    rows = after.index.get_level_values("instrument") == instrument
    after.loc[rows, column] *= factors
    return after


def test_new_dates_are_no_change_of_the_past() -> None:
    found = compare_history(panel(12), panel(10))

    assert found.compared_rows == 30
    assert found.restated_values == 0
    assert not len(found.vanished)
    assert not len(found.inserted)
    assert (found.splits, found.readjusted, found.first_restated) == ((), (), "")


def test_restated_closes_are_counted_and_the_first_is_named() -> None:
    before, after = panel(), panel(12)
    after.loc[("B", DATES[3]), "close"] = 11.5
    after.loc[("B", DATES[7]), "close"] = 12.0
    after.loc[("A", DATES[8]), "adjusted_close"] = 5.0
    after.loc[("A", DATES[11]), "close"] = 5.0  # a new date: nothing to compare with

    found = compare_history(after, before)

    assert (found.restated_values, found.restated_instruments) == (3, 2)
    old = before.loc[("B", DATES[3]), "close"]
    assert found.first_restated == f"B 2024-01-04: close {old:g} is now 11.5"


def test_rows_that_vanish_or_are_inserted_in_the_past_are_found() -> None:
    before, after = panel(), panel(12)
    before = before.drop([("C", DATES[0]), ("C", DATES[9])])
    after = after.drop([("A", DATES[4])])

    found = compare_history(after, before)

    assert list(found.vanished) == [("A", DATES[4])]
    assert list(found.inserted) == [("C", DATES[0]), ("C", DATES[9])]
    assert found.compared_rows == 27
    assert found.restated_values == 0


def test_a_split_of_the_next_company_of_a_name_is_one_of_its_history() -> None:
    def of_two_histories(n_dates: int) -> pd.DataFrame:
        frame = panel(n_dates)
        is_later = frame.index.get_level_values("datetime") >= DATES[5]
        return frame.assign(history=np.where(is_later, 2, 1).astype(np.int16))

    before, after = of_two_histories(10), of_two_histories(12)
    rows = (after.index.get_level_values("instrument") == "B") & (after["history"] == 2)
    after.loc[rows, ["close", "adjusted_close"]] *= 0.25

    found = compare_history(after, before)

    assert [(split.instrument, split.factor) for split in found.splits] == [("B", 0.25)]
    assert (found.readjusted, found.restated_values) == (("B",), 0)
    apart = compare_history(after.drop(columns="history"), before)
    assert (apart.splits, apart.restated_values) == ((), 10)


@pytest.mark.parametrize("volume", [4.0, 1.0, None])
def test_split_is_recognized_with_its_factor_and_not_counted(volume: float | None) -> None:
    after = changed(panel(12), "close", "B", 0.25)
    if volume is not None:
        after = changed(after, "volume", "B", volume)
    else:
        after = after.drop(columns="volume")

    found = compare_history(after, panel())

    (split,) = found.splits
    assert (split.instrument, split.until) == ("B", DATES[9])
    assert split.factor == pytest.approx(0.25, rel=1e-12)
    assert split.volume_factor == (pytest.approx(4.0) if volume == 4.0 else None)
    assert found.restated_values == 0


def test_split_that_the_source_learned_of_late_ends_where_it_took_place() -> None:
    factors = np.where(np.arange(10) < 7, 0.5, 1.0)

    (split,) = compare_history(changed(panel(), "close", "C", factors), panel()).splits

    assert (split.factor, split.until) == (0.5, DATES[6])


def test_split_of_rounded_prices_is_recognized() -> None:
    before = panel().round({"close": 2})
    after = changed(before, "close", "A", 1 / 7).round({"close": 3})

    (split,) = compare_history(after, before).splits

    assert split.factor == pytest.approx(1 / 7, rel=1e-3)


def test_dividends_rescale_adjusted_closes_on_stretches() -> None:
    factors = np.where(np.arange(10) < 5, 0.97, 1.0)
    after = changed(changed(panel(), "adjusted_close", "A", factors), "adjusted_close", "B", 0.99)

    found = compare_history(after, panel())

    assert found.readjusted == ("A", "B")
    assert found.splits == ()
    assert found.restated_values == 0


@pytest.mark.parametrize(
    ("factors", "in_steps", "expected"),
    [
        ([0.5] * 12, False, (0.5, 12)),
        ([0.5] * 7 + [1] * 5, False, (0.5, 7)),
        ([0.5] * 11 + [1], False, (0.5, 11)),
        ([0.5] * 4 + [1] * 8, False, None),  # too few bars to tell from corrections
        ([1] * 6 + [0.5] * 6, False, None),  # the latest bars changed, not the earlier ones
        ([0.5] * 6 + [0.8] * 6, False, None),  # two factors are no split
        ([0.9] * 5 + [0.95] * 5 + [1] * 2, True, (0.9, 10)),
        ([0.9] * 6 + [0.95] * 6, True, (0.9, 12)),
        ([0.95] * 6 + [0.9] * 6, True, None),  # further from 1 with time
        ([1.1] * 6 + [0.95] * 6, True, None),  # on both sides of 1
        ([1] * 5 + [0.9] * 5 + [1] * 2, True, None),  # a stretch in the middle
        ([0.9] * 5 + [0.95] * 2 + [1] * 5, True, None),  # too short a stretch
        ([1] * 3 + [1.0002] + [1] * 8, True, None),
        ([2.0], False, None),
    ],
)
def test_factor_holds_for_whole_stretches(
    factors: list[float], in_steps: bool, expected: tuple[float, int] | None
) -> None:
    old = np.random.default_rng(5).uniform(20, 30, size=len(factors))

    found = find_rescaling(old, old * np.array(factors), in_steps=in_steps)

    assert (None if found is None else (pytest.approx(found.factor), found.n_bars)) == expected


def test_single_cent_is_a_restatement_and_no_factor_of_one() -> None:
    old = np.round(np.random.default_rng(5).uniform(20, 30, size=12), 2)
    new = old.copy()
    new[3] = round(new[3] + 0.01, 2)

    assert find_rescaling(old, new, in_steps=False) is None
    assert find_rescaling(old, new, in_steps=True) is None


def test_slow_drift_is_no_factor() -> None:
    old = np.random.default_rng(5).uniform(20, 30, size=3000)

    assert find_rescaling(old, old * np.exp(9e-7 * np.arange(3000)), in_steps=True) is None


@settings(max_examples=15, deadline=None)
@given(
    factor=st.floats(0.02, 50).filter(lambda factor: abs(factor - 1) > 0.01),
    n_scaled=st.integers(5, 10),
    edits=st.sets(st.tuples(st.sampled_from(["A", "C"]), st.integers(0, 9)), max_size=4),
)
def test_splits_and_single_edits_are_told_apart(
    factor: float, n_scaled: int, edits: set[tuple[str, int]]
) -> None:
    before = panel()
    after = changed(before, "close", "B", np.where(np.arange(10) < n_scaled, factor, 1.0))
    for instrument, day in edits:
        after.loc[(instrument, DATES[day]), "close"] += 1.0 + day / 8

    found = compare_history(after, before)

    assert found.restated_values == len(edits)
    assert found.restated_instruments == len({instrument for instrument, _ in edits})
    (split,) = found.splits
    assert split.factor == pytest.approx(factor)
    assert split.until == DATES[n_scaled - 1]
