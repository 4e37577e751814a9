"""The tear sheet of models in memory, as a notebook has them: nothing is stored."""

from collections.abc import Sequence

from model2_assets.config import Partition, RegionConfig
from model2_assets.config.sections import ChecksConfig
from model2_assets.evaluation.feature_ic import feature_rank_ic
from model2_assets.evaluation.inference import standard_error_lag
from model2_assets.evaluation.scores import score_partition
from model2_assets.labels import realized_returns
from model2_assets.reports.tear_sheet import PartitionResults, partition_report
from model2_assets.storage.data_version import data_versions_of, stamped
from model2_assets.storage.models import Manifest
from model2_assets.training.base_models import FoldModel, aggregate_importances
from model2_assets.training.data import TrainingData
from model2_assets.training.fold_models import FittedModels, provenance_of
from model2_assets.training.predict import average_splits, predict_splits, recombine_predictions
from model2_assets.training.resources import ResourceUsage
from model2_assets.training.task import Tables, Task


def tear_sheet(
    models: Sequence[FoldModel],
    tables: Tables,
    *,
    horizon: str,
    name: str = "model",
    settings: RegionConfig | None = None,
) -> str:
    """Predict and score out of fold, and write the tear sheet.

    Parameters
    ----------
    models : sequence of FoldModel
        One a split, as `cross_validate` returns them.
    tables : Tables
        Features, labels and splits that they were fitted on.
    horizon : str
        Such as ``21d``.
    name : str, default "model"
        What the page calls the models.
    settings : RegionConfig, optional
        Settings that the tables were made with; by default the defaults.

    Returns
    -------
    str
        A self-contained HTML document: write it to a file and open that.

    Raises
    ------
    TrainingError
        If the model of a split is missing.
    """
    settings = settings or RegionConfig()
    data = tables.of_horizon(horizon, embargo_days=settings.cross_validation.embargo_days)
    partition = Partition(horizon, name)
    manifest = _manifest(models, data, tables, partition)
    predictions = predict_splits(models, data)
    oof = average_splits(predictions, data)
    realized = realized_returns(tables.labels, horizon, excess=settings.labels.excess)
    lag = standard_error_lag(horizon, execution_lag_days=settings.labels.execution_lag_days)
    alone = feature_rank_ic(tables.features, realized, lag=lag)
    made_from = {**data_versions_of(labels=tables.labels), "fitted_models": manifest.data_version}
    results = PartitionResults(
        stamped(oof, inputs=made_from, n_folds=oof["fold_id"].nunique()),
        score_partition(
            oof,
            tables.labels,
            partition,
            paths=recombine_predictions(predictions, data),
            config=settings.labels,
        ),
        aggregate_importances(models).join(alone, on="feature"),
        tables.labels,
        manifest,
    )
    limit_bps = ChecksConfig().prediction_bps
    return partition_report(results, config=settings, prediction_bps=limit_bps, stored=False)


def _manifest(
    models: Sequence[FoldModel], data: TrainingData, tables: Tables, partition: Partition
) -> Manifest:
    unfitted, first = models[0].trainer, type(models[0].trainer)
    task = Task(
        region="notebook",
        partition=partition,
        trainer=f"{first.__module__}:{first.__qualname__}",
        unfitted=unfitted,
        calibration="none" if models[0].calibration is None else "inner_slope",
    )
    usage = ResourceUsage(sum(model.seconds for model in models))
    provenance = provenance_of(task, data, data_versions=dict(tables.versions), usage=usage)
    fitted = FittedModels(tuple(models), provenance)
    files = tuple(file for file, _ in fitted.files())
    return Manifest(**vars(provenance), folds=files, library_versions=dict(fitted.library_versions))
