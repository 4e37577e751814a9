"""Assets with horizon × model partitions."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import dagster as dg

from model2_assets.defs.declaration import asset, report_settings, split_settings
from model2_assets.defs.metadata import overall_scores, scores_table, table
from model2_assets.defs.publication import Candidate, Step, report_candidate
from model2_assets.defs.recorded import MODEL_SETTINGS

if TYPE_CHECKING:
    from model2_assets.training import FittedModels


def _how_fitted(fitted: "FittedModels") -> dict[str, Any]:
    made = fitted.provenance
    return {
        "fit_seconds": made.seconds,
        "fit_peak_rss_mb": made.peak_rss_bytes / 1e6,
        "fits_in_external_memory": fitted.n_external,
        "parameters": dg.MetadataValue.json(dict(made.params)),
        "sample_weights": made.sample_weights,
        "calibration": table(fitted.calibrations) if len(fitted.calibrations) else "none",
        **({"chosen_params": table(fitted.chosen_params)} if len(fitted.chosen_params) else {}),
    }


@asset(
    "training",
    sources=("training", "panel.py"),
    follows=(MODEL_SETTINGS,),
    kinds=("scikitlearn", "xgboost"),
    pool="training",
)
def fitted_models(step: Step, labels: Any, features: Any, cv_splits: Any) -> Candidate:
    """One fitted model per cross-validation split, stored with a manifest.

    Imputation, scaling and the model itself are fitted, and parameters searched, on the train
    rows of each split and on nothing else. `manifest.json` names every file with its hash, the
    parameters, the features in order, library versions and the data versions that the models
    were made from.
    """
    from model2_assets.checks.models import FoldModelsChecks
    from model2_assets.training import fit_models

    checkpoints = step.checkpoints()
    fitted = fit_models(
        step.task(),
        step.tables(features, labels, cv_splits),
        step.config.execution,
        checkpoints=checkpoints,
    )
    counts = {"models": len(fitted.models), "folds_reused": fitted.n_reused}
    return Candidate(
        fitted,
        FoldModelsChecks(fitted, step.evidence),
        data_version=fitted.data_version,
        metadata={**counts, **_how_fitted(fitted)},
        until_published=checkpoints.until_published(),
    )


@asset("training", sources=("training", "panel.py"), pool="training")
def oof_predictions(
    step: Step, labels: Any, features: Any, cv_splits: Any, fitted_models: Any
) -> Candidate:
    """Out-of-fold predictions in basis points, one for every row with features and a label.

    Each is made by models that saw neither the row nor any label overlapping its longest
    window, and is never clipped; where several splits test a row, it is their mean, which
    flatters: one model's predictions are in `oof_paths`. A walk-forward predicts the rows of
    its test groups only. None of this makes the own score of a model stacked on these columns
    unbiased: the predictions of its train rows come from models that saw its test labels.
    That needs nested (`cross_validation.nested`) or walk-forward out-of-fold predictions.
    """
    from model2_assets.checks.predictions import OutOfFoldChecks
    from model2_assets.reports.tear_sheet import prediction_pictures
    from model2_assets.training.predict import make_out_of_fold

    made = make_out_of_fold(
        step.task(),
        fitted_models,
        step.tables(features, labels, cv_splits),
        covers_history=step.settings.cross_validation.covers_history,
        execution=step.config.execution,
    )
    limits = step.config.checks
    return Candidate(
        made.oof,
        OutOfFoldChecks(made.oof, step.evidence, made, step.previous()),
        metadata={"determinism_difference_bps": made.determinism_difference_bps},
        figures=("coverage", "largest_bps", "rank_ic"),
        pictures=lambda: prediction_pictures(made.oof, limit_bps=limits.prediction_bps),
    )


@asset("training", sources=("training", "panel.py"), pool="training")
def oof_paths(
    step: Step,
    labels: Any,
    features: Any,
    cv_splits: Any,
    fitted_models: Any,
    oof_predictions: Any,
) -> Candidate:
    """Every out-of-fold prediction in basis points: one for each split that tests a row.

    `oof_predictions` holds the mean of a row's predictions, here are all of them, with the
    split and the path that each belongs to. A path is one complete history, put together
    from one prediction of every row. With one test group at a time there is a single path, the
    out-of-fold predictions themselves. The spread over a row's predictions says how much the
    train rows matter; the splits share most of these, so it is no standard error.
    """
    from model2_assets.checks.predictions import PathsChecks
    from model2_assets.storage.data_version import facts_of
    from model2_assets.training.predict import make_paths

    tables = step.tables(features, labels, cv_splits)
    paths, expected = make_paths(
        step.task(), fitted_models, oof_predictions, tables, execution=step.config.execution
    )
    facts = facts_of(paths)
    metadata = {"splits": facts["n_splits"], "paths": facts["n_paths"]}
    spread = paths["prediction_std"].dropna()
    if len(spread):
        metadata["mean_prediction_std_bps"] = float(spread.mean())
    return Candidate(paths, PathsChecks(paths, step.evidence, expected), metadata)


@asset(
    "training",
    sources=("training", "cross_validation", "panel.py"),
    settings=split_settings,
    follows=(MODEL_SETTINGS,),
    kinds=("scikitlearn", "xgboost"),
    pool="training",
    is_wanted=lambda region: region.settings.cross_validation.nested,
)
def nested_oof(step: Step, labels: Any, features: Any, cv_splits: Any) -> Candidate:
    """Nested out-of-fold predictions in basis points: what a stacked model may train on.

    For every outer fold, the rows of its train set, each predicted by a model that saw neither
    the outer fold nor the row's own fold and was purged around both. A model stacked on these
    columns, trained on the lines of one outer fold and scored on `oof_predictions` of that
    fold, does not know the labels that it is scored on, so its score is unbiased. What it
    does not give: the nested models train on one fold less than those that predict the outer
    fold, and like all cross-validation they train on the future; neither is a backtest.
    """
    from model2_assets.checks.predictions import NestedChecks
    from model2_assets.training.nested import make_nested

    checkpoints = step.checkpoints()
    made = make_nested(
        step.task(),
        step.tables(features, labels, cv_splits),
        step.settings.cross_validation,
        step.config.execution,
        checkpoints=checkpoints,
    )
    checks = NestedChecks(made.nested, step.evidence, made)
    metadata = {
        "outer_folds": len(made.expected),
        "models": made.n_models,
        "folds_reused": made.n_reused,
        "fit_seconds": made.seconds,
    }
    until_published = checkpoints.until_published()
    return Candidate(made.nested, checks, metadata, until_published=until_published)


@asset(
    "training",
    sources=("evaluation", "labels", "panel.py"),
    # A Sharpe ratio is deflated by the number of models and horizons tried.
    settings=lambda region: [region.settings.labels, len(region.partition_keys)],
)
def cv_scores(step: Step, oof_predictions: Any, oof_paths: Any, labels: Any) -> Candidate:
    """Scores of the out-of-fold predictions: per fold, split and path, and over all rows.

    Folds and all rows are scored by a row's mean prediction, splits and paths by the
    predictions as they were made: means flatter. With one test group a split, splits are folds
    and the one path is all. Combinatorial cross-validation trains on the future of its test
    blocks: these scores validate a forecaster and are never a backtest.

    What speaks of returns (IC, rank IC, hit rate, spread, its Sharpe ratio) is scored on realized
    returns: forward returns, less their mean of the date where labels are, never winsorized. What
    speaks of the fit (R², RMSE, MAE) is scored on labels.
    """
    from model2_assets.checks.models import ScoresChecks
    from model2_assets.evaluation.scores import describe_scores, score_partition
    from model2_assets.reports.tear_sheet import score_pictures

    partition = step.partition
    config = step.settings.labels
    scores = score_partition(
        oof_predictions,
        labels,
        partition,
        paths=oof_paths,
        config=config,
        n_trials=len(step.region.partition_keys),
    )
    for line in describe_scores(scores):
        step.context.log.info(line)
    return Candidate(
        step.stamped(scores),
        ScoresChecks(scores, step.evidence),
        metadata={"scores": scores_table(scores), **overall_scores(scores)},
        pictures=lambda: score_pictures(
            oof_predictions, labels, scores, horizon=partition.horizon, config=config
        ),
    )


@asset(
    "training",
    sources=("training", "evaluation", "features", "labels", "panel.py"),
    settings=lambda region: region.settings.labels.model_dump(
        include={"excess", "execution_lag_days"}
    ),
)
def feature_importance(step: Step, labels: Any, features: Any, fitted_models: Any) -> Candidate:
    """How much every feature matters to the fold models, with its spread over folds.

    XGBoost gives gain and weight, 0 where a feature is unused; linear models give
    standardized coefficients. Columns of kinds that a model does not have are null. Beside them
    stands what a feature says alone: the rank IC of its values with realized returns, on every
    row that has both, and its t-statistic for overlapping labels. A leak that no score can tell
    from skill shows there, by name.
    """
    from model2_assets.checks.models import ImportanceChecks
    from model2_assets.evaluation.feature_ic import feature_rank_ic
    from model2_assets.evaluation.inference import standard_error_lag
    from model2_assets.evaluation.stability import fold_agreement
    from model2_assets.labels import realized_returns
    from model2_assets.reports.tear_sheet import TOP_FEATURES, importance_pictures
    from model2_assets.storage.data_version import data_versions_of, require_made_from, stamped
    from model2_assets.training import aggregate_importances
    from model2_assets.training.base_models import top_importances
    from model2_assets.training.models import load_models

    horizon, model = step.partition
    manifest, config = fitted_models.manifest, step.settings.labels
    versions = data_versions_of(labels=labels, features=features)
    require_made_from("fitted_models", manifest.data_versions, versions)
    alone = step.worked_out_once(
        f"feature_rank_ic_{horizon}",
        versions,
        lambda: feature_rank_ic(
            features,
            realized_returns(labels, horizon, excess=config.excess),
            lag=standard_error_lag(horizon, execution_lag_days=config.execution_lag_days),
        ),
    )
    importance = aggregate_importances(load_models(fitted_models)).join(alone, on="feature")
    top = top_importances(importance, TOP_FEATURES)
    step.context.log.info(f"top {len(top)} features:\n{top.to_string(index=False)}")
    return Candidate(
        stamped(
            importance,
            inputs={"fitted_models": manifest.data_version, **versions},
            horizon=horizon,
            model=model,
            libraries=dict(manifest.library_versions),
        ),
        ImportanceChecks(importance, step.evidence),
        metadata={
            "mean_rank_correlation_of_folds": fold_agreement(importance),
            "top_features": table(top),
        },
        pictures=lambda: importance_pictures(importance),
    )


@asset(
    "training",
    sources=("training", "panel.py"),
    follows=(MODEL_SETTINGS,),
    kinds=("scikitlearn", "xgboost"),
    pool="training",
)
def final_models(
    step: Step, labels: Any, features: Any, fitted_models: Any, oof_predictions: Any
) -> Candidate:
    """The model that trades: one for each horizon and model, refitted on all labelled rows.

    Trainer, parameters, seed and weights of rows are those of the fold models; parameters that are
    searched are searched on all of these rows. It is made only
    from out-of-fold predictions that passed their checks and belong to the stored fold models,
    features and labels, so what failed its validation never trades. Nothing is held out: its
    score is that of the fold models. `manifest.json` says that it is a final model, how many
    rows it was trained on, their first and last date, and when their labels end.
    """
    from model2_assets.checks.models import FinalModelChecks
    from model2_assets.training.live import fit_final_model

    fitted = fit_final_model(
        step.task(),
        fitted_models.manifest,
        oof_predictions,
        features=features,
        labels=labels,
        execution=step.config.execution,
    )
    made = fitted.provenance
    assert made.trained_on is not None
    return Candidate(
        fitted,
        FinalModelChecks(fitted, step.evidence),
        data_version=fitted.data_version,
        metadata={**asdict(made.trained_on), **_how_fitted(fitted)},
    )


@asset(
    "training",
    sources=("training", "panel.py"),
    settings=lambda region: region.settings.labels,
    pool="training",
)
def live_predictions(
    step: Step,
    market_data: Any,
    labels: Any,
    features: Any,
    final_models: Any,
    oof_predictions: Any,
    oof_paths: Any,
) -> Candidate:
    """Live predictions in basis points: what is traded from.

    Every row with features, but no label, whose horizon has not ended, as the final model
    predicts it: the instrument has fewer own bars after the row than execution lag and horizon
    together, and still trades, as a member of the universe, on the last date of the market
    data. That date is included, and is the one to trade from. Rows whose label is missing for
    another reason, a long gap or a delisting, are not live. No row is both here and in
    `oof_predictions`.
    With labels in excess of their date's mean, predictions of different dates do not compare.
    """
    from model2_assets.checks.models import LiveChecks
    from model2_assets.storage.data_version import facts_of
    from model2_assets.training.live import extremes, make_live

    live = make_live(
        step.task(),
        final_models,
        market_data=market_data,
        features=features,
        labels=labels,
        oof_predictions=oof_predictions,
        oof_paths=oof_paths,
    )
    facts = facts_of(live)
    return Candidate(
        live,
        LiveChecks(live, step.evidence),
        metadata={
            "oldest_date": facts["oldest_date"],
            "newest_date": facts["newest_date"],
            "newest": table(extremes(live)),
        },
        figures=("instruments", "psi", "live_std_bps", "oof_std_bps"),
    )


@asset(
    "training",
    sources=("reports", "evaluation", "labels", "panel.py"),
    settings=lambda region: [report_settings(region), region.config.checks.prediction_bps],
    kinds=("matplotlib",),
    is_wanted=lambda region: region.config.reports.tear_sheets,
)
def tear_sheet(
    step: Step,
    labels: Any,
    fitted_models: Any,
    oof_predictions: Any,
    cv_scores: Any,
    feature_importance: Any,
) -> Candidate:
    """Everything about one model and horizon on one page: a self-contained HTML file.

    Scores by fold and path, rank IC over time, its distribution and months, returns by
    quantile, the spread added up without counting overlapping windows twice, turnover and
    persistence, importances, and what it was all made from. It opens offline, in light and
    dark, and prints. Returns in it are realized returns, never winsorized; R², RMSE, MAE and the
    calibration are on labels. It says what its numbers are not: cross-validation trains on the
    future of its test blocks, so nothing in it is a backtest.
    """
    from model2_assets import reports

    made = reports.PartitionResults(
        oof_predictions, cv_scores, feature_importance, labels, fitted_models.manifest
    )
    limit_bps = step.config.checks.prediction_bps
    html = reports.partition_report(made, config=step.settings, prediction_bps=limit_bps)
    return report_candidate(step, html, reports.PARTITION_PARTS)


ASSETS = (
    fitted_models,
    oof_predictions,
    oof_paths,
    nested_oof,
    cv_scores,
    feature_importance,
    final_models,
    live_predictions,
    tear_sheet,
)
"""Assets with partitions, in the order of the graph."""
