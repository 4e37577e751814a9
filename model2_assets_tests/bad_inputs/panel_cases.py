"""Bars that are well typed, and wrong."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from model2_assets_tests.bad_inputs.bars import market
from model2_assets_tests.bad_inputs.case import Case, Handled, Refused, Stage, region_config

_PATH = "{folder}/bars.parquet"
_LABELS = {"horizons": [5, 21]}
_PRICES = ["open", "high", "low", "close"]


def _case(
    identifier: str,
    planted: str,
    bars: pd.DataFrame,
    outcome: Refused | Handled,
    *,
    until: Stage = "splits",
    labels: Mapping[str, Any] = _LABELS,
    **sections: Any,
) -> Case:
    market_data = {"source": "parquet", "path": _PATH}
    return Case(
        id=f"bars-{identifier}",
        planted=planted,
        enters="bars",
        files={"bars.parquet": bars},
        config=region_config(market_data, labels=dict(labels), **sections),
        outcome=outcome,
        until=until,
    )


def _with(column: str, value: float, *, row: int = 100) -> pd.DataFrame:
    bars = market()
    bars.loc[row, column] = value
    return bars


def _scaled_from(date: int, factor: float, *, instrument: str = "S001") -> pd.DataFrame:
    bars = market()
    later = bars["datetime"] >= bars["datetime"].unique()[date]
    bars.loc[later & (bars["instrument"] == instrument), _PRICES] *= factor
    return bars


def _without_dates(first: int, stop: int, instrument: str | None = None) -> pd.DataFrame:
    bars = market()
    gap = bars["datetime"].isin(bars["datetime"].unique()[first:stop])
    if instrument is not None:
        gap &= bars["instrument"] == instrument
    return bars[~gap]


def _impossible(column: str, value: float) -> Case:
    bars = _with(column, value)
    name, date = bars.loc[100, "instrument"], bars.loc[100, "datetime"]
    wanted = {
        "volume": "zero or more, up to 1e+18",
        "delisting_return": "a fraction from -1 to 10, -0.3 for a loss of 30%",
    }.get(column, "positive, from 1e-09 to 1e+12")
    return _case(
        f"{column}-{value:g}",
        f"{column} of {value:g}",
        bars,
        Refused(
            f"{_PATH}: column '{column}' is {value:g} for {name} on {date:%Y-%m-%d}; it must be "
            f"{wanted}: correct the value, or leave it empty if it is not known"
        ),
    )


def _moved(factor: float, written: str) -> Case:
    return _case(
        f"jump-{factor:g}",
        f"a split that multiplies closes by {factor:g}",
        _scaled_from(150, factor),
        Refused(
            f"{_PATH}: the close of S001 moves by a factor {written} from its bar before to "
            f"2018-07-31; no price does, so mend its split adjustment or its unit, or leave the "
            f"instrument out"
        ),
    )


_MIN_SAMPLES = (
    "but cross_validation.min_samples is {least}{more}; give more history or instruments, or lower "
    "cross_validation.n_groups, embargo_days, min_samples or labels.horizons"
)
_EQUAL = "leaves nothing to learn; "

CASES = (
    *(_impossible("close", value) for value in (0.0, -1.0, np.inf, 1e-10)),
    *(_impossible("low", value) for value in (0.0, -5.0)),
    *(_impossible("volume", value) for value in (-100.0, np.inf)),
    *(_impossible("delisting_return", value) for value in (-30.0, 15.0)),
    _case(
        "delisting-return-without-close",
        "a delisting return on a date of its own, without a close",
        _with("delisting_return", -0.3).assign(
            close=lambda bars: bars["close"].where(bars["delisting_return"].isna())
        ),
        Refused(
            f"{_PATH}: S004 on 2018-01-18 has a delisting_return but no close; give it on the bar "
            "of the last close, after which it is earned"
        ),
    ),
    _case(
        "high-below-low",
        "a high below the low",
        _with("high", 1.0),
        Handled({"high_below_low": 1, "rows": 2400}),
    ),
    _case(
        "close-outside-range",
        "a close above the high",
        _with("close", 150.0),
        Handled({"close_outside_range": 1, "rows": 2400}),
    ),
    _case(
        "zero-volume",
        "no trade on any date",
        market().assign(volume=0.0),
        Handled({"zero_volume": 2400, "features_without_values": 10}),
    ),
    _case(
        "no-volume",
        "volumes that are all missing",
        market().assign(volume=np.nan),
        Handled({"missing_volume": 2400, "features_without_values": 40}),
    ),
    _case(
        "no-opens",
        "opens that are all missing",
        market().assign(open=np.nan),
        Handled({"missing_open": 2400, "features_without_values": 9}),
    ),
    _case(
        "missing-run-of-one",
        "50 bars of an instrument missing",
        _without_dates(100, 150, "S001"),
        Handled({"rows": 2350, "new_histories": 0, "long_gap_rows_21d": 22}),
    ),
    _case(
        "reused-name",
        "120 bars of an instrument missing, as where another company got its ticker",
        _without_dates(100, 220, "S001"),
        Handled(
            {
                "new_histories": 1,
                "long_gap_rows_21d": 0,
                "labelled_at_delisting_rows_21d": 21,
                "delisted_rows_21d": 1,
                "too_little_history": 9 * 60,
            }
        ),
    ),
    _case(
        "filled-forward",
        "closes of an instrument that are filled forward, as after its delisting",
        market().assign(
            close=lambda bars: bars["close"].where(
                (bars["instrument"] != "S001") | (bars["datetime"] < "2018-06-01"), 100.0
            )
        ),
        Handled({"frozen_instruments": 1, "rows": 2400}),
    ),
    _case(
        "close-of-another-adjustment",
        "adjusted closes beside opens, highs and lows that are not",
        market().assign(close=lambda bars: bars["close"] / 2),
        Handled({"mixed_adjustments": 8, "rows": 2400}),
    ),
    _case(
        "same-bars",
        "the bars of an instrument once more under another name, and two more days of them",
        pd.concat(
            [
                _without_dates(298, 300, "S001"),
                market().query("instrument == 'S001'").assign(instrument="S001 (1)"),
            ]
        ),
        Handled({"same_bars": 1, "rows": 2698}),
    ),
    _case(
        "missing-run-of-all",
        "120 dates without closes",
        market().assign(
            close=lambda bars: bars["close"].where(
                ~bars["datetime"].isin(bars["datetime"].unique()[100:220])
            )
        ),
        Refused(
            "horizon 21d, split 4 testing fold 4: 560 labelled train rows and 48 labelled test "
            "rows, " + _MIN_SAMPLES.format(least=100, more="")
        ),
    ),
    _moved(1e6, "1e+06"),
    _moved(1e-6, "1e-06"),
    _case(
        "jump-50",
        "a split of 50 for one, not adjusted",
        _scaled_from(150, 1 / 50),
        Handled({"large_moves": 1, "rows": 2400}),
    ),
    _case(
        "single-instrument",
        "one instrument",
        market(n_instruments=1),
        Refused(
            "labels: all 294 values of label_5d are 0 bps, which " + _EQUAL + "no date has more "
            "than one instrument: give more, or set labels.excess to false"
        ),
        labels={**_LABELS, "min_names": 1},
    ),
    _case(
        "four-instruments",
        "four instruments, fewer than a cross-section has",
        market(n_instruments=4),
        Refused(
            "labels.min_names: no date has 5 names with a return over 5 bars; give more "
            "instruments, lower it, or set labels.excess to false and labels.winsorize to 0"
        ),
    ),
    _case(
        "single-date",
        "one date",
        market(n_dates=1),
        Refused(
            "labels.horizons: no row has a label over 5 bars with execution_lag_days 1, which "
            "takes 7 bars of an instrument; the longest history has 1: shorten the horizon or "
            "give more history"
        ),
    ),
    _case(
        "constant-prices",
        "prices that never move",
        market().assign(**dict.fromkeys([*_PRICES, "volume"], 10.0)),
        Refused(
            "labels: all 2,352 values of label_5d are 0 bps, which " + _EQUAL + "prices never "
            "move, or all move alike: correct them"
        ),
    ),
    _case(
        "equal-labels-on-a-date",
        "equal prices of all instruments on 40 dates",
        market().assign(
            close=lambda bars: bars["close"].where(
                ~bars["datetime"].isin(bars["datetime"].unique()[200:240]), 100.0
            )
        ),
        Handled({"rows": 2400, "labelled_rows_5d": 2352}),
    ),
    _case(
        "one-row-instrument",
        "an instrument of one row",
        pd.concat([market(), market().iloc[[100]].assign(instrument="ONE")]),
        Handled({"rows": 2401, "too_recent_rows_5d": 48, "delisted_rows_5d": 1}),
    ),
    _case(
        "shorter-than-horizon",
        "20 dates for labels of 21 bars",
        market(n_dates=20),
        Refused(
            "labels.horizons: no row has a label over 21 bars with execution_lag_days 1, which "
            "takes 23 bars of an instrument; the longest history has 20: shorten the horizon or "
            "give more history"
        ),
    ),
    _case(
        "shorter-than-features",
        "50 dates for features that want 60 earlier bars",
        market(n_dates=50),
        Refused(
            "no row of the panel can have features: of its 400 rows in the universe the one with "
            "the longest history has 49 earlier bars of its instrument, and "
            "features.min_history_bars is 60; give a longer history or lower the setting"
        ),
    ),
    _case(
        "no-row-with-both",
        "62 dates: rows with features have no label",
        market(n_dates=62),
        Refused(
            "no row has both features and a label: 16 rows have features and 448 have a label; "
            "give more history, or shorten labels.horizons or features.min_history_bars"
        ),
    ),
    _case(
        "splits-too-small",
        "two instruments for splits of 100 samples",
        market(n_instruments=2),
        Refused(
            "horizon 5d, split 0 testing fold 0: 320 labelled train rows and 94 labelled test "
            "rows, " + _MIN_SAMPLES.format(least=100, more=" (and 9 more)")
        ),
        labels={**_LABELS, "min_names": 1},
    ),
    _case(
        "embargo-of-everything",
        "an embargo longer than history",
        market(),
        Refused(
            "horizon 5d, split 0 testing fold 0: 0 labelled train rows and 376 labelled test "
            "rows, " + _MIN_SAMPLES.format(least=100, more=" (and 1 more)")
        ),
        cross_validation={"embargo_days": 500},
    ),
    _case(
        "more-groups-than-dates",
        "100 groups of 54 dates",
        market(n_dates=120),
        Refused(
            "n_groups is 100 but there are only 54 distinct dates to cut; lower "
            "cross_validation.n_groups or give more history"
        ),
        cross_validation={"n_groups": 100},
    ),
)
