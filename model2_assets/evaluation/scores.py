"""Scores of out-of-fold predictions: per fold, split and path, and over all rows."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import nan
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config import LabelsConfig
from model2_assets.config.partition import Partition
from model2_assets.errors import ContractError
from model2_assets.evaluation.ic import Grid, Ints, Values, correlate_dates
from model2_assets.evaluation.inference import (
    LAG_OVERLAPS,
    deflated_sharpe_ratio,
    label_overlap_days,
    mean_ic_inference,
)
from model2_assets.evaluation.metrics import MINUS, metrics_of
from model2_assets.evaluation.quantiles import spread_dates
from model2_assets.labels import realized_returns
from model2_assets.panel import row_name
from model2_assets.storage.data_version import INPUTS, data_versions_of, facts_of, require_made_from

_IDS = ("fold_id", "split_id", "path_id")
"""Which fold, split or path a score is of; all are missing for all rows."""


def score_predictions(
    oof: pd.DataFrame,
    outcomes: pd.DataFrame,
    *,
    horizon_days: int,
    overlap_days: int,
    n_trials: int = 1,
    paths: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Score out-of-fold predictions: ranks on realized returns, the fit on labels.

    What speaks of returns (correlations, signs, the spread and its Sharpe ratio) is scored on
    what rows earned, what speaks of the fit (R², RMSE, MAE) on the labels that models were fitted
    to; `Metric.on` says which. Winsorized labels tie, and their spread can be larger or smaller
    than what was earned.

    Cross-validation trains on the future of its test blocks: the scores validate a
    forecaster, and are not those of a backtest.

    With several test groups a split, a row has several predictions. The scopes ``fold`` and
    ``all`` score their mean, which no single model makes: averaging removes a part of the
    models' noise, so means flatter. The scopes ``split`` and ``path`` score the predictions as
    they were made, and the spread over paths says how much a score owes to the choice of
    train rows. With one test group a split, splits are folds and the one path is ``all``.

    Parameters
    ----------
    oof : DataFrame of shape (n_rows, 2)
        Out-of-fold table indexed by ``(instrument, datetime)``, in any row order:
        ``prediction`` (bps) and ``fold_id``.
    outcomes : DataFrame of shape (n_label_rows, 2)
        ``label`` and ``realized`` (`labels.realized_returns`), both float, bps, indexed likewise;
        aligned by index, and may have further rows.
    horizon_days : int
        Dates after which a label's window is over: the deflated Sharpe ratio is that of
        dates so far apart, whose returns do not overlap. It is the median over all dates to
        start from, since one start's is much a matter of luck.
    overlap_days : int
        Dates over which labels overlap, horizon - 1 at least. The standard error of the mean
        daily rank IC looks back over twice as many.
    n_trials : int, default 1
        Models and horizons tried, for the deflated Sharpe ratio.
    paths : DataFrame of shape (n_predictions, n_columns), optional
        Every single prediction: columns ``instrument``, ``datetime``, ``split_id``,
        ``path_id`` and ``prediction`` (bps), in any row order. Without it, there are no
        scores of splits and paths.

    Returns
    -------
    DataFrame of shape (n_scores, 6)
        ``scope``: ``fold``, ``split``, ``path``, or ``all`` rows; ``fold_id``, ``split_id``
        and ``path_id`` Int64, missing but for the scope's own; ``metric``, as `METRICS`
        explains it; ``value`` float64 (bps, bps², shares), NaN where a metric is undefined.
        Standard errors, spread and deflated Sharpe ratio are those of paths and of all rows.

    Raises
    ------
    ContractError
        If there are no rows, a prediction is not finite, a row has no fold, no label or no
        realized return, or a row repeats.
    """
    known = _Outcomes.of(outcomes)
    overall = _Predictions.of(known, oof.index, oof["prediction"], "out-of-fold")
    no_fold = oof["fold_id"].isna().to_numpy()
    _refuse("out-of-fold", overall.index, no_fold, "has no fold_id", "train again")
    units: list[tuple[str, _Predictions, pd.Series | None]] = [("fold", overall, oof["fold_id"])]
    if paths is not None:
        index = pd.MultiIndex.from_frame(paths[["instrument", "datetime"]])
        single = _Predictions.of(known, index, paths["prediction"], "oof_paths")
        units += [("split", single, paths["split_id"]), ("path", single, paths["path_id"])]
    records = []
    for scope, predictions, ids in [*units, ("all", overall, None)]:
        for unit_id, scored in predictions.by(ids, scope):
            scores = _scores(scored)
            if scope in ("path", "all"):
                scores |= _history(scored, horizon_days, overlap_days, n_trials)
            unit = {"scope": scope, f"{scope}_id": unit_id}
            records += [{**unit, "metric": name, "value": value} for name, value in scores.items()]
    table = pd.DataFrame(records, columns=["scope", *_IDS, "metric", "value"])
    return table.astype(dict.fromkeys(_IDS, "Int64") | {"value": "float64"})


def score_partition(
    oof: pd.DataFrame,
    labels: pd.DataFrame,
    partition: Partition,
    *,
    paths: pd.DataFrame | None = None,
    config: LabelsConfig | None = None,
    n_trials: int = 1,
) -> pd.DataFrame:
    """Score the out-of-fold predictions of one horizon and model by `score_predictions`.

    Parameters
    ----------
    oof : DataFrame of shape (n_rows, 2)
        ``prediction`` (bps) and ``fold_id``, indexed by ``(instrument, datetime)``.
    labels : DataFrame of shape (n_label_rows, 3 * n_horizons)
        As `build_labels_from_config` makes them, bps.
    partition : Partition
        Its horizon, and the name of its model.
    paths : DataFrame of shape (n_predictions, 7), optional
        Every single prediction, as ``oof_paths`` has them.
    config : LabelsConfig, optional
        Settings that the labels were made with; by default the defaults.
    n_trials : int, default 1
        Models and horizons that the best was chosen from, for the deflated Sharpe ratio.

    Returns
    -------
    DataFrame of shape (n_scores, 8)
        As the contract CVScores.

    Raises
    ------
    StoreError
        If tables state that they were made from others than those given.
    ContractError
        If predictions or labels cannot be scored, see `score_predictions`.
    """
    config = config or LabelsConfig()
    made_from = facts_of(oof).get(INPUTS, {})
    at_hand = data_versions_of(labels=labels)
    require_made_from("oof_predictions", made_from, at_hand)
    if paths is not None:
        require_made_from("oof_paths", facts_of(paths).get(INPUTS, {}), {**made_from, **at_hand})
    horizon, lag = partition.horizon, config.execution_lag_days
    realized = realized_returns(labels, horizon, excess=config.excess)
    scores = score_predictions(
        oof,
        pd.DataFrame({"label": labels[f"label_{horizon}"], "realized": realized}),
        horizon_days=partition.days,
        overlap_days=label_overlap_days(horizon, execution_lag_days=lag),
        n_trials=n_trials,
        paths=paths,
    )
    scores.insert(0, "horizon", horizon)
    scores.insert(0, "model", partition.model)
    ids = dict.fromkeys(_IDS, "Int16")
    return scores.astype({**ids, "model": "str", "horizon": "str"})


def wide_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row per fold, split, path and for all rows, a column per metric.

    Beside the metrics of a partition's scores (NaN where a scope has none) stand ``scope`` and its
    ``id``, Int16, missing for all rows.
    """
    ids = scores["fold_id"].fillna(scores["split_id"]).fillna(scores["path_id"])
    unit = scores["scope"] + ids.astype("str").where(ids.notna(), "")
    first = ~unit.duplicated()
    wide = scores.assign(unit=unit).pivot_table(
        index="unit", columns="metric", values="value", sort=False, dropna=False
    )
    values = wide[list(dict.fromkeys(scores["metric"]))].reset_index(drop=True)
    values.insert(0, "scope", scores.loc[first, "scope"].to_numpy())
    values.insert(1, "id", ids[first].array)
    return values


def overall_scores(scores: pd.DataFrame) -> dict[str, float]:
    """Return the scores of all rows by metric."""
    overall = scores[scores["scope"] == "all"]
    return dict(zip(overall["metric"], overall["value"], strict=True))


def rank_ics(scores: pd.DataFrame, scope: str) -> pd.Series:
    """Return the rank IC of every fold, split or path, indexed by its id."""
    chosen = scores[(scores["scope"] == scope) & (scores["metric"] == "rank_ic")]
    return chosen.set_index(chosen[f"{scope}_id"].astype("int64"))["value"]


def has_several_paths(scores: pd.DataFrame) -> bool:
    """Tell whether a partition's scores are of more than one path."""
    return int(scores["path_id"].nunique()) > 1


def describe_scores(scores: pd.DataFrame) -> list[str]:
    """Return one line of text per fold, one per path where there are several, one for all."""
    wide = wide_scores(scores)
    several = has_several_paths(scores)
    shown = wide[wide["scope"].isin(["fold", "all", *(["path"] if several else [])])]
    lines = []
    for row in shown.to_dict("records"):
        overall = "all folds, mean over paths" if several else "all folds"
        unit = overall if row["scope"] == "all" else f"{row['scope']} {row['id']}"
        values = (
            f"{metric.heading} {metric.text(row[metric.name])} {metric.unit}".rstrip()
            for metric in metrics_of("folds")
        )
        lines.append(f"{unit}: {', '.join(values)}".replace(MINUS, "-"))
    return lines


@dataclass(frozen=True, eq=False)
class _Outcomes:
    """Finite labels and realized returns on a grid of their dates and instruments."""

    grid: Grid
    label: Values
    realized: Values
    correlated: list[tuple[Ints, Values, Values]] = field(default_factory=list)
    """Dates that were correlated, their predictions by name, and their two correlations."""

    def correlate(self, prediction: Values) -> tuple[Ints, Values, Values]:
        """Return of every date from the first to the last its rows and its two correlations.

        `prediction` is laid out. Folds, splits and paths are parts of each other: dates whose
        predictions were correlated before are not again.
        """
        shape = len(self.grid.dates), len(self.grid.instruments)
        wide, realized = (x[:-1].reshape(shape) for x in (prediction, self.realized))
        there = np.isfinite(wide)
        counts = there.sum(axis=1)
        found, unknown = np.full((2, len(counts)), np.nan), counts > 0
        for dates, earlier, known in self.correlated:
            (shared,) = np.nonzero(unknown[dates])
            again = shared[(wide[dates[shared]].view("i8") == earlier[shared].view("i8")).all(1)]
            found[:, dates[again]] = known[:, again]
            unknown[dates[again]] = False
        dates = np.flatnonzero(unknown)
        if len(dates):
            rows = there & unknown[:, np.newaxis]
            known = np.stack(correlate_dates(wide[rows], realized[rows], counts[dates]))
            found[:, dates] = known
            self.correlated.append((dates, wide[dates], known))
        first, last = np.flatnonzero(counts)[[0, -1]]
        ic, rank_ic = found[:, first : last + 1]
        return counts[first : last + 1], ic, rank_ic

    @classmethod
    def of(cls, outcomes: pd.DataFrame) -> "_Outcomes":
        """Lay outcomes out, in any row order; two for one row are refused."""
        label, realized = outcomes[["label", "realized"]].to_numpy(np.float64, na_value=np.nan).T
        known = np.isfinite(label) & np.isfinite(realized)
        index = outcomes.index[known]
        assert isinstance(index, pd.MultiIndex)
        grid = Grid.of(index)
        cells = grid.cells(index)
        label, realized = (grid.laid_out(x[known], cells) for x in (label, realized))
        laid_out = cls(grid, label, realized)
        if np.count_nonzero(np.isfinite(laid_out.label)) < len(index):
            _refuse("label", index, index.duplicated(), "has two labels", "keep one")
        return laid_out


def _refuse(
    table: str, index: pd.MultiIndex, faulty: NDArray[np.bool_], fault: str, remedy: str
) -> None:
    """Raise ContractError for the first faulty row, if there is one."""
    if faulty.any():
        others = int(faulty.sum()) - 1
        row = row_name(index, int(np.argmax(faulty)))
        raise ContractError(f"{table} row of {row} {fault} (as do {others} others); {remedy}")


@dataclass(frozen=True, eq=False)
class _Scored:
    """Predictions beside their outcomes, in canonical order, with their daily correlations."""

    prediction: Values
    label: Values
    realized: Values
    counts: Ints
    ic: Values
    rank_ic: Values


@dataclass(frozen=True, eq=False)
class _Predictions:
    """Predictions of a table, in its row order, and the cells of their outcomes."""

    outcomes: _Outcomes
    index: pd.MultiIndex
    prediction: Values
    cell: Ints

    @classmethod
    def of(cls, outcomes: _Outcomes, index: pd.Index, values: pd.Series, table: str) -> Self:
        if len(index) == 0:
            raise ContractError(f"there are no {table} rows to score; materialize them again")
        assert isinstance(index, pd.MultiIndex)
        prediction, cell = values.to_numpy(np.float64), outcomes.grid.cells(index)
        faulty = ~np.isfinite(prediction)
        _refuse(table, index, faulty, "has no finite prediction", "train again")
        remedy = "score with the labels it was trained on"
        absent = np.isnan(outcomes.label[cell])
        _refuse(table, index, absent, "has no label with a realized return", remedy)
        return cls(outcomes, index, prediction, cell)

    def by(self, ids: pd.Series | None, unit: str) -> Iterator[tuple[int | None, _Scored]]:
        """Yield the rows of every id, ascending; without ids, all rows."""
        if ids is None:
            yield None, self._scored(slice(None), "out-of-fold history")
            return
        of_row = ids.to_numpy(dtype=np.int64)
        for unit_id in np.unique(of_row):
            yield int(unit_id), self._scored(of_row == unit_id, f"{unit} {unit_id}")

    def _scored(self, rows: NDArray[np.bool_] | slice, unit: str) -> _Scored:
        """Return chosen rows in canonical order; a row that repeats is refused."""
        placed = np.full(len(self.outcomes.label), np.nan)
        placed[self.cell[rows]] = self.prediction[rows]
        chosen = np.flatnonzero(np.isfinite(placed))
        if len(chosen) < len(self.cell[rows]):
            index = self.index[rows]
            _refuse(unit, index, index.duplicated(), "appears more than once", "keep one row")
        label, realized = self.outcomes.label[chosen], self.outcomes.realized[chosen]
        counts, ic, rank_ic = self.outcomes.correlate(placed)
        return _Scored(placed[chosen], label, realized, counts, ic, rank_ic)


def _scores(scored: _Scored) -> dict[str, float]:
    """Return the metrics of every scope, in the order of the table."""
    prediction, label = scored.prediction, scored.label
    rank_ic = scored.rank_ic[np.isfinite(scored.rank_ic)]
    squares = (label - prediction) ** 2
    mse = float(np.mean(squares))
    return {
        "rank_ic": _mean(rank_ic),
        "ic": _mean(scored.ic),
        "icir": _mean_over_deviation(rank_ic),
        "r2": _determination(label, squares),
        "mse": mse,
        "rmse": float(np.sqrt(mse)),
        "mae": float(np.mean(np.abs(prediction - label))),
        "hit_rate": _hit_rate(prediction, scored.realized),
        "samples": float(len(label)),
        "dates": float(np.count_nonzero(scored.counts)),
    }


def _history(
    scored: _Scored, horizon_days: int, overlap_days: int, n_trials: int
) -> dict[str, float]:
    """Return the further metrics of complete histories, in the order of the table."""
    inference = mean_ic_inference(scored.rank_ic, lag=LAG_OVERLAPS * overlap_days)
    spread = spread_dates(scored.prediction, scored.realized, scored.counts)
    return {
        "rank_ic_se": inference.standard_error,
        "rank_ic_t": inference.t_statistic,
        "n_effective": inference.n_effective,
        "decile_spread_bps": _mean(spread),
        "deflated_sharpe": _median_over_starts(spread, horizon_days, n_trials),
    }


def _median_over_starts(spread: Values, horizon_days: int, n_trials: int) -> float:
    """Deflate the Sharpe ratio from every date that a series of windows can start at."""
    found = [
        deflated_sharpe_ratio(spread[start::horizon_days], n_trials=n_trials)
        for start in range(min(horizon_days, len(spread)))
    ]
    known = [probability for probability in found if np.isfinite(probability)]
    return float(np.median(known)) if known else nan


def _mean(values: Values) -> float:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else nan


def _mean_over_deviation(values: Values) -> float:
    if len(values) < 2 or values.min() == values.max():
        return nan
    return float(values.mean() / values.std(ddof=1))


def _determination(label: Values, squares: Values) -> float:
    """Return R²; of constant labels, 1 for exact predictions and else 0, as scikit-learn does."""
    if len(label) < 2:
        return nan
    error, total = squares.sum(), ((label - label.mean()) ** 2).sum()
    return float(1 - error / total) if total > 0 else float(error == 0)


def _hit_rate(prediction: Values, realized: Values) -> float:
    signed = (prediction != 0) & (realized != 0)
    if not signed.any():
        return nan
    return float(np.mean(np.sign(prediction[signed]) == np.sign(realized[signed])))
