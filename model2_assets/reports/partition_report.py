"""The tear sheet of one horizon and model."""

from typing import TYPE_CHECKING

import pandas as pd

from model2_assets.config import RegionConfig
from model2_assets.evaluation import LAG_OVERLAPS, has_several_paths
from model2_assets.provenance import INPUTS, data_versions_of, facts_of, require_made_from
from model2_assets.reports._caveats import caveats
from model2_assets.reports._document import KeyFigure, Report
from model2_assets.reports._importance_section import importance_section
from model2_assets.reports._information_section import information_section
from model2_assets.reports._numbers import number, period
from model2_assets.reports._partition_statistics import (
    PartitionStatistics,
    partition_statistics,
    require_scores_of,
)
from model2_assets.reports._prediction_section import prediction_section
from model2_assets.reports._provenance import provenance_section
from model2_assets.reports._quantile_section import quantile_section
from model2_assets.reports._render import render
from model2_assets.reports._score_section import score_section
from model2_assets.reports._score_tables import overall_scores
from model2_assets.reports._turnover_section import turnover_section

if TYPE_CHECKING:
    from model2_assets.training import Manifest

REGION_REPORT = "../../../region_report/report.html"
"""From a tear sheet's folder."""


def partition_report(
    oof: pd.DataFrame,
    scores: pd.DataFrame,
    importance: pd.DataFrame,
    labels: pd.DataFrame,
    manifest: "Manifest",
    *,
    config: RegionConfig,
    prediction_bps: float,
) -> str:
    """Write the tear sheet of one horizon and model.

    Parameters
    ----------
    oof : DataFrame of shape (n_rows, 2)
        Stored out-of-fold predictions, with their provenance.
    scores : DataFrame of shape (n_scores, 8)
        Their stored scores (``cv_scores``).
    importance : DataFrame of shape (n_features, n_columns)
        Stored importances of the fold models, with their provenance.
    labels : DataFrame of shape (n_labels, 3 * n_horizons)
        Stored labels, with their provenance.
    manifest : Manifest
        Of the fold models that predicted.
    config : RegionConfig
        Settings of the region.
    prediction_bps : float
        Largest absolute prediction allowed, bps.

    Returns
    -------
    str
        A self-contained HTML document, the same for the same input.

    Raises
    ------
    StoreError
        If predictions, scores, importances, labels and models are not of each other.
    """
    made_from = facts_of(oof).get(INPUTS, {})
    at_hand = {**data_versions_of(labels=labels), "fitted_models": manifest.data_version}
    require_made_from("oof_predictions", made_from, at_hand)
    require_made_from("feature_importance", facts_of(importance).get(INPUTS, {}), at_hand)
    found = partition_statistics(
        oof,
        labels,
        horizon=manifest.horizon,
        execution_lag_days=config.labels.execution_lag_days,
    )
    require_scores_of(found.rank_ic, scores)
    several_paths = has_several_paths(scores)
    report = Report(
        title=f"{manifest.model}, {found.horizon_days} days",
        subtitle=_subtitle(oof, manifest, found),
        home=(f"All models of region {manifest.region}", REGION_REPORT),
        figures=_figures(overall_scores(scores), found),
        inputs={
            **made_from,
            **data_versions_of(
                oof_predictions=oof, cv_scores=scores, feature_importance=importance
            ),
        },
        caveats=caveats(config, several_paths=several_paths),
        sections=(
            score_section(scores, oof, found),
            information_section(found),
            quantile_section(found),
            turnover_section(found),
            prediction_section(found, oof, prediction_bps),
            importance_section(importance),
            provenance_section(oof, manifest, config),
        ),
    )
    return render(report)


def _subtitle(oof: pd.DataFrame, manifest: "Manifest", found: PartitionStatistics) -> str:
    n_names = oof.index.get_level_values("instrument").nunique()
    return (
        f"Out-of-fold predictions of region {manifest.region}: {n_names:,} instruments, "
        f"{period(found.dates)}, {len(oof):,} rows, {facts_of(oof)['n_folds']} folds"
    )


def _figures(overall: dict[str, float], found: PartitionStatistics) -> tuple[KeyFigure, ...]:
    days = found.horizon_days
    return (
        KeyFigure(
            "Rank IC",
            number(overall["rank_ic"], "+.4f"),
            f"± {number(overall['rank_ic_se'], '.4f')} standard error",
        ),
        KeyFigure(
            "t-statistic",
            number(overall["rank_ic_t"], "+.2f"),
            f"Newey–West, {LAG_OVERLAPS * found.overlap_days} dates",
        ),
        KeyFigure(
            "Effective dates",
            number(overall["n_effective"], ",.0f"),
            f"of {number(overall['dates'], ',.0f')}",
        ),
        KeyFigure("ICIR", number(overall["icir"], "+.3f"), "daily, not annualized"),
        KeyFigure(
            "Spread",
            f"{number(overall['decile_spread_bps'], '+.1f')} bps",
            f"top less bottom, per {days} days",
        ),
        KeyFigure(
            "Turnover", number(found.turnover[days].mean(), ".0%"), f"of the top, per {days} days"
        ),
        KeyFigure("R²", number(overall["r2"], "+.4f"), "against the mean label"),
        KeyFigure(
            "Deflated Sharpe",
            number(overall["deflated_sharpe"], ".2f"),
            "probability of beating luck",
        ),
    )
