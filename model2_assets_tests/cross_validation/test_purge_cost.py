import numpy as np
import pandas as pd
import pytest

from model2_assets.config import CrossValidationConfig, LabelsConfig
from model2_assets.cross_validation import build_cv_splits
from model2_assets.cross_validation.intervals import horizon_keys
from model2_assets.cross_validation.purge_cost import cost_of_long_windows
from model2_assets.cross_validation.roles import Role, role_columns
from model2_assets.labels import build_labels_from_config
from model2_assets.panel import panel_index, to_canonical
from model2_assets_tests.cross_validation.panels import brute_force_roles, dates_of

DATES = pd.bdate_range("2015-01-01", periods=700).as_unit("us")


def bars(n_names, *, missing=None, n_dates=700):
    """Return random closes; of names in `missing`, none on the dates of a slice."""
    traded = np.ones((n_dates, n_names), dtype=bool)
    for name, days in (missing or {}).items():
        traded[days, name] = False
    date, name = np.nonzero(traded)
    steps = 0.01 * np.random.default_rng(3).standard_normal((n_dates, n_names))
    closes = pd.Series(np.exp(steps.cumsum(axis=0))[traded])
    index = panel_index([f"S{n:03d}" for n in name], DATES[date])
    return to_canonical(pd.DataFrame({"close": closes.to_numpy()}, index=index))


def cost_of(panel, *, config=None, **labels):
    settings, config = LabelsConfig(**labels), config or CrossValidationConfig()
    table = build_labels_from_config(panel, settings)
    splits = build_cv_splits(table.index, table, config)
    return cost_of_long_windows(splits, table, config, settings), table, splits


def purged_rows(splits):
    roles = np.stack([column.roles(splits) for column in role_columns(splits)])
    return int(np.isin(roles, (Role.PURGED_BEFORE, Role.PURGED_AFTER)).sum())


def with_short_windows(labels, *, lag=1):
    """Return labels that end horizon + lag dates of the table after their row at most."""
    dates, short = labels.index.get_level_values("datetime"), labels.copy()
    panel = dates.unique().sort_values()
    for key in horizon_keys(labels):
        at = panel.get_indexer(dates) + int(key[:-1]) + lag
        latest = pd.Series(panel[np.minimum(at, len(panel) - 1)], index=labels.index)
        name = f"label_end_{key}"
        short[name] = labels[name].where(labels[name] <= latest, latest).where(labels[name].notna())
    return short


HALTED = {name: slice(55 * name - 20, 55 * name + 20) for name in range(1, 13)}
"""Twelve names that miss 40 dates each, one after another."""


def test_twelve_halts_among_three_hundred_names():
    cost, labels, splits = cost_of(bars(300, missing=HALTED))

    reach = labels["label_end_63d"].dropna().reset_index(level="datetime")
    windows = DATES.get_indexer(reach["label_end_63d"]) - DATES.get_indexer(reach["datetime"])
    assert windows.max() == 64 + 40
    short = build_cv_splits(labels.index, with_short_windows(labels), CrossValidationConfig())
    assert cost.purged == purged_rows(splits) == 248_965
    assert cost.owed == cost.purged - purged_rows(short) == 95_730  # 62% more than 153,235
    assert cost.of_name.sum() == pytest.approx(cost.owed)
    assert set(cost.of_name.index) <= {f"S{name:03d}" for name in HALTED}
    assert str(cost) == (
        "38.5% of 248,965 purged rows, over all splits, are owed to windows longer than horizon + "
        "lag; of these S006 13.4%, S008 12.5%, S003 12.5%, S011 12.5%, S002 12.0%, 6 more 37.0%"
    )


def test_without_halts_no_part_of_the_purge_is_owed_to_them():
    cost, _, splits = cost_of(bars(20))
    assert (cost.purged, cost.owed) == (purged_rows(splits), 0)
    assert str(cost).startswith(f"none of {cost.purged:,} purged rows, over all splits, are owed")


def test_rows_are_those_that_comparing_every_two_rows_finds():
    panel = bars(5, missing={1: slice(28, 38), 3: slice(60, 66), 4: slice(75, None)}, n_dates=90)
    config = CrossValidationConfig(n_groups=3, embargo_days=2)
    cost, table, splits = cost_of(panel, config=config, horizons=[8])

    groups = [np.unique(dates_of(rows.index)) for _, rows in splits.groupby("group_id")]
    purged = []
    for labels in (table, with_short_windows(table)):
        ends = labels["label_end_8d"].loc[splits.index]
        roles = [
            brute_force_roles(splits.index, ends, groups=groups, tested=(tested,), embargo_days=2)
            for tested in range(3)
        ]
        purged.append(np.isin(roles, (Role.PURGED_BEFORE, Role.PURGED_AFTER)).sum())
    assert (cost.purged, cost.owed) == (purged[0], purged[0] - purged[1])
    assert 0 < cost.owed < cost.purged


@pytest.mark.parametrize("labels", [{}, {"excess": False, "winsorize": 0.0}])
@pytest.mark.parametrize(
    "config",
    [
        {"purge": "per_horizon"},
        {"scheme": "walk_forward", "window": "rolling", "train_groups": 2},
        {"n_groups": 6, "n_test_groups": 2, "balance": "rows", "embargo_days": 30},
    ],
)
def test_rows_are_those_of_splits_by_windows_within_reach(config, labels):
    config = CrossValidationConfig(**config)
    panel = bars(20, missing={**HALTED, 13: slice(300, None), 14: slice(0, 350)})
    cost, table, splits = cost_of(panel, config=config, horizons=[5, 63], **labels)

    short = build_cv_splits(table.index, with_short_windows(table), config)
    assert cost.purged == purged_rows(splits)
    assert cost.owed == cost.purged - purged_rows(short) > 0
    told = cost.of_name.sum() + cost.of_delisted.sum()
    assert told == pytest.approx(cost.owed)


@pytest.mark.parametrize("horizon", [63, 21])
def test_a_halt_is_the_halted_names_whether_it_lengthens_windows_or_takes_them(horizon):
    """Over 40 dates a 21-day window is given up, and labels wait for the comeback."""
    cost, *_ = cost_of(bars(20, missing={7: slice(260, 300)}), horizons=[horizon])
    assert cost.of_name.to_dict() == {"S007": pytest.approx(cost.owed)}
    assert cost.owed > 0


def test_delisted_names_are_told_apart():
    """Its last window ends with the history: labels wait 11 dates more, by 10 dates' delay."""
    cost, *_ = cost_of(bars(20, missing={7: slice(275, None)}), horizons=[5])
    assert cost.of_name.empty
    assert cost.of_delisted.to_dict() == {"S007": pytest.approx(cost.owed)}
    assert "waiting for delistings to be known (1) 100.0%" in str(cost)


def test_an_exit_outside_the_universe_is_not_attributable():
    panel = bars(20, missing={7: slice(260, 300)})
    name, date = (panel.index.get_level_values(level) for level in (0, 1))
    panel["in_universe"] = ~((name == "S007") & (date >= DATES[300]))
    cost, *_ = cost_of(panel, horizons=[63])
    assert cost.owed > 0
    assert str(cost).endswith("of these not attributable 100.0%")
