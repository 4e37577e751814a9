"""A search on pure noise: what its best trial scores on inner folds, and its model on the outer."""

from typing import NamedTuple

from model2_assets.config import CrossValidationConfig
from model2_assets.config.sections import SearchConfig
from model2_assets.cross_validation import build_cv_splits
from model2_assets.evaluation import daily_ic
from model2_assets.training import XGBoostTrainer, assemble_training_data, predict_out_of_fold
from model2_assets.training.fit import FitResources, fit_splits
from model2_assets.training.search import ParameterSearch
from model2_assets_tests.training.nested_noise import NoiseStudy

SPACE = {
    "learning_rate": {"low": 0.02, "high": 0.5, "log": True},
    "max_depth": {"low": 1, "high": 4},
    "n_estimators": {"low": 1, "high": 15},
    "colsample_bytree": {"low": 0.2, "high": 1.0},
}


class SearchScore(NamedTuple):
    """Mean daily rank IC of a market: of the best trials on inner folds, and out of fold."""

    inner: float
    outer: float


def score_search(study: NoiseStudy, seed: int, *, trials: int, n_jobs: int = 1) -> SearchScore:
    """Search on every split of a market without any signal."""
    (horizon,) = study.horizons
    features, labels = study.features(seed), study.labels(seed)
    config = CrossValidationConfig(n_groups=study.n_groups, embargo_days=study.embargo_days)
    splits = build_cv_splits(features.index, labels, config)
    data = assemble_training_data(features, labels, splits, horizon=f"{horizon}d")
    search = ParameterSearch(
        SearchConfig(space=SPACE, trials=trials, objective="rank_ic"), seed=seed
    )
    models = list(
        fit_splits(
            lambda: XGBoostTrainer(params={"max_bin": 16}, seed=7),
            data,
            range(data.n_splits),
            search=search,
            resources=FitResources(n_jobs),
        )
    )
    oof = predict_out_of_fold(models, data)["prediction"].reindex(data.index)
    outer = daily_ic(oof.to_numpy(), data.y, data.index)["rank_ic"].mean()
    inner = [model.search.score for model in models if model.search is not None]
    return SearchScore(inner=sum(inner) / len(inner), outer=float(outer))
