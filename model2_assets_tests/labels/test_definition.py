"""Labels on random panels: by the definition, bar by bar, and on every earlier date."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from model2_assets.errors import LabelError
from model2_assets.labels import build_labels_from_config
from model2_assets.panel import panel_index
from model2_assets_tests.labels.panels import DATES


@st.composite
def ragged_panels(draw):
    n_instruments = draw(st.integers(1, 6))
    n_dates = draw(st.integers(8, 30))
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    exists = generator.random((n_dates, n_instruments)) > draw(st.sampled_from([0.0, 0.2, 0.6]))
    if draw(st.booleans()):  # halts, listings and delistings
        for column in range(n_instruments):
            first, behind = np.sort(generator.integers(0, n_dates + 6, 2))
            exists[first:behind, column] = False
    exists[:, 0] = True
    day, name = np.nonzero(exists)
    panel = pd.DataFrame(
        {
            "close": np.round(np.exp(generator.normal(3.0, 0.5, len(day))), 2) + 0.01,
            "in_universe": generator.random(len(day)) > draw(st.sampled_from([0.0, 0.3])),
        },
        index=panel_index([f"N{number}" for number in name], DATES[day]),
    )
    panel.loc["N0", "in_universe"] = True
    if draw(st.booleans()):
        said = (generator.random(len(day)) < 0.05) & (name > 0)
        panel["delisting_return"] = np.where(said, generator.uniform(-1.0, 0.5, len(day)), np.nan)
    return panel


LABEL_SETTINGS = st.fixed_dictionaries(
    {
        "horizons": st.sampled_from([[1], [2, 4], [3]]),
        "execution_lag_days": st.integers(0, 2),
        "excess": st.booleans(),
        "winsorize": st.sampled_from([0.0, 0.1, 0.33]),
        "min_names": st.integers(1, 3),
        "delisting": st.sampled_from(["last_close", "drop"]),
        "delisted_after": st.integers(0, 4),
    }
)


@dataclass(frozen=True)
class Bar:
    day: int  # position of the date in the panel
    close: float
    member: bool
    final: float  # delisting return


def naive_histories(panel):
    """Cut every instrument's bars behind each that has a delisting return: (name, bars)."""
    calendar = sorted(set(panel.index.get_level_values("datetime")))
    final = panel.get("delisting_return", pd.Series(np.nan, index=panel.index))
    rows = zip(panel.index, panel["close"], panel["in_universe"], final, strict=True)
    histories = {}
    for (name, date), close, member, last in sorted(rows, key=lambda row: row[0]):
        own = histories.setdefault(name, [[]])
        if own[-1] and not np.isnan(own[-1][-1].final):
            own.append([])
        own[-1].append(Bar(calendar.index(date), close, member, last))
    return [(name, bars) for name, own in histories.items() for bars in own]


def naive_returns(histories, config, horizon, today):
    """Walk every history up to a day: {(day, name): forward return, or why there is none}."""
    lag, returns = config["execution_lag_days"], {}
    for name, whole in histories:
        bars = [bar for bar in whole if bar.day <= today]
        is_said = bool(bars) and not np.isnan(bars[-1].final)
        is_over = is_said or (bars and today - bars[-1].day > config["delisted_after"])
        for k, bar in enumerate(bars):
            entry, exit_bar = k + lag, k + lag + horizon
            if exit_bar < len(bars):
                sold, price = bars[exit_bar], bars[exit_bar].close
            else:
                sold, price = bars[-1], bars[-1].close * (1 + bars[-1].final if is_said else 1)
            if exit_bar >= len(bars) and not is_over:
                found = "too recent"
            elif exit_bar >= len(bars) and (entry >= len(bars) or config["delisting"] == "drop"):
                found = "delisted"
            elif exit_bar >= len(bars) and bar.day + lag + horizon > today:
                found = "too recent"
            elif sold.day - bar.day > 2 * (horizon + lag):
                found = "long gap"
            else:
                found = 1e4 * (price / bars[entry].close - 1)
            if bar.member:
                returns[bar.day, name] = found
    return returns


def windows_of(returns, day=None):
    return {
        row: value
        for row, value in returns.items()
        if not isinstance(value, str) and day in (None, row[0])
    }


def naive_ends(histories, config, horizon, last_day):
    """Return, of every row with a window, the day from which on no later bar changes anything.

    That is found by looking at the panel as it was on every day. What may not change is the
    row's own window or, with a cross-section, all windows of its date.
    """
    final = naive_returns(histories, config, horizon, last_day)
    crossed = config["excess"] or config["winsorize"]
    ends = dict.fromkeys(windows_of(final), 0)
    for today in range(last_day):
        then = naive_returns(histories, config, horizon, today)
        for day, name in ends:
            if crossed:
                same = windows_of(then, day) == windows_of(final, day)
            else:
                same = then.get((day, name)) == final[day, name]
            if not same:
                ends[day, name] = today + 1
    return ends


def naive_labels(panel, config, horizon):
    """Apply excess, winsorizing and the label end date by date, in canonical order."""
    histories, last_day = naive_histories(panel), panel.index.get_level_values(1).nunique() - 1
    returns = naive_returns(histories, config, horizon, last_day)
    ends = naive_ends(histories, config, horizon, last_day)
    q, crossed = config["winsorize"], config["excess"] or config["winsorize"]
    rows = []
    for day in range(last_day + 1):
        found = windows_of(returns, day)
        if crossed and len(found) < config["min_names"]:
            returns |= dict.fromkeys(found, "few names")
            found = {}
        label = np.array(list(found.values()))
        if found and config["excess"]:
            label = label - label.mean()
        if found and q:
            label = np.clip(label, np.quantile(label, q), np.quantile(label, 1 - q))
            label = label - label.mean() if config["excess"] else label
        ends_of = [ends[row] for row in found]
        rows += [
            (*row, *values)
            for row, *values in zip(found, found.values(), label, ends_of, strict=True)
        ]
    table = pd.DataFrame(rows, columns=["day", "instrument", "forward", "label", "end"])
    why = Counter("labelled" if not isinstance(value, str) else value for value in returns.values())
    return table.set_index(["day", "instrument"]).reindex(sorted(returns)), why


@settings(deadline=None, derandomize=True, max_examples=150)
@given(panel=ragged_panels(), config=LABEL_SETTINGS)
def test_labels_equal_the_definition_row_by_row(panel, config):
    try:
        labels = build_labels_from_config(panel, config)
    except LabelError:
        assert not all(naive_labels(panel, config, h)[1]["labelled"] for h in config["horizons"])
        return
    calendar = np.array(sorted(set(panel.index.get_level_values("datetime"))))
    counts = labels.attrs["counts"]
    for h in config["horizons"]:
        expected, why = naive_labels(panel, config, h)
        assert labels.index.tolist() == [(name, calendar[day]) for day, name in expected.index]
        np.testing.assert_array_equal(labels[f"forward_return_{h}d"], expected["forward"])
        np.testing.assert_allclose(labels[f"label_{h}d"], expected["label"], rtol=1e-11, atol=1e-8)
        ends = [pd.NaT if np.isnan(day) else calendar[int(day)] for day in expected["end"]]
        np.testing.assert_array_equal(labels[f"label_end_{h}d"], pd.DatetimeIndex(ends))
        for reason in ("labelled", "too recent", "delisted", "long gap", "few names"):
            assert counts[f"{reason.replace(' ', '_')}_rows_{h}d"] == why[reason]
        assert sum(why.values()) == counts["rows"]


@settings(deadline=None, derandomize=True, max_examples=40)
@given(panel=ragged_panels(), config=LABEL_SETTINGS, seed=st.integers(0, 100))
def test_labels_do_not_depend_on_row_order(panel, config, seed):
    shuffled = panel.iloc[np.random.default_rng(seed).permutation(len(panel))]
    config = config | {"min_names": 1}
    labels = build_labels_from_config(panel, config)
    again = build_labels_from_config(shuffled, config)
    pd.testing.assert_frame_equal(labels, again, check_exact=True)
    assert labels.attrs == again.attrs


@settings(deadline=None, derandomize=True, max_examples=150)
@given(panel=ragged_panels(), config=LABEL_SETTINGS, cut_share=st.floats(0.1, 0.95))
def test_later_rows_never_change_a_label_that_ended_before_them(panel, config, cut_share):
    dates = panel.index.get_level_values("datetime")
    cut = sorted(set(dates))[int(cut_share * (dates.nunique() - 1))]
    labels, before = (labels_or_none(bars, config) for bars in (panel, panel[dates <= cut]))
    for horizon in config["horizons"]:
        columns = [f"{name}_{horizon}d" for name in ("forward_return", "label", "label_end")]
        is_over = labels[columns[2]] <= cut
        pd.testing.assert_frame_equal(
            labels.loc[is_over, columns],
            before.reindex(labels.index[is_over], columns=columns),
            check_exact=True,
        )


def labels_or_none(panel, config):
    """Return labels, horizon by horizon; those of which there are none are missing."""
    tables = []
    for horizon in config["horizons"]:
        try:
            tables.append(build_labels_from_config(panel, config | {"horizons": [horizon]}))
        except LabelError:
            columns = {f"{name}_{horizon}d": np.nan for name in ("forward_return", "label")}
            missing = pd.DatetimeIndex([pd.NaT] * len(panel)).as_unit("us")
            columns[f"label_end_{horizon}d"] = missing
            tables.append(pd.DataFrame(columns, index=panel.index)[panel["in_universe"]])
    return pd.concat(tables, axis="columns")
