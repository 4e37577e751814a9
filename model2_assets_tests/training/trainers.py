"""Trainers of the tests: small ones of ours, and those of a user's own, named by import path."""

from sklearn.linear_model import ElasticNet, Lars

from model2_assets.training import FoldModel, LinearTrainer, RidgeTrainer, XGBoostTrainer


def make_ridge():
    return RidgeTrainer(params={"alpha": 10.0}, seed=7)


def make_xgboost():
    return XGBoostTrainer(params={"n_estimators": 20, "subsample": 0.5}, seed=7)


class ElasticNetTrainer(LinearTrainer):
    DEFAULT_PARAMS = {"alpha": 1.0, "l1_ratio": 0.5}  # noqa: RUF012

    def make_estimator(self):
        return ElasticNet(alpha=self.params["alpha"], l1_ratio=self.params["l1_ratio"])


class PlainTrainer(LinearTrainer):
    """A linear trainer that writes another kind of file name and never fails."""

    file_extension = ".plain.joblib"

    def make_estimator(self):
        return ElasticNet()


class FailingTrainer(ElasticNetTrainer):
    """Fails wherever the first label of the train rows is the given one."""

    DEFAULT_PARAMS = {"alpha": 1.0, "l1_ratio": 0.5, "fails_at": 0.0}  # noqa: RUF012

    def fit(self, X, y, *, feature_names):
        if y[0] == self.params["fails_at"]:
            raise ZeroDivisionError("nothing to divide by")
        return super().fit(X, y, feature_names=feature_names)


class ConstantTrainer(LinearTrainer):
    """Predicts one number that a test chooses."""

    def make_estimator(self):
        raise NotImplementedError

    def fit(self, X, y, *, feature_names):
        self.feature_names = tuple(feature_names)
        self.value = float(y.mean())
        return self

    def predict(self, X):
        import numpy as np

        return np.full(len(X), self.value)


class LarsTrainer(LinearTrainer):
    """A linear estimator whose fit takes no weights."""

    def make_estimator(self):
        return Lars()


def constant(split_id, value):
    """Return the model of a split that predicts one number."""
    trainer = ConstantTrainer(params={}, seed=0)
    trainer.value = value
    return FoldModel(split_id=split_id, trainer=trainer, n_train=1, n_test=1, seconds=0.0)


def record_threads(monkeypatch, trainer):
    """Return a list that every number of threads is added to that a trainer is allowed."""
    allowed = []
    own = trainer.fit_rows

    def fit_rows(self, data, rows):
        allowed.append(data.n_threads)
        return own(self, data, rows)

    monkeypatch.setattr(trainer, "fit_rows", fit_rows)
    return allowed
