# ruff: noqa: PD011 -- a finding's values are a mapping
"""Label ends: whatever a label uses after its end shows when market data end there."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from model2_assets.checks import Finding, controls
from model2_assets.checks.controls import label_end_control
from model2_assets.config import CrossValidationConfig, LabelsConfig
from model2_assets.cross_validation import build_cv_splits, prove_no_overlap
from model2_assets.labels import build, make_labels, windows
from model2_assets.panel import panel_index
from model2_assets_tests.checks.builders import check_labels_consistent, latest_bars

BUILDERS = "model2_assets_tests.checks.label_builders"
DAYS = pd.bdate_range("2019-01-01", periods=240).as_unit("us")


def market(
    seed: int, *, n_names: int = 12, n_dates: int = 160, halts: int = 8, delisted: int = 2
) -> pd.DataFrame:
    """Names that halt for up to 15 dates, some that are delisted and two that are listed late."""
    generator = np.random.default_rng(seed)
    has_bar = np.ones((n_dates, n_names), dtype=bool)
    for first in generator.integers(20, n_dates - 30, size=halts):
        length = generator.integers(1, 16)
        has_bar[first : first + length, generator.integers(2, n_names - 2)] = False
    for name in range(delisted):
        has_bar[generator.integers(60, n_dates - 20) :, name] = False
    for name in (-1, -2):
        has_bar[: generator.integers(5, 60), name] = False
    walk = generator.standard_normal((n_dates, n_names)).cumsum(axis=0)
    names = [f"S{number:02d}" for number in range(n_names)]
    index = panel_index(names * n_dates, DAYS[:n_dates].repeat(n_names))
    bars = {"close": 100 * np.exp(0.02 * walk.ravel()), "in_universe": True}
    return pd.DataFrame(bars, index=index)[has_bar.ravel()]


def settings(builder: str | None = None, **changes: object) -> LabelsConfig:
    path = f"{BUILDERS}:{builder}" if builder else None
    return LabelsConfig(**{"horizons": [3, 9], "min_names": 3} | changes, builder=path)


def control(panel: pd.DataFrame, config: LabelsConfig, **sampling: int) -> Finding:
    return label_end_control(make_labels(panel, config), panel, config, **sampling)


def dates_of(found: Finding) -> list[pd.Timestamp]:
    return [pd.Timestamp(date) for date in str(found.values["dates"]).split(", ") if date]


def ends_near(
    panel: pd.DataFrame, ends: pd.DataFrame, end: pd.Timestamp, config: LabelsConfig
) -> pd.DataFrame:
    """Return label ends of the dates whose windows may reach an end, or all where none ended."""
    days = panel.index.get_level_values("datetime").unique()
    first = days.searchsorted(latest_bars(panel, end).min())
    since = days[max(first - 2 * (9 + 1) - config.delisted_after - 1, 0)]
    near = ends[ends.index.get_level_values("datetime") >= since]
    return near if (near <= end).any().all() else ends


def comebacks_change_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "_settled", lambda bars, *_, **__: np.full(len(bars.dates), -1))


def ends_come_a_date_early(monkeypatch: pytest.MonkeyPatch) -> None:
    dates_of_codes = build._dates_of_codes
    monkeypatch.setattr(
        build,
        "_dates_of_codes",
        lambda codes, dates: dates_of_codes(np.where(codes > 0, codes - 1, codes), dates),
    )


def delistings_are_known_at_the_last_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    def foreseeing(panel: pd.DataFrame, *, delisted_after: int) -> windows.OwnBars:
        bars = windows.own_bars(panel, delisted_after=delisted_after)
        last = bars.date[bars.own.last]
        return replace(bars, known=np.where(bars.is_over, last, bars.known))

    monkeypatch.setattr(build, "own_bars", foreseeing)


@pytest.mark.parametrize(
    "fault", [comebacks_change_no_end, ends_come_a_date_early, delistings_are_known_at_the_last_bar]
)
def test_windows_near_the_end_show_every_fault_that_all_history_shows(monkeypatch, fault):
    panel = market(4, halts=20, delisted=4)
    ours, all_history = (settings(builder, delisted_after=4) for builder in (None, "ours"))
    fault(monkeypatch)
    labels = make_labels(panel, ours)

    found = [
        [
            label_end_control(labels, panel, config, n_dates=1, seed=seed).passed
            for seed in range(40)
        ]
        for config in (ours, all_history)
    ]

    assert found[0] == found[1]
    assert not all(found[0])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"builder": "ours"},
        {"excess": False},
        {"excess": False, "winsorize": 0.0},
        {"winsorize": 0.0, "delisted_after": 2},
        {"delisting": "drop"},
    ],
)
def test_our_labels_are_the_same_to_the_bit_wherever_market_data_end(monkeypatch, changes):
    monkeypatch.setattr(controls, "LABEL_TOLERANCE_BPS", 0.0)
    panel, config = market(1), settings(**changes)

    found = control(panel, config, n_dates=1000)

    labels, dates = make_labels(panel, config), dates_of(found)
    assert found.passed, found.description
    assert found.values["different_labels"] == 0
    ends = labels[["label_end_3d", "label_end_9d"]]
    first, last = ends.min().max(), panel.index.get_level_values("datetime").max()
    possible = pd.Series(ends.to_numpy().ravel()).dropna().unique()
    assert dates == sorted(date for date in possible if first <= date < last)
    compared = [ends if config.builder else ends_near(panel, ends, date, config) for date in dates]
    n_ended = ((near <= date).to_numpy().sum() for near, date in zip(compared, dates, strict=True))
    assert found.values["labels"] == sum(n_ended)
    assert found.description == (
        f"{found.values['labels']:,} labels are the same when market data end on "
        f"{found.values['dates']}, when they had ended"
    )


@pytest.mark.parametrize("builder", ["raw", "summed_over_a_wide_table"])
def test_an_honest_builder_passes_wherever_market_data_end(builder):
    for seed in range(3):
        found = control(market(seed), settings(builder, winsorize=0.0), n_dates=1000)
        assert found.passed, found.description


def test_an_honest_builder_may_add_up_in_another_order(monkeypatch):
    panel, config = market(0, n_names=40), settings("summed_over_a_wide_table", winsorize=0.0)
    assert control(panel, config, n_dates=1000).passed
    monkeypatch.setattr(controls, "LABEL_TOLERANCE_BPS", 0.0)
    assert control(panel, config, n_dates=1000).values["different_labels"] > 0
    monkeypatch.setattr(controls, "LABEL_TOLERANCE_BPS", 1e-10)
    assert control(panel, config, n_dates=1000).passed


@pytest.mark.parametrize("n_dates", [1, 3])
@pytest.mark.parametrize(
    ("builder", "events"),
    [
        ("excess_with_own_ends", {}),
        ("excess_with_own_ends", {"halts": 1, "delisted": 0}),
        ("excess_with_own_ends", {"halts": 0, "delisted": 1}),
        ("five_bars_past_the_end", {"halts": 0, "delisted": 0}),
        ("one_bar_early", {"halts": 0, "delisted": 0}),
        ("without_the_last_dates", {"halts": 0, "delisted": 0}),
        ("delistings_foreseen", {"halts": 0, "delisted": 1}),
        ("comebacks_foreseen", {"halts": 1, "delisted": 0}),
    ],
)
def test_ends_that_come_too_early_are_found_on_every_market(builder, events, n_dates):
    n_faulty = 0
    for seed in range(12):
        panel, config = market(seed, **events), settings(builder, delisted_after=4)
        labels, true = make_labels(panel, config), make_labels(panel, settings(delisted_after=4))
        is_faulty = not labels.equals(true)
        found = label_end_control(labels, panel, config, n_dates=n_dates, seed=seed)
        assert (found.passed, found.only_warns) == (not is_faulty, False), seed
        n_faulty += is_faulty
    assert n_faulty >= 5


@pytest.mark.parametrize(
    "builder", ["excess_with_own_ends", "five_bars_past_the_end", "delistings_foreseen"]
)
def test_no_other_check_sees_that_such_labels_overlap(builder):
    panel, config = market(2), settings(builder)
    labels = make_labels(panel, config)
    assert check_labels_consistent(
        labels, panel, horizons=config.horizon_keys, execution_lag_days=1
    ).passed
    scheme = CrossValidationConfig(n_groups=5, embargo_days=0)
    splits = build_cv_splits(labels.index, labels, scheme)
    assert prove_no_overlap(splits, labels).n_overlaps == 0
    # The last date that is really looked at: of our labels, or five bars of each name further.
    honest = settings(horizons=[8, 14]) if builder.startswith("five") else settings()
    true = make_labels(panel, honest).rename(columns=lambda name: name.replace("14d", "9d"))
    true = true.rename(columns=lambda name: name.replace("8d", "3d"))
    assert prove_no_overlap(splits, true).n_overlaps > 0
    assert not label_end_control(labels, panel, config).passed


def halted() -> pd.DataFrame:
    """Three names over eight days; C halts for two of them, and then gains 2% and 3%."""
    closes = {
        "A": [100, 100, 100, 102, 102, 102, 102, 102],
        "B": [100, 100, 100, 99, 99, 99, 99, 99],
        "C": [100, 100, 100, np.nan, np.nan, 102, 105.06, 105.06],
    }
    frame = pd.DataFrame(closes, index=DAYS[:8]).stack().dropna().swaplevel()  # noqa: PD013
    index = panel_index(frame.index.get_level_values(0), frame.index.get_level_values(1))
    return pd.DataFrame({"close": frame.to_numpy(), "in_universe": True}, index=index)


def test_the_first_label_that_differs_is_named_with_the_remedy():
    config = settings("excess_with_own_ends", horizons=[1], winsorize=0.0, min_names=2)
    panel = halted()

    found = {
        c.values["dates"]: c for c in (control(panel, config, n_dates=1, seed=s) for s in range(9))
    }

    # On the second day A earns 200 bps, B -100, and C, which ends later, 200: a mean of 100 bps,
    # or 50 without C. On the third day only C earns, 300 bps, and ends later again.
    assert set(found) == {"2019-01-04", "2019-01-07"}
    assert found["2019-01-04"].description == (
        "label_1d of instrument A on 2019-01-02, which ends on 2019-01-04, is 100 bps, but 150 "
        "when history ends on 2019-01-04; 2 of 5 labels that had ended differ: let label_end be "
        "the last date that a label looks at, which in excess of a mean is the latest of all rows "
        "of its date"
    )
    assert found["2019-01-07"].values == {
        "dates": "2019-01-07",
        "labels": 7,
        "different_labels": 4,
        "seed": found["2019-01-07"].values["seed"],
    }


def test_dates_of_each_kind_take_turns_and_are_sampled_by_the_seed():
    panel, config = market(3, delisted=1), settings("excess_with_own_ends", delisted_after=16)
    labels = make_labels(panel, config)
    ends = [labels[f"label_end_{key}"].dropna() for key in config.horizon_keys]
    apart = {
        *(date for end in ends for date in end[end < end.groupby("datetime").transform("max")])
    }
    last_bars = panel.reset_index().groupby("instrument")["datetime"].max()
    gone = DAYS[DAYS.get_loc(last_bars["S00"]) + 1]

    for seed in range(20):
        one, two = (
            dates_of(label_end_control(labels, panel, config, n_dates=n, seed=seed)) for n in (1, 2)
        )
        three, again = (
            dates_of(label_end_control(labels, panel, config, seed=seed)) for _ in range(2)
        )
        assert three == again
        assert len(three) == 3
        assert set(one) < set(two) < set(three)
        assert set(one) <= apart
        assert gone in two
    chosen = {label_end_control(labels, panel, config, seed=s).values["dates"] for s in range(9)}
    assert len(chosen) > 1


def test_a_builder_that_fails_on_shorter_history_is_named_with_the_date():
    found = control(market(0), settings("needs_long_history"), n_dates=9)
    first = dates_of(found)[0]
    assert (found.passed, found.only_warns) == (False, False)
    assert found.description.startswith(
        f"labels cannot be built (labels.builder: {BUILDERS}:needs_long_history failed: "
        f"ValueError: give me more), though some had ended, when history ends on {first:%Y-%m-%d}; "
    )


def test_nothing_can_be_cut_where_labels_end_with_the_market_data():
    panel, config = market(0), settings(horizons=[3])
    labels = make_labels(panel, config)
    last = labels["label_end_3d"] == panel.index.get_level_values("datetime").max()
    labels.loc[~last, ["label_3d", "label_end_3d"]] = [np.nan, pd.NaT]

    found = label_end_control(labels, panel, config)

    assert (found.passed, found.only_warns) == (False, True)
    assert found.description == (
        "not every horizon has a label that ends before the last bars, so nothing could be cut off"
    )


def test_columns_that_break_the_contract_are_left_to_it():
    panel, config = market(0), settings()
    labels = make_labels(panel, config)
    for broken in (
        labels.drop(columns="label_end_9d"),
        labels.drop(columns="label_9d"),
        labels.assign(label_9d="high"),
        labels.assign(label_end_9d="2019-01-10"),
        labels.assign(label_9d=np.nan),
        labels[[*labels.columns, "label_9d"]],
        labels[[]],
    ):
        found = label_end_control(broken, panel, config)
        assert (found.passed, found.only_warns) == (False, True)
