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
        "datetime)",
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
