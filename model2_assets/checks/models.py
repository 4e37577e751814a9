"""Checks of models, of what is read off them, and of what they predict live."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from model2_assets.checks.catalogue import Finding, Values
from model2_assets.checks.inputs import exit_dates
from model2_assets.checks.subjects import Evidence, PredictionChecks, TableChecks, each_once
from model2_assets.config.partition import horizon_days
from model2_assets.cross_validation.roles import split_ids
from model2_assets.evaluation.feature_ic import CHANCE, conspicuous_features
from model2_assets.evaluation.inference import critical_t, standard_error_lag
from model2_assets.evaluation.scores import score_partition
from model2_assets.evaluation.stability import population_stability, stretch_stability
from model2_assets.panel import INDEX_NAMES, date_codes, ends_history, positions_in
from model2_assets.storage.data_version import facts_of
from model2_assets.storage.models import ModelFile, Provenance, StoredFoldModels
from model2_assets.training import FittedModels
from model2_assets.training.base_models import FoldModel
from model2_assets.training.data import hash_row_order

USUAL_QUANTILE = 0.95
"""Of the out-of-fold predictions' own stretches, the share that counts as usual."""

MOST_NAMED = 5
"""Features that one message names; what they share, all their kin show."""


@dataclass(frozen=True, eq=False)
class FoldModelsChecks:
    """Fold models."""

    models: FittedModels | StoredFoldModels
    evidence: Evidence

    def complete(self) -> Finding:
        """Compare their splits with those of cv_splits."""
        models = sorted(model.split_id for model in self.folds)
        splits = sorted(split_ids(self.evidence.table("cv_splits")))
        text = f"models of splits {models}, expected {splits}"
        return Finding(models == splits, text, {"models": len(models), "splits": len(splits)})

    @property
    def folds(self) -> Sequence[FoldModel | ModelFile]:
        """Every model."""
        models = self.models
        return models.models if isinstance(models, FittedModels) else models.manifest.folds

    @property
    def provenance(self) -> Provenance:
        """What they were made from."""
        models = self.models
        return models.provenance if isinstance(models, FittedModels) else models.manifest


class FinalModelChecks(FoldModelsChecks):
    """A final model."""

    def complete(self) -> Finding:
        """Find its rows once more, by a join of two tables, and compare number and hash."""
        horizon, models = self.evidence.horizon, len(self.folds)
        trained = sum(model.n_train for model in self.folds)
        labels = self.evidence.table("labels")[[f"label_{horizon}"]]
        joined = labels.join(self.evidence.table("features")[[]], how="inner").dropna()
        expected = joined.sort_index(level=["datetime", "instrument"]).index
        assert isinstance(expected, pd.MultiIndex)
        problems = [] if models == 1 else [f"{models} models, expected one"]
        if trained != len(expected) or self.provenance.row_order_hash != hash_row_order(expected):
            problems.append(
                f"trained on {trained:,} rows, which are not the {len(expected):,} that have "
                f"features and a label of {horizon}, in canonical order; materialize "
                f"final_models again"
            )
        return Finding.of(
            problems,
            f"one model, trained on all {trained:,} labelled rows",
            {"models": models, "trained_rows": trained, "labelled_rows": len(expected)},
        )


@dataclass(frozen=True, eq=False)
class ImportanceChecks(TableChecks):
    """Importances."""

    def every_feature(self) -> Finding:
        """Compare with the features that the models were given."""
        n_rows, names = len(self.table), self.evidence.models().manifest.feature_names
        missing = sorted(set(names) - set(self.table["feature"]))
        text = f"{n_rows} rows for {len(names)} features"
        if missing:
            text = f"features without a row: {', '.join(missing)}"
        counts = {"features": len(names), "missing": len(missing)}
        return Finding(not missing and n_rows == len(names), text, counts)

    def feature_ic(self) -> Finding:
        """Name features that alone rank returns better than one can believe."""
        limit = self.evidence.limits.feature_ic_warn
        values: dict[str, float] = {"feature_ic_warn": limit, "conspicuous_features": 0}
        table = self.table.drop_duplicates("feature").set_index("feature")
        alone = table.reindex(columns=["rank_ic", "rank_ic_t"])
        if alone.isna().all(axis=None):
            return Finding(True, "no feature has a rank IC of its own in this table", values)
        features, label, lag = self.evidence.table("features"), *self._label_and_lag
        first, second = (set(date_codes(each.index).values) for each in (label, features))
        least_t = critical_t(len(first & second), lag=lag, chance=CHANCE)
        found = conspicuous_features(alone, features, label, limit=limit, lag=lag)
        largest, (rank_ic, t) = next(alone.loc[[alone["rank_ic"].abs().idxmax()]].iterrows())
        values |= {
            "largest_feature_rank_ic": float(rank_ic),
            "least_t": least_t,
            "conspicuous_features": len(found),
        }
        text = (
            f"the largest rank IC of a feature alone is {rank_ic:+.4f} of {largest}, t {t:+.1f}; "
            f"t counts beyond {least_t:.1f}"
        )
        shown = list(found.items())[:MOST_NAMED]
        problems = [f"{name} alone has a rank IC of {figures}" for name, figures in shown]
        if len(found) > len(shown):
            problems.append(f"{len(found) - len(shown)} more features likewise")
        remedy = "look whether what it is made from was known at the close of its date"
        return Finding.of(problems, text, values, remedy=remedy)

    @property
    def _label_and_lag(self) -> tuple[pd.Series, int]:
        """The labels that there are, and over how many dates these are correlated."""
        evidence = self.evidence
        label = evidence.table("labels")[f"label_{evidence.horizon}"].dropna()
        lag_days = evidence.settings.labels.execution_lag_days
        return label, standard_error_lag(evidence.horizon, execution_lag_days=lag_days)


@dataclass(frozen=True, eq=False)
class ScoresChecks(TableChecks):
    """Scores."""

    def scores_current(self) -> Finding:
        """Score once more, and compare to a billionth: other processors round otherwise."""
        keys = ["scope", "fold_id", "split_id", "path_id", "metric"]
        old, new = (t.set_index(keys)["value"].sort_index() for t in (self.table, self.recomputed))
        problem, n_wrong = "", 0
        if not old.index.equals(new.index):
            problem = (
                f"{len(old):,} scores are stored, of others than the {len(new):,} that the stored "
                f"predictions have"
            )
        elif not (same := np.isclose(old, new, rtol=1e-9, atol=1e-12, equal_nan=True)).all():
            n_wrong = int(np.count_nonzero(~same))
            scope, *_, metric = old.index[int(np.argmin(same))]
            problem = (
                f"{n_wrong:,} of {len(old):,} scores are not those of the stored predictions, "
                f"first {metric} of scope {scope}"
            )
        return Finding.of(
            [problem] if problem else [],
            f"{len(old):,} scores are those of the stored predictions",
            {"scores": len(old), "wrong_scores": n_wrong},
            remedy="materialize cv_scores again",
        )

    @property
    def recomputed(self) -> pd.DataFrame:
        """Return the scores of the stored predictions."""
        evidence = self.evidence
        assert evidence.partition is not None
        return score_partition(
            evidence.table("oof_predictions"),
            evidence.table("labels"),
            evidence.partition,
            paths=evidence.table("oof_paths"),
            config=evidence.settings.labels,
            n_trials=len(evidence.partition_keys),
        )


@dataclass(frozen=True, eq=False)
class LiveChecks(PredictionChecks):
    """Live predictions."""

    def coverage(self) -> Finding:
        """Find the live rows once more, and compare."""
        live, evidence = self.table.index, self.evidence
        expected = expected_live_rows(
            evidence.table("market_data"),
            evidence.table("labels")[f"label_{evidence.horizon}"],
            evidence.table("features"),
            bars=evidence.settings.labels.execution_lag_days + horizon_days(evidence.horizon),
        )
        surplus = (
            "rows are not live: they have a label, their horizon has ended, or their instrument "
            "does not trade on the last date"
        )
        problems, counts = each_once(live, expected, surplus)
        values = {"live_rows": len(expected), **counts}
        return Finding.of(problems, f"{len(live):,} live rows, each once", values)

    def newest_date(self) -> Finding:
        """Look for the last date of the market data, or say why it is missing."""
        last, members = _last_date(self.evidence.table("market_data"))
        tradable = len(members)
        predicted = int(np.count_nonzero(self.table.index.isin([last], level="datetime")))
        if predicted:
            text = f"{predicted:,} of {tradable:,} instruments that trade on {last:%Y-%m-%d}"
        elif not tradable:
            text = (
                f"no instrument is in the universe on {last:%Y-%m-%d}, the last date of the market "
                f"data; extend market_data.universe, or remove that date"
            )
        else:
            text = (
                f"none of the {tradable:,} instruments that trade on {last:%Y-%m-%d}, the last "
                f"date of the market data, has features there; give it complete bars, or remove "
                f"that date"
            )
        values: Values = {
            "last_date": f"{last:%Y-%m-%d}",
            "instruments": predicted,
            "tradable_instruments": tradable,
        }
        return Finding(predicted > 0, text, values)

    def resembles_oof(self) -> Finding:
        """Compare the distribution of live with that of out-of-fold predictions of single models.

        All live predictions are compared with all out-of-fold predictions, each as its model
        predicts before it is calibrated, since folds have slopes of their own, in bps and pooled
        over dates, by the population stability index on deciles of the latter. Live rows are few
        dates whose predictions move together, so a short history differs from itself by more than
        a convention for independent values allows. So what fails is above the limit (by convention
        0.25) and also above what 95% of the out-of-fold predictions' own stretches of as many
        dates show.
        """
        oof_paths, limit = self.evidence.table("oof_paths"), self.evidence.limits.psi_warn
        now, before = (
            _as_fitted(self.table),
            _as_fitted(oof_paths).set_axis(pd.MultiIndex.from_frame(oof_paths[list(INDEX_NAMES)])),
        )
        now, before = now[np.isfinite(now)], before[np.isfinite(before)]
        found = population_stability(before, now)
        n_dates = now.index.get_level_values("datetime").nunique()
        assert isinstance(before.index, pd.MultiIndex)
        stretches = stretch_stability(before, before.index, n_dates=max(n_dates, 1))
        usual = float(np.quantile(stretches, USUAL_QUANTILE)) if stretches.size else 0.0
        moments = {
            f"{name}_{moment}_bps": float(getattr(values, moment)())
            for name, values in (("live", now), ("oof", before))
            for moment in ("mean", "std")
        }
        values = {
            "psi": found,
            "psi_warn": limit,
            "psi_of_oof_stretches": usual,
            "live_rows": len(self.table),
            "live_dates": n_dates,
            **moments,
        }
        passed = bool(found <= max(limit, usual))
        return Finding(passed, _resemblance(found, usual, limit, moments), values)


def expected_live_rows(
    market_data: pd.DataFrame, label: pd.Series, features: pd.DataFrame, *, bars: int
) -> pd.MultiIndex:
    """Find the live rows once more, from the labels and the exit date of every row.

    These are rows with features, no label and no exit bar, of the members of the universe that
    have a bar on the last date, and of the same history.
    """
    known = label.dropna().index
    unlabelled = features.index[positions_in(known, features.index) < 0]
    exits = exit_dates(market_data, unlabelled, bars)
    last, members = _last_date(market_data)
    open_rows = unlabelled[exits["exit"].isna().to_numpy() & (exits["last"] == last).to_numpy()]
    expected = open_rows[open_rows.isin(members, level="instrument")]
    assert isinstance(expected, pd.MultiIndex)
    return expected


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


def _as_fitted(frame: pd.DataFrame) -> pd.Series:
    """Return predictions as they are before calibration; a final model is that of split 0."""
    calibrations = facts_of(frame).get("calibrations") or {}
    splits = frame["split_id"] if "split_id" in frame else pd.Series(0, index=frame.index)
    slope, base = (
        splits.map({int(split): stated[part] for split, stated in calibrations.items()})
        for part in (0, 1)
    )
    fitted: pd.Series = base + (frame["prediction"] - base) / slope
    return fitted.fillna(frame["prediction"])


def _last_date(market_data: pd.DataFrame) -> tuple[pd.Timestamp, pd.Index]:
    """Return the last date, and the members of the universe that go on trading on it."""
    last = market_data.index.get_level_values("datetime").max()
    assert isinstance(last, pd.Timestamp)
    today = market_data[market_data.index.isin([last], level="datetime")]
    trading = today[today["in_universe"].to_numpy(bool) & ~ends_history(today)]
    return last, trading.index.get_level_values("instrument")
