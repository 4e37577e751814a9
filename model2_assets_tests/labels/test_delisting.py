"""Where a position ends that is open when its name is delisted, and when that is known."""

import logging

import numpy as np
import pandas as pd
import pytest

from model2_assets.labels import build_labels_from_config
from model2_assets.panel import panel_index
from model2_assets_tests.labels.panels import DATES, at, panel_of, plain

DELISTED = {"A": dict.fromkeys(range(40), 10.0), "B": dict(enumerate([10.0, 20.0, 40.0, 10.0]))}
"""The last bar of B is that of day 3; the panel has 36 more dates."""


def delisted(final=np.nan, **changes):
    panel = panel_of(DELISTED)
    panel["delisting_return"] = np.nan
    panel.loc[("B", DATES[3]), "delisting_return"] = final
    return build_labels_from_config(panel, plain(horizons=[2], execution_lag_days=1) | changes)


def test_a_position_in_a_delisted_name_ends_at_its_last_close():
    # Entered at 20, 40 and 10; the row of the last bar has no entry bar.
    labels = delisted()
    returns = [1e4 * (10 / 20 - 1), 1e4 * (10 / 40 - 1), 0.0, np.nan]
    for name in ("forward_return_2d", "label_2d"):
        np.testing.assert_array_equal(labels.loc["B", name], returns)
    # The first window is whole. That B is delisted shows on the eleventh date after its last bar.
    assert labels.loc["B", "label_end_2d"].tolist() == [DATES[3], DATES[14], DATES[14], pd.NaT]
    assert labels.attrs["counts"] == {
        "rows": 44,
        "names_that_came_back": 0,
        "labelled_rows_2d": 37 + 3,
        "labelled_at_delisting_rows_2d": 2,
        "too_recent_rows_2d": 3,
        "delisted_rows_2d": 1,
        "long_gap_rows_2d": 0,
        "few_names_rows_2d": 0,
        "few_names_dates_2d": 0,
    }


def test_a_delisting_return_comes_after_the_last_close_and_is_known_with_it():
    labels = delisted(final=-0.6)
    # A window that is whole is sold at the last close, before the name is delisted.
    returns = [-5000.0, 1e4 * (0.4 * 10 / 40 - 1), -6000.0, np.nan]
    np.testing.assert_allclose(labels.loc["B", "label_2d"], returns)
    # Not before the horizon of the row's date is over.
    assert labels.loc["B", "label_end_2d"].tolist() == [DATES[3], DATES[4], DATES[5], pd.NaT]


def test_newest_dates_have_no_labels_of_delisted_names_alone():
    # The horizon of day 37 ends on day 39, the last one: that of day 38 is not over.
    panel = panel_of(
        {name: dict.fromkeys(range(40), 10.0) for name in "ABC"}
        | {name: dict.fromkeys(range(39), 10.0) for name in "XYZ"}
    )
    said = panel.index.isin([(name, DATES[38]) for name in "XYZ"])
    panel["delisting_return"] = np.where(said, -0.5, np.nan)
    labels = build_labels_from_config(panel, plain(horizons=[2], excess=True))
    dates = labels["label_2d"].dropna().index.get_level_values("datetime")
    assert dates.max() == DATES[37]
    newest = labels.xs(DATES[37], level="datetime")["label_2d"]
    np.testing.assert_allclose(newest, [2500.0] * 3 + [-2500.0] * 3)
    counts = labels.attrs["counts"]
    assert (counts["too_recent_rows_2d"], counts["delisted_rows_2d"]) == (3 * 2 + 3, 0)


def test_a_total_loss_is_minus_ten_thousand_bps():
    assert delisted(final=-1.0).loc["B", "label_2d"].tolist()[1:3] == [-10000.0, -10000.0]


def test_dropped_rows_of_a_delisted_name_are_counted_as_such():
    for final in (np.nan, -0.6):
        labels = delisted(final=final, delisting="drop")
        assert labels.loc["B", "label_2d"].notna().tolist() == [True, False, False, False]
        counts = labels.attrs["counts"]
        assert (counts["delisted_rows_2d"], counts["too_recent_rows_2d"]) == (3, 3)
        assert counts["labelled_at_delisting_rows_2d"] == 0


@pytest.mark.parametrize(("n_dates", "is_delisted"), [(14, False), (15, True)])
def test_a_name_is_delisted_eleven_dates_after_its_last_bar(n_dates, is_delisted):
    panel = panel_of(DELISTED | {"A": dict.fromkeys(range(n_dates), 10.0)})
    labels = build_labels_from_config(panel, plain(horizons=[2], execution_lag_days=1))
    counts = labels.attrs["counts"]
    assert counts["labelled_at_delisting_rows_2d"] == (2 if is_delisted else 0)
    assert counts["too_recent_rows_2d"] == (3 if is_delisted else 3 + 3)


def test_bars_behind_a_delisting_return_are_another_history():
    own = dict.fromkeys(range(4), 10.0) | dict.fromkeys(range(4, 8), 99.0)
    panel = panel_of({"A": dict.fromkeys(range(8), 10.0), "B": own})
    panel["delisting_return"] = np.nan
    panel.loc[("B", DATES[3]), "delisting_return"] = 0.5
    labels = build_labels_from_config(panel, plain(horizons=[2], execution_lag_days=1))
    np.testing.assert_allclose(labels.loc["B", "label_2d"][:4], [0.0, 5000.0, 5000.0, np.nan])
    np.testing.assert_allclose(labels.loc["B", "label_2d"][4:], [0.0, np.nan, np.nan, np.nan])


def test_a_name_that_comes_back_is_not_delisted_and_is_named(caplog):
    # Ten missed dates are a halt, eleven had looked like a delisting.
    others = {name: dict.fromkeys(range(40), 10.0) for name in "ABC"}
    halted, back = [0, 1, 2, 13, 14, 15, 16], [0, 1, 2, 14, 15, 16, 17]
    panel = panel_of(others | {"H": dict.fromkeys(halted, 5.0), "X": dict.fromkeys(back, 5.0)})
    with caplog.at_level(logging.INFO, logger="model2_assets.labels"):
        labels = build_labels_from_config(panel, plain(horizons=[2], excess=True))
    assert labels.attrs["counts"]["names_that_came_back"] == 1
    assert labels.attrs["came_back"] == "X"
    assert "labels: X came back after more than labels.delisted_after (10)" in caplog.text
    # Over the gap neither has a label. But X had one for a while, in the mean of both dates, as on
    # day 13 its position seemed to have ended on day 2; on day 14 it came back.
    for name in ("H", "X"):
        assert labels.loc[name, "label_2d"].isna().tolist()[:3] == [False, True, True]
    ends = [at(labels, "label_end_2d", "A", day) for day in range(4)]
    assert ends == [DATES[2], DATES[14], DATES[14], DATES[5]]
    before = panel[panel.index.get_level_values("datetime") <= DATES[13]]
    assert at(build_labels_from_config(before, plain(horizons=[2])), "label_2d", "X", 1) == 0.0
    dropped = build_labels_from_config(panel, plain(horizons=[2], excess=True, delisting="drop"))
    assert at(dropped, "label_end_2d", "A", 1) == DATES[3]


SLOTS, RISKY, DAYS, HORIZON = 200, 40, 600, 21
CALENDAR = pd.bdate_range("2015-01-01", periods=DAYS).as_unit("us")


def market_of_risky_names():
    """Return closes by day and slot, and the number of the name that has the slot on each day.

    The first slots are of risky names: each loses 90% over its last 20 bars, after 250 days on
    average, and another name takes its slot.
    """
    generator = np.random.default_rng(0)
    moves = generator.normal(0.0, 0.01, (DAYS, SLOTS))
    names = np.tile(np.arange(SLOTS), (DAYS, 1))
    for slot in range(RISKY):
        stop = 0
        while stop < DAYS:
            start, stop = stop, stop + 20 + int(generator.exponential(250))
            names[start:stop, slot] = names.max() + 1
            moves[stop - 20 : stop, slot] += np.log(0.1) / 20
    return 100 * np.exp(moves.cumsum(axis=0)), names


def earned_by_holders(closes, names):
    """Buy on the day after, sell 21 days later or at the last close of the name: bps."""
    earned = np.full((DAYS, SLOTS), np.nan)
    for day, slot in np.ndindex(DAYS - HORIZON - 1, SLOTS):
        last = np.flatnonzero(names[:, slot] == names[day, slot])[-1]
        if day + 1 <= last:
            sold = closes[min(day + 1 + HORIZON, last), slot]
            earned[day, slot] = 1e4 * (sold / closes[day + 1, slot] - 1)
    return earned


def decile_spread(earned, scores):
    """Return the mean over dates of the highest tenth less the lowest, of scores given."""
    both = pd.DataFrame({"earned": earned, "score": scores}).dropna()
    rank = both.groupby(level="datetime")["score"].rank(pct=True)
    tenth = [
        both["earned"][part].groupby(level="datetime").mean() for part in (rank > 0.9, rank <= 0.1)
    ]
    return (tenth[0] - tenth[1]).mean()


def test_a_spread_over_names_that_crash_is_what_holders_earned():
    closes, names = market_of_risky_names()
    day, slot = (part.ravel() for part in np.indices(closes.shape))
    index = panel_index([f"N{name}" for name in names.ravel()], np.array(CALENDAR)[day])
    panel = pd.DataFrame({"close": closes.ravel()}, index=index)
    scores = pd.Series((slot < RISKY) + np.random.default_rng(1).random(len(slot)) / 2, index)

    labels = build_labels_from_config(panel, {"horizons": [HORIZON]})

    earned = pd.Series(earned_by_holders(closes, names).ravel(), index)
    is_known = earned.index.get_level_values("datetime") < CALENDAR[-HORIZON - 12]
    found = labels["forward_return_21d"].reindex(index)
    np.testing.assert_allclose(found[is_known], earned[is_known], rtol=1e-9, atol=1e-9)
    assert decile_spread(found[is_known], scores) == pytest.approx(
        decile_spread(earned[is_known], scores)
    )
    # Those who bought lost; without the rows of the last bars the spread reads much better.
    dropped = build_labels_from_config(panel, {"horizons": [HORIZON], "delisting": "drop"})
    conditioned = decile_spread(dropped["forward_return_21d"].reindex(index)[is_known], scores)
    assert decile_spread(earned[is_known], scores) < -800 < -550 < conditioned
