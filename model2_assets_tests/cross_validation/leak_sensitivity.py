"""What purging is worth: a learner that can only remember, with and without it.

Returns are noise, so nothing can be forecast. But slow features tell which instrument a row
is of and roughly when, and a local learner answers with the labels of the nearest train
rows: the same instrument, some days away. Their windows overlap the test row's, so
without purging it repeats returns that it is asked for. Purged, the nearest train rows are
a whole window away and know nothing.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from model2_assets.cross_validation import PurgedEmbargoedTimeSeriesSplit, Role
from model2_assets.cross_validation.intervals import longest_label_end
from model2_assets.evaluation import daily_ic
from model2_assets.labels import build_labels_from_config
from model2_assets.market_data import synthetic_panel
from model2_assets.panel import date_codes, instrument_codes, panel_index

HORIZON = 63
LEARNERS: dict[str, Callable[[], Any]] = {
    "nearest neighbours": lambda: KNeighborsRegressor(n_neighbors=5),
    "deep tree": lambda: DecisionTreeRegressor(random_state=0),
}


def rank_ics(
    seed: int,
    *,
    learner: str = "nearest neighbours",
    n_instruments: int = 20,
    n_dates: int = 800,
) -> dict[tuple[str, str], float]:
    """Return mean rank ICs of one noise market by (``purged`` or ``not purged``, dates).

    Dates are ``near an edge`` (within the longest horizon of another group) or ``elsewhere``.
    """
    features, labels = _tables(seed, n_instruments, n_dates)
    label = labels[f"label_{HORIZON}d"]
    rows = features.index.intersection(labels.index[label.notna()], sort=False)
    X = StandardScaler().fit_transform(features.loc[rows])
    y = label.loc[rows].to_numpy()
    splitter = PurgedEmbargoedTimeSeriesSplit(5)
    roles = splitter.roles(rows, label_end=longest_label_end(labels).loc[rows])
    trains = {"purged": roles == Role.TRAIN, "not purged": roles != Role.TEST}
    near = _near_an_edge(rows, splitter.group_ids(rows))
    found = {}
    for name, train in trains.items():
        prediction = np.empty(len(rows))
        for split_id in range(splitter.n_splits):
            test = roles[:, split_id] == Role.TEST
            fitted = LEARNERS[learner]().fit(X[train[:, split_id]], y[train[:, split_id]])
            prediction[test] = fitted.predict(X[test])
        daily = daily_ic(prediction, y, rows)["rank_ic"].to_numpy()
        found[name, "near an edge"] = float(np.nanmean(daily[near]))
        found[name, "elsewhere"] = float(np.nanmean(daily[~near]))
    return found


def over_markets(seeds: range, **settings: Any) -> pd.DataFrame:
    """Return mean and standard error over independent noise markets, by case."""
    table = pd.DataFrame([rank_ics(seed, **settings) for seed in seeds])
    return pd.DataFrame({"rank_ic": table.mean(), "standard_error": table.sem()})


@cache
def _tables(seed: int, n_instruments: int, n_dates: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    panel = _noise_market(seed, n_instruments, n_dates)
    return _slow_features(panel, seed), build_labels_from_config(panel, {})


def _noise_market(seed: int, n_instruments: int, n_dates: int) -> pd.DataFrame:
    bars = synthetic_panel(n_instruments=n_instruments, n_dates=n_dates, seed=seed, signal=0.0)
    index = panel_index(bars["instrument"], bars["datetime"])
    return bars.drop(columns=["instrument", "datetime"]).set_index(index).assign(in_universe=True)


def _slow_features(panel: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return what tells an instrument and its time: size and sector at listing, and age."""
    assert isinstance(panel.index, pd.MultiIndex)
    instruments, dates = instrument_codes(panel.index), date_codes(panel.index)
    at_listing = np.random.default_rng([seed, 1]).standard_normal((len(instruments.values), 2))
    size, sector = at_listing[instruments.codes].T
    age = dates.codes / dates.codes.max()
    return pd.DataFrame({"size": size, "sector": sector, "age": age}, index=panel.index)


def _near_an_edge(rows: pd.MultiIndex, group: NDArray[np.int16]) -> NDArray[np.bool_]:
    dates = date_codes(rows).codes
    n_dates = dates.max() + 1
    group_of_date = np.empty(n_dates, dtype=np.int64)
    group_of_date[dates] = group
    near = np.zeros(n_dates, dtype=bool)
    for edge in np.flatnonzero(np.diff(group_of_date)) + 1:
        near[max(edge - HORIZON, 0) : edge + HORIZON] = True
    return near
