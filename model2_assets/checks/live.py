"""Checks of live predictions: every live row, up to the newest date, and nothing unheard of."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from model2_assets.checks.inputs import exit_dates
from model2_assets.checks.oof import check_finite, check_range
from model2_assets.checks.outcome import CheckOutcome, check_contract
from model2_assets.config import ChecksConfig
from model2_assets.evaluation.stability import population_stability, stretch_stability
from model2_assets.panel import INDEX_NAMES

if TYPE_CHECKING:
    from model2_assets.training.live import LivePredictions


USUAL_QUANTILE = 0.95
"""Of the out-of-fold predictions' own stretches, the share that counts as usual."""


def check_live(
    candidate: "LivePredictions",
    *,
    market_data: pd.DataFrame,
    labels: pd.DataFrame,
    features: pd.DataFrame,
    oof_paths: pd.DataFrame,
    horizon: str,
    limits: ChecksConfig,
) -> list[CheckOutcome]:
    """Check live predictions before they are published.

    Parameters
    ----------
    candidate : LivePredictions
        The predictions.
    market_data, labels, features : DataFrame
        What they were made from.
    oof_paths : DataFrame of shape (n_predictions, n_columns)
        Every out-of-fold prediction. Where several splits test a row, its mean spreads less
        than the predictions of one model do, and live predictions are of one model.
    horizon : str
        Such as ``21d``.
    limits : ChecksConfig
        Limits from the configuration.

    Returns
    -------
    list of CheckOutcome
        ``contract``, ``coverage``, ``newest_date``, ``finite``, ``range`` and
        ``resembles_oof``.
    """
    live = candidate.live
    expected = expected_live_rows(
        market_data, labels[f"label_{horizon}"], features, bars=candidate.bars
    )
    return [
        check_contract(live, "LivePredictions"),
        check_live_coverage(live, expected),
        check_newest_date(live, market_data),
        check_finite(live),
        check_range(live, limit_bps=limits.prediction_bps),
        check_resembles_oof(live, oof_paths.set_index(list(INDEX_NAMES)), limit=limits.psi_warn),
    ]


def expected_live_rows(
    market_data: pd.DataFrame, label: pd.Series, features: pd.DataFrame, *, bars: int
) -> pd.MultiIndex:
    """Find the live rows once more, from the labels and the exit date of every row.

    Parameters
    ----------
    market_data : DataFrame of shape (n_bars, n_columns)
        In canonical order, with ``in_universe``.
    label : Series of shape (n_label_rows,)
        Labels in bps, NaN where there is none.
    features : DataFrame of shape (n_feature_rows, n_features)
        Panel frame.
    bars : int
        Own bars from a row to its exit.

    Returns
    -------
    MultiIndex of shape (n_live_rows,)
        Rows with features, no label and no exit bar, of the members of the universe that
        have a bar on the last date.
    """
    known = label.dropna().index
    unlabelled = features.index[~features.index.isin(known)]
    open_rows = unlabelled[np.isnat(exit_dates(market_data, unlabelled, bars))]
    today = market_data.loc[market_data.index.isin([_last_date(market_data)], level="datetime")]
    members = today.index.get_level_values("instrument")[today["in_universe"].to_numpy(dtype=bool)]
    expected = open_rows[open_rows.isin(members, level="instrument")]
    assert isinstance(expected, pd.MultiIndex)
    return expected


def check_live_coverage(live: pd.DataFrame, expected: pd.MultiIndex) -> CheckOutcome:
    """Check that every live row is predicted once, and no other.

    Parameters
    ----------
    live : DataFrame of shape (n_predictions, 1)
        Live predictions, indexed by ``(instrument, datetime)``.
    expected : MultiIndex of shape (n_live_rows,)
        As `expected_live_rows` returns it.

    Returns
    -------
    CheckOutcome
        Named ``coverage``.
    """
    found = {
        "rows lack a prediction": expected[~expected.isin(live.index)],
        "rows are not live: they have a label, their horizon has ended, or their instrument "
        "does not trade on the last date": live.index[~live.index.isin(expected)],
        "rows repeat an earlier one": live.index[live.index.duplicated()],
    }
    problems = [
        f"{len(rows):,} {text}, first {rows[0][0]} {rows[0][1]:%Y-%m-%d}"
        for text, rows in found.items()
        if len(rows)
    ]
    missing, extra, repeated = (len(rows) for rows in found.values())
    return CheckOutcome(
        "coverage",
        passed=not problems,
        description="; ".join(problems) or f"{len(live):,} live rows, each once",
        values={
            "live_rows": len(expected),
            "missing_rows": missing,
            "extra_rows": extra,
            "repeated_rows": repeated,
        },
    )


def check_newest_date(live: pd.DataFrame, market_data: pd.DataFrame) -> CheckOutcome:
    """Check that the last date of the market data is predicted.

    Parameters
    ----------
    live : DataFrame of shape (n_predictions, 1)
        Live predictions.
    market_data : DataFrame of shape (n_bars, n_columns)
        With ``in_universe``.

    Returns
    -------
    CheckOutcome
        Named ``newest_date``; a failure says why the date is missing.
    """
    last = _last_date(market_data)
    today = market_data.index.isin([last], level="datetime")
    tradable = int(np.count_nonzero(today & market_data["in_universe"].to_numpy(dtype=bool)))
    predicted = int(np.count_nonzero(live.index.isin([last], level="datetime")))
    if predicted:
        description = f"{predicted:,} of {tradable:,} instruments that trade on {last:%Y-%m-%d}"
    elif not tradable:
        description = (
            f"no instrument is in the universe on {last:%Y-%m-%d}, the last date of the market "
            f"data; extend market_data.universe, or remove that date"
        )
    else:
        description = (
            f"none of the {tradable:,} instruments that trade on {last:%Y-%m-%d}, the last date of "
            f"the market data, has features there; give it complete bars, or remove that date"
        )
    return CheckOutcome(
        "newest_date",
        passed=predicted > 0,
        description=description,
        values={
            "last_date": f"{last:%Y-%m-%d}",
            "instruments": predicted,
            "tradable_instruments": tradable,
        },
    )


def check_resembles_oof(live: pd.DataFrame, oof: pd.DataFrame, *, limit: float) -> CheckOutcome:
    """Warn where live predictions are distributed unlike the out-of-fold predictions.

    All live predictions are compared with all out-of-fold predictions, in bps and pooled over
    dates, by the population stability index on deciles of the latter. Live rows are few dates
    whose predictions move together, so a short history differs from itself by more than a
    convention for independent values allows. The check therefore warns above `limit` only
    where the index also is above what 95% of the out-of-fold predictions' own stretches of
    as many dates show.

    Parameters
    ----------
    live : DataFrame of shape (n_live_rows, 1)
        Live predictions.
    oof : DataFrame of shape (n_predictions, n_columns)
        Out-of-fold predictions of single models, of the same horizon and model; indexed by
        ``(instrument, datetime)``, a row once for each split that tests it.
    limit : float
        Index above which distributions differ; by convention 0.25, see
        `model2_assets.evaluation.population_stability`.

    Returns
    -------
    CheckOutcome
        Named ``resembles_oof``, of severity ``warn``.
    """
    now, before = _finite(live), _finite(oof)
    stability = population_stability(before, now)
    n_dates = now.index.get_level_values("datetime").nunique()
    assert isinstance(before.index, pd.MultiIndex)
    stretches = stretch_stability(before, before.index, n_dates=max(n_dates, 1))
    usual = float(np.quantile(stretches, USUAL_QUANTILE)) if stretches.size else 0.0
    moments = {
        f"{name}_{moment}_bps": float(getattr(values, moment)())
        for name, values in (("live", now), ("oof", before))
        for moment in ("mean", "std")
    }
    return CheckOutcome(
        "resembles_oof",
        passed=bool(stability.index <= max(limit, usual)),
        severity="warn",
        description=_resemblance(stability.index, usual, limit, moments),
        values={
            "psi": stability.index,
            "psi_warn": limit,
            "psi_of_oof_stretches": usual,
            "live_rows": len(live),
            "live_dates": n_dates,
            **moments,
        },
    )


def _resemblance(index: float, usual: float, limit: float, moments: Mapping[str, float]) -> str:
    if np.isnan(index):
        return "no predictions to compare; materialize oof_predictions and live_predictions again"
    found = (
        f"population stability index {index:.3f} of live against out-of-fold predictions; "
        f"95% of the latter's own stretches of as many dates stay below {usual:.3f}"
    )
    if index <= max(limit, usual):
        return found
    return (
        f"{found}, and the limit is {limit:g}: live {moments['live_mean_bps']:.1f} ± "
        f"{moments['live_std_bps']:.1f} bps, out-of-fold {moments['oof_mean_bps']:.1f} ± "
        f"{moments['oof_std_bps']:.1f} bps; look at the newest bars and features before trading"
    )


def _finite(frame: pd.DataFrame) -> pd.Series:
    values: pd.Series = frame["prediction"][np.isfinite(frame["prediction"].to_numpy())]
    return values


def _last_date(market_data: pd.DataFrame) -> pd.Timestamp:
    last = market_data.index.get_level_values("datetime").max()
    assert isinstance(last, pd.Timestamp)
    return last
