"""Builders of the user's own that return what cannot be used."""

from typing import Literal

import numpy as np
import pandas as pd

from model2_assets_tests.bad_inputs.bars import market
from model2_assets_tests.bad_inputs.case import Case, Refused, region_config

_HERE = "model2_assets_tests.bad_inputs.builder_cases"


def nothing(panel: pd.DataFrame, config: object) -> None:
    """Return nothing."""


def raising(panel: pd.DataFrame, config: object) -> pd.DataFrame:
    """Fail as code does."""
    return panel[["no such column"]]


def all_missing(panel: pd.DataFrame, config: object) -> pd.DataFrame:
    """Return features without a value."""
    return pd.DataFrame({"a": np.nan, "b": np.nan}, index=panel.index)


def all_equal(panel: pd.DataFrame, config: object) -> pd.DataFrame:
    """Return labels that are all the same."""
    return pd.DataFrame({"forward_return_2d": 1.0, "label_2d": 1.0}, index=panel.index)


def without_returns(panel: pd.DataFrame, config: object) -> pd.DataFrame:
    """Return labels without the returns that they are of."""
    return pd.DataFrame({"label_2d": np.arange(len(panel)) % 7.0}, index=panel.index)


def _daily(panel: pd.DataFrame) -> pd.DataFrame:
    """Return a feature, the last return."""
    return panel[["close"]].groupby(level="instrument").pct_change().rename(columns={"close": "r"})


def two_levels(panel: pd.DataFrame, config: object) -> pd.DataFrame:
    """Return features whose columns have a heading of their own."""
    return pd.concat({"feature": _daily(panel)}, axis="columns")


def categories(panel: pd.DataFrame, config: object) -> pd.DataFrame:
    """Return a feature that is no number."""
    return _daily(panel).assign(sector=pd.Categorical(["bank"] * len(panel)))


def at_the_close(panel: pd.DataFrame, config: object) -> pd.DataFrame:
    """Return features stamped at 16:00 in New York, as UTC."""
    names, dates = (panel.index.get_level_values(level) for level in (0, 1))
    closes = (dates + pd.Timedelta(hours=16)).tz_localize("America/New_York").tz_convert("UTC")
    rows = pd.MultiIndex.from_arrays([names, closes], names=panel.index.names)
    return _daily(panel).set_axis(rows)


def _labels(panel: pd.DataFrame) -> pd.DataFrame:
    """Return labels of two bars without a lag, in excess of nothing."""
    own = panel["close"].groupby(level="instrument")
    earned = 1e4 * (own.shift(-2) / panel["close"] - 1)
    dates = panel.index.get_level_values("datetime").to_series(index=panel.index)
    end = dates.groupby(level="instrument").shift(-2)
    return pd.DataFrame({"forward_return_2d": earned, "label_2d": earned, "label_end_2d": end})


def ends_as_text(panel: pd.DataFrame, config: object) -> pd.DataFrame:
    """Return labels whose ends are text."""
    labels = _labels(panel)
    return labels.assign(label_end_2d=labels["label_end_2d"].dt.strftime("%Y-%m-%d"))


def twice(panel: pd.DataFrame, config: object) -> pd.DataFrame:
    """Return labels of which one row is there twice."""
    labels = _labels(panel)
    return pd.concat([labels, labels.iloc[[9]]])


def _case(
    identifier: str, planted: str, section: Literal["labels", "features"], name: str, message: str
) -> Case:
    settings = {"builder": f"{_HERE}:{name}"}
    if section == "labels":
        settings |= {"horizons": [2]}
    return Case(
        id=f"builder-{identifier}",
        planted=planted,
        enters=f"{section}.builder",
        files={"bars.parquet": market(n_dates=100)},
        config=region_config(
            {"source": "parquet", "path": "{folder}/bars.parquet"}, **{section: settings}
        ),
        outcome=Refused(message),
        until=section,
    )


CASES = (
    _case(
        "labels-nothing",
        "a builder that returns nothing",
        "labels",
        "nothing",
        f"labels.builder: {_HERE}:nothing must return a DataFrame indexed by (instrument, "
        "datetime), not a NoneType",
    ),
    _case(
        "labels-raise",
        "a builder that fails",
        "labels",
        "raising",
        f"labels.builder: {_HERE}:raising failed: KeyError: \"None of [Index(['no such column'], "
        f"dtype='str')] are in the [columns]\"",
    ),
    _case(
        "labels-equal",
        "labels that are all equal",
        "labels",
        "all_equal",
        "labels: all 800 values of label_2d are 1 bps, which leaves nothing to learn; prices never "
        "move, or all move alike: correct them",
    ),
    _case(
        "labels-without-returns",
        "labels without forward returns",
        "labels",
        "without_returns",
        "labels: the table has no column 'forward_return_2d', on which returns are scored; let "
        "labels.builder supply it: the return from entry to the label's own exit, in bps, neither "
        "in excess of anything nor winsorized",
    ),
    _case(
        "labels-text-ends",
        "label ends that are text",
        "labels",
        "ends_as_text",
        f"labels.builder: {_HERE}:ends_as_text: column 'label_end_2d' is str; Labels requires "
        "datetime64[us], convert it",
    ),
    _case(
        "labels-twice",
        "labels of which one row is there twice",
        "labels",
        "twice",
        f"labels.builder: {_HERE}:twice: repeats the key of an earlier row (Labels): first at row "
        "10 (instrument=S001, datetime=2018-01-03), 1 rows in all",
    ),
    _case(
        "features-two-levels",
        "features whose columns have two levels",
        "features",
        "two_levels",
        f"features.builder: {_HERE}:two_levels: columns have 2 levels, first ('feature', 'r'); "
        "Features requires one: drop the others by columns.droplevel",
    ),
    _case(
        "features-categories",
        "a feature that is no number",
        "features",
        "categories",
        f"features.builder: {_HERE}:categories: column 'sector' is category; Features requires "
        "float32, convert it",
    ),
    _case(
        "features-times-of-day",
        "features stamped at the close, as UTC",
        "features",
        "at_the_close",
        f"features.builder: {_HERE}:at_the_close: column 'datetime' is datetime64[us, UTC] with "
        "times of day, first 2018-01-02 21:00:00; Features requires session dates, at midnight",
    ),
    _case(
        "features-missing",
        "features that are all missing",
        "features",
        "all_missing",
        "features: none of 2 features has a value in any of 800 rows; correct the prices or "
        "features.builder",
    ),
    _case(
        "no-such-builder",
        "a builder that there is not",
        "features",
        "no_such",
        f"features.builder: module '{_HERE}' has no attribute 'no_such'; correct the path",
    ),
)
