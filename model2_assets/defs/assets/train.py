"""Assets with horizon × model partitions."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from model2_assets.config.partition import Partition
from model2_assets.defs.metadata import overall_scores, scores_table, table
from model2_assets.defs.publication import REPORT_CHECKS, publish, report_links
from model2_assets.defs.region import CheckText, Region
from model2_assets.defs.steps import core_call

_FITTED_MODELS = """\
One fitted model per cross-validation split, stored with a manifest.

Imputation, scaling and the model itself are fitted on the train rows of each split and
on nothing else. `manifest.json` names every file with its hash, the parameters, the
features in order, library versions and the data versions that the models were made from.
"""


def fitted_models_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``fitted_models`` asset."""

    @region.asset(
        "fitted_models",
        description=_FITTED_MODELS,
        inputs=("labels", "features", "cv_splits"),
        pool="training",
        partitioned=True,
        kinds=("scikitlearn", "xgboost"),
        checks={"complete": CheckText("A fitted model for every split.")},
    )
    def fitted_models(
        context: dg.AssetExecutionContext, labels: Any, features: Any, cv_splits: Any
    ) -> Iterator[Any]:
        from model2_assets.checks import check_models_complete
        from model2_assets.training import Tables, fit_models

        checkpoints = region.checkpoints(context)
        with core_call(context):
            fitted = fit_models(
                region.task(context),
                Tables(features, labels, cv_splits),
                region.config.execution,
                checkpoints=checkpoints,
            )
            with checkpoints.until_published():
                yield from publish(
                    context,
                    region,
                    fitted,
                    [check_models_complete(fitted)],
                    data_version=fitted.data_version,
                    metadata={
                        "models": len(fitted.models),
                        "folds_reused": fitted.n_reused,
                        "fit_seconds": fitted.provenance.seconds,
                        "fit_peak_rss_mb": fitted.provenance.peak_rss_bytes / 1e6,
                        "parameters": dg.MetadataValue.json(dict(fitted.provenance.params)),
                        "sample_weights": fitted.provenance.sample_weights,
                    },
                )

    return fitted_models


_OOF_PREDICTIONS = """\
Out-of-fold predictions in basis points, one for every row with features and a label.

Each is made by models that saw neither the row nor any label overlapping its longest
window, and is never clipped; where several splits test a row, it is their mean, which
flatters: one model's predictions are in `oof_paths`. A walk-forward predicts the rows of
its test groups only. None of this makes the own score of a model stacked on these columns
unbiased: the predictions of its train rows come from models that saw its test labels.
That needs nested (`cross_validation.nested`) or walk-forward out-of-fold predictions.
"""


def oof_predictions_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``oof_predictions`` asset."""
    limits = region.config.checks

    @region.asset(
        "oof_predictions",
        description=_OOF_PREDICTIONS,
        inputs=("labels", "features", "cv_splits", "fitted_models"),
        pool="training",
        partitioned=True,
        kinds=("pandas",),
        checks={
            "contract": CheckText("Names, types, key and order of OOFPredictions."),
            "coverage": CheckText(
                "Every row with features and a label, exactly once; under a walk-forward or a "
                "splitter of your own, every such row that is tested."
            ),
            "finite": CheckText("Every prediction is a finite number."),
            "range": CheckText(f"Within ±{limits.prediction_bps:g} bps, without any clipping."),
            "determinism": CheckText(
                "Refitting one fold from the stored inputs gives the same predictions."
            ),
            "repeatable": CheckText(
                "The stored fold models, read and asked once more, predict the same to the bit."
            ),
            "rank_ic_plausible": CheckText(
                f"A mean rank IC above {limits.rank_ic_warn:g} warns of a leak.",
                blocking=False,
            ),
            "oof_drift": CheckText(
                f"Rows that were predicted before are predicted alike: mean per-date rank "
                f"correlation of at least {limits.oof_drift_rank_correlation:g}, differences of "
                f"at most {limits.oof_drift_bps:g} bps.",
                blocking=False,
            ),
        },
    )
    def oof_predictions(
        context: dg.AssetExecutionContext,
        labels: Any,
        features: Any,
        cv_splits: Any,
        fitted_models: Any,
    ) -> Iterator[Any]:
        from model2_assets.checks import check_oof_drift, check_out_of_fold
        from model2_assets.reports.galleries import prediction_pictures
        from model2_assets.storage.read import previous_result
        from model2_assets.training import Tables, make_out_of_fold

        with core_call(context):
            made = make_out_of_fold(
                region.task(context),
                fitted_models,
                Tables(features, labels, cv_splits),
                covers_history=region.settings.cross_validation.covers_history,
                n_threads=region.config.execution.n_jobs,
            )
            before = previous_result(region.store, region.address(context))
            outcomes = [
                *check_out_of_fold(made, limits=limits),
                check_oof_drift(
                    made.oof,
                    before.table,
                    min_rank_correlation=limits.oof_drift_rank_correlation,
                    max_bps=limits.oof_drift_bps,
                    problem=before.problem,
                ),
            ]
            values = {name: value for o in outcomes for name, value in o.values.items()}
            yield from publish(
                context,
                region,
                made.oof,
                outcomes,
                data_version=made.data_version,
                metadata={
                    "dagster/row_count": len(made.oof),
                    "coverage": values["coverage"],
                    "largest_bps": values["largest_bps"],
                    "determinism_difference_bps": made.determinism_difference_bps,
                    "rank_ic": values["rank_ic"],
                },
                pictures=lambda: prediction_pictures(made.oof, limit_bps=limits.prediction_bps),
            )

    return oof_predictions


_OOF_PATHS = """\
Every out-of-fold prediction in basis points: one for each split that tests a row.

`oof_predictions` holds the mean of a row's predictions, here are all of them, with the
split and the path that each belongs to. A path is one complete history, put together
from one prediction of every row. With one test group at a time there is a single path, the
out-of-fold predictions themselves. The spread over a row's predictions says how much the
train rows matter; the splits share most of these, so it is no standard error.
"""


def oof_paths_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``oof_paths`` asset."""
    limits = region.config.checks

    @region.asset(
        "oof_paths",
        description=_OOF_PATHS,
        inputs=("labels", "features", "cv_splits", "fitted_models", "oof_predictions"),
        pool="training",
        partitioned=True,
        kinds=("pandas",),
        checks={
            "contract": CheckText("Names, types, ranges, key and order of OOFPaths."),
            "finite": CheckText("Every prediction is a finite number."),
            "range": CheckText(f"Within ±{limits.prediction_bps:g} bps, without any clipping."),
            "predictions_per_row": CheckText("Every row has one prediction on every path."),
            "paths_complete": CheckText(
                "Every path has every row once, from the split that the splitter puts there."
            ),
            "mean_is_oof": CheckText(
                "The mean of a row's predictions is what oof_predictions holds, to the bit."
            ),
        },
    )
    def oof_paths(
        context: dg.AssetExecutionContext,
        labels: Any,
        features: Any,
        cv_splits: Any,
        fitted_models: Any,
        oof_predictions: Any,
    ) -> Iterator[Any]:
        from model2_assets.checks import check_paths
        from model2_assets.storage.provenance import facts_of
        from model2_assets.training import Tables, make_paths

        with core_call(context):
            made = make_paths(
                region.task(context),
                fitted_models,
                oof_predictions,
                Tables(features, labels, cv_splits),
                region.settings.cross_validation,
            )
            facts = facts_of(made.paths)
            spread = made.paths["prediction_std"].dropna()
            yield from publish(
                context,
                region,
                made.paths,
                check_paths(made, limits=limits),
                data_version=made.data_version,
                metadata={
                    "dagster/row_count": len(made.paths),
                    "splits": facts["n_splits"],
                    "paths": facts["n_paths"],
                    **({"mean_prediction_std_bps": float(spread.mean())} if len(spread) else {}),
                },
            )

    return oof_paths


_CV_SCORES = """\
Scores of the out-of-fold predictions: per fold, split and path, and over all rows.

Folds and all rows are scored by a row's mean prediction, splits and paths by the
predictions as they were made: means flatter. With one test group a split, splits are folds
and the one path is all. Combinatorial cross-validation trains on the future of its test
blocks: these scores validate a forecaster and are never a backtest.
"""


def cv_scores_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``cv_scores`` asset."""

    @region.asset(
        "cv_scores",
        description=_CV_SCORES,
        inputs=("oof_predictions", "oof_paths", "labels"),
        partitioned=True,
        kinds=("pandas",),
        checks={"contract": CheckText("Every line keeps CVScores.")},
    )
    def cv_scores(
        context: dg.AssetExecutionContext, oof_predictions: Any, oof_paths: Any, labels: Any
    ) -> Iterator[Any]:
        from model2_assets.checks import check_contract
        from model2_assets.evaluation.scores import describe_scores, score_partition
        from model2_assets.reports.galleries import score_pictures
        from model2_assets.storage.data_version import table_digest
        from model2_assets.storage.provenance import data_versions_of, with_provenance

        partition = Partition.parse(context.partition_key)
        lag = region.settings.labels.execution_lag_days
        with core_call(context):
            scores = score_partition(
                oof_predictions,
                oof_paths,
                labels,
                partition,
                execution_lag_days=lag,
                n_trials=len(region.partition_keys),
            )
            for line in describe_scores(scores):
                context.log.info(line)
            version = table_digest(scores)
            inputs = data_versions_of(
                oof_predictions=oof_predictions, oof_paths=oof_paths, labels=labels
            )
            yield from publish(
                context,
                region,
                with_provenance(scores, data_version=version, inputs=inputs),
                [check_contract(scores, "CVScores")],
                data_version=version,
                metadata={
                    "dagster/row_count": len(scores),
                    "scores": scores_table(scores),
                    **overall_scores(scores),
                },
                pictures=lambda: score_pictures(
                    oof_predictions,
                    labels,
                    scores,
                    horizon=partition.horizon,
                    execution_lag_days=lag,
                ),
            )

    return cv_scores


_FEATURE_IMPORTANCE = """\
How much every feature matters to the fold models, with its spread over folds.

XGBoost gives gain and weight, 0 where a feature is unused; linear models give
standardized coefficients. Columns of kinds that a model does not have are null.
"""


def feature_importance_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``feature_importance`` asset."""

    @region.asset(
        "feature_importance",
        description=_FEATURE_IMPORTANCE,
        inputs=("fitted_models",),
        partitioned=True,
        kinds=("pandas",),
        checks={
            "contract": CheckText("Names, types, ranges and key of FeatureImportance."),
            "every_feature": CheckText("A row for every feature that the models were given."),
        },
    )
    def feature_importance(context: dg.AssetExecutionContext, fitted_models: Any) -> Iterator[Any]:
        from model2_assets.checks import check_contract, check_every_feature
        from model2_assets.evaluation.stability import fold_agreement
        from model2_assets.reports.galleries import importance_pictures
        from model2_assets.reports.tear_sheet import TOP_FEATURES
        from model2_assets.storage.data_version import table_digest
        from model2_assets.storage.provenance import with_provenance
        from model2_assets.training import aggregate_importances
        from model2_assets.training.importances import top_importances
        from model2_assets.training.models import load_models

        horizon, model = Partition.parse(context.partition_key)
        with core_call(context):
            importance = aggregate_importances(load_models(fitted_models))
            version = table_digest(importance)
            manifest = fitted_models.manifest
            marked = with_provenance(
                importance,
                data_version=version,
                inputs={"fitted_models": manifest.data_version},
                horizon=horizon,
                model=model,
                libraries=dict(manifest.library_versions),
            )
            top = top_importances(importance, TOP_FEATURES)
            context.log.info(f"top {len(top)} features:\n{top.to_string(index=False)}")
            yield from publish(
                context,
                region,
                marked,
                [
                    check_contract(importance, "FeatureImportance"),
                    check_every_feature(importance, manifest.feature_names),
                ],
                data_version=version,
                metadata={
                    "dagster/row_count": len(importance),
                    "mean_rank_correlation_of_folds": fold_agreement(importance),
                    "top_features": table(top),
                },
                pictures=lambda: importance_pictures(importance),
            )

    return feature_importance


_FINAL_MODELS = """\
The model that trades: one for each horizon and model, refitted on all labelled rows.

Trainer, parameters, seed and weights of rows are those of the fold models. It is made only
from out-of-fold predictions that passed their checks and belong to the stored fold models,
features and labels, so what failed its validation never trades. Nothing is held out: its
score is that of the fold models. `manifest.json` says that it is a final model, how many
rows it was trained on, their first and last date, and when their labels end.
"""


def final_models_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``final_models`` asset."""

    @region.asset(
        "final_models",
        description=_FINAL_MODELS,
        inputs=("labels", "features", "fitted_models", "oof_predictions"),
        pool="training",
        partitioned=True,
        kinds=("scikitlearn", "xgboost"),
        checks={
            "complete": CheckText(
                "One model, trained on every row with features and a label; the rows are found "
                "once more by a join of the two tables."
            )
        },
    )
    def final_models(
        context: dg.AssetExecutionContext,
        labels: Any,
        features: Any,
        fitted_models: Any,
        oof_predictions: Any,
    ) -> Iterator[Any]:
        from dataclasses import asdict

        from model2_assets.checks import check_final_complete
        from model2_assets.training import fit_final_model

        with core_call(context):
            fitted = fit_final_model(
                region.task(context),
                fitted_models.manifest,
                oof_predictions,
                features=features,
                labels=labels,
                execution=region.config.execution,
            )
            provenance = fitted.provenance
            assert provenance.trained_on is not None
            yield from publish(
                context,
                region,
                fitted,
                [check_final_complete(fitted, features=features, labels=labels)],
                data_version=fitted.data_version,
                metadata={
                    **asdict(provenance.trained_on),
                    "fit_seconds": provenance.seconds,
                    "fit_peak_rss_mb": provenance.peak_rss_bytes / 1e6,
                    "parameters": dg.MetadataValue.json(dict(provenance.params)),
                    "sample_weights": provenance.sample_weights,
                },
            )

    return final_models


_LIVE_PREDICTIONS = """\
Live predictions in basis points: what is traded from.

Every row with features whose horizon has not ended, predicted by the final model: the
instrument has fewer own bars after the row than execution lag and horizon together, and
still trades, as a member of the universe, on the last date of the market data. That date is
included, and is the one to trade from. Rows whose label is missing for another reason, a
long gap or a delisting, are not live. No row is both here and in `oof_predictions`.
With labels in excess of their date's mean, predictions of different dates do not compare.
"""


def live_predictions_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``live_predictions`` asset."""
    limits = region.config.checks

    @region.asset(
        "live_predictions",
        description=_LIVE_PREDICTIONS,
        inputs=(
            "market_data",
            "labels",
            "features",
            "final_models",
            "oof_predictions",
            "oof_paths",
        ),
        pool="training",
        partitioned=True,
        kinds=("pandas",),
        checks={
            "contract": CheckText("Names, types, key and order of LivePredictions."),
            "coverage": CheckText(
                "Every live row once and no other; they are found once more from the labels and "
                "the exit date of every row."
            ),
            "newest_date": CheckText("The last date of the market data is predicted."),
            "finite": CheckText("Every prediction is a finite number."),
            "range": CheckText(f"Within ±{limits.prediction_bps:g} bps, without any clipping."),
            "resembles_oof": CheckText(
                f"A population stability index against out-of-fold predictions above "
                f"{limits.psi_warn:g}, and above 95% of these predictions' own stretches of as "
                f"many dates, warns.",
                blocking=False,
            ),
        },
    )
    def live_predictions(
        context: dg.AssetExecutionContext,
        market_data: Any,
        labels: Any,
        features: Any,
        final_models: Any,
        oof_predictions: Any,
        oof_paths: Any,
    ) -> Iterator[Any]:
        from model2_assets.checks import check_live
        from model2_assets.storage.provenance import facts_of
        from model2_assets.training import make_live

        horizon, _ = Partition.parse(context.partition_key)
        with core_call(context):
            made = make_live(
                region.task(context),
                final_models,
                market_data=market_data,
                features=features,
                labels=labels,
                oof_predictions=oof_predictions,
                oof_paths=oof_paths,
            )
            outcomes = check_live(
                made,
                market_data=market_data,
                labels=labels,
                features=features,
                oof_paths=oof_paths,
                horizon=horizon,
                limits=limits,
            )
            values = {name: value for o in outcomes for name, value in o.values.items()}
            facts = facts_of(made.live)
            yield from publish(
                context,
                region,
                made.live,
                outcomes,
                data_version=made.data_version,
                metadata={
                    "dagster/row_count": len(made.live),
                    "oldest_date": facts["oldest_date"],
                    "newest_date": facts["newest_date"],
                    "instruments": values["instruments"],
                    "psi": values["psi"],
                    "live_std_bps": values["live_std_bps"],
                    "oof_std_bps": values["oof_std_bps"],
                    "newest": table(made.extremes()),
                },
            )

    return live_predictions


_TEAR_SHEET = """\
Everything about one model and horizon on one page: a self-contained HTML file.

Scores by fold and path, rank IC over time, its distribution and months, returns by quantile,
the spread added up without counting overlapping windows twice, turnover and persistence,
importances, and what it was all made from. It opens offline, in light and dark, and prints. It
says what its numbers are not: cross-validation trains on the future of its test blocks, so
nothing in it is a backtest.
"""


def tear_sheet_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``tear_sheet`` asset."""

    @region.asset(
        "tear_sheet",
        description=_TEAR_SHEET,
        inputs=("labels", "fitted_models", "oof_predictions", "cv_scores", "feature_importance"),
        partitioned=True,
        kinds=("matplotlib",),
        checks=REPORT_CHECKS,
    )
    def tear_sheet(
        context: dg.AssetExecutionContext,
        labels: Any,
        fitted_models: Any,
        oof_predictions: Any,
        cv_scores: Any,
        feature_importance: Any,
    ) -> Iterator[Any]:
        from model2_assets.checks import check_report
        from model2_assets.reports import (
            PARTITION_PARTS,
            partition_report,
            report_digest,
        )

        with core_call(context):
            html = partition_report(
                oof_predictions,
                cv_scores,
                feature_importance,
                labels,
                fitted_models.manifest,
                config=region.settings,
                prediction_bps=region.config.checks.prediction_bps,
            )
            yield from publish(
                context,
                region,
                html,
                check_report(html, PARTITION_PARTS),
                data_version=report_digest(html),
                metadata=report_links(context, region),
            )

    return tear_sheet
