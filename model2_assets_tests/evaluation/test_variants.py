"""Variants of a model: what is tried is what a retrain would publish, and nothing is published."""

from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.stats import rankdata, t
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model2_assets.cli.main import main
from model2_assets.config import Model2Config, Partition, parse_config
from model2_assets.errors import ConfigError, StoreError
from model2_assets.evaluation import mean_ic_inference
from model2_assets.evaluation.scores import overall_scores, score_partition
from model2_assets.evaluation.variants import _verdict, make_variants, try_variants
from model2_assets.storage import Address, Store
from model2_assets.training import Tables, fit_models, sums
from model2_assets.training.predict import make_out_of_fold, make_paths
from model2_assets_tests.sample_tables import mark
from model2_assets_tests.training.panels import make_tables
from model2_assets_tests.training.stored_tables import mark_splits

PARTITION = Partition("21d", "ridge")
LAG = 42


def configured(**ridge: object) -> Model2Config:
    labels = {"horizons": [21], "execution_lag_days": 1, "excess": False}
    ridge = {"params": {"alpha": 50.0}, **ridge}
    return parse_config(
        {"regions": {"us": {"labels": labels}}, "models": {"xgboost": None, "ridge": ridge}}
    )


@dataclass(frozen=True)
class Market:
    """A store with tables, and what is published in it."""

    store: Store
    tables: Tables

    def publish(self, config: Model2Config) -> dict[str, float]:
        """Publish the model of a configuration, and return its scores."""
        task, _ = make_variants(config, "us", PARTITION, {"fit_intercept": True}).values()
        models = Address("us", "fitted_models", *PARTITION)
        self.store.write(models, fit_models(task, self.tables, config.execution))
        stored = self.store.open_models(models)
        oof = make_out_of_fold(task, stored, self.tables).oof
        self.store.write(Address("us", "oof_predictions", *PARTITION), oof)
        paths, _ = make_paths(task, stored, oof, self.tables)
        scores = score_partition(
            *(oof, self.tables.labels, PARTITION),
            paths=paths,
            config=config.region("us").labels,
            n_trials=2,
        )
        return overall_scores(scores)

    def tried(self, config: Model2Config, **values: list[object]) -> pd.DataFrame:
        return try_variants("us", *PARTITION, values, config=config, store=self.store)


def make_market(folder: Path, **settings: int) -> Market:
    features, labels, splits = make_tables(n_dates=300, n_instruments=12, n_features=4, **settings)
    labels.insert(0, "forward_return_21d", labels["label_21d"])
    labels["label_end_21d"] = pd.DatetimeIndex(labels["label_end_21d"]).as_unit("us")
    features, labels = mark(features, market_data="m"), mark(labels, market_data="m")
    tables = {
        "features": features,
        "labels": labels,
        "cv_splits": mark_splits(splits, features, labels),
    }
    store = Store(str(folder / "data"))
    for name, table in tables.items():
        store.write(Address("us", name), table)
    return Market(store, Tables(*(store.read(Address("us", name)) for name in tables)))


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    """Only looked at."""
    market = make_market(tmp_path_factory.mktemp("market"))
    market.publish(configured())
    return market


@pytest.mark.parametrize("n_test_groups", [1, 2])
@pytest.mark.parametrize("calibration", ["inner_slope", "none"])
def test_what_is_tried_is_what_a_retrain_would_publish(tmp_path, n_test_groups, calibration):
    market = make_market(tmp_path, n_test_groups=n_test_groups)
    config = configured(calibration=calibration)
    before = market.publish(config)
    tried = market.tried(config, alpha=[3000.0])
    after = market.publish(configured(params={"alpha": 3000.0}, calibration=calibration))

    assert list(tried.index) == ["published", "alpha=3000.0"]
    for name, scores in {"published": before, "alpha=3000.0": after}.items():
        found = tried.loc[name, list(tried.columns[:5])].to_dict()
        assert found == {key: scores[key] for key in found}
    assert before["r2"] != after["r2"]


def test_scores_and_differences_are_those_of_scikit_learn_and_explicit_sums(tmp_path):
    market = make_market(tmp_path)
    config = configured(calibration="none")
    market.publish(config)
    tried = market.tried(config, alpha=[5000.0], fit_intercept=[False])

    X, labels, splits = market.tables.features, market.tables.labels, market.tables.cv_splits
    daily = []
    for alpha, fit_intercept in [(50.0, True), (5000.0, False)]:
        predicted = pd.Series(np.nan, X.index)
        for role in splits.filter(like="split_").to_numpy().T:
            ridge = Ridge(alpha=alpha, fit_intercept=fit_intercept)
            model = make_pipeline(SimpleImputer(), StandardScaler(), ridge)
            model.fit(X[role == 0].astype(np.float64), labels["label_21d"][role == 0])
            predicted[role == 1] = model.predict(X[role == 1].astype(np.float64))
        outcomes = (predicted, labels["label_21d"])
        ranks = (rankdata(x.to_numpy().reshape(300, 12), axis=1) for x in outcomes)
        pairs = zip(*ranks, strict=True)
        daily.append(np.array([np.corrcoef(a, b)[0, 1] for a, b in pairs]))
    difference = daily[1] - daily[0]
    e = difference - difference.mean()
    long_run = e @ e + 2 * sum((1 - k / (LAG + 1)) * (e[k:] @ e[:-k]) for k in range(1, LAG + 1))
    error = sqrt(long_run / 300 / 299)

    variant = tried.loc["alpha=5000.0, fit_intercept=False"]
    assert tried["rank_ic"].tolist() == pytest.approx([d.mean() for d in daily], abs=1e-12)
    assert variant["difference"] == pytest.approx(difference.mean(), abs=1e-12)
    assert variant["difference_se"] == pytest.approx(error, rel=1e-9)
    assert variant["difference_t"] == pytest.approx(difference.mean() / error, rel=1e-9)
    assert np.isnan(variant["pbo"])
    assert tried.loc["published", "difference":"difference_t"].isna().all()


def test_several_variants_come_with_the_overfitting_of_all_and_as_many_trials(market):
    config = configured()
    tried = market.tried(config, alpha=[50.0, 1.0, 1e5], fit_intercept=[True, False])

    assert len(tried) == 7
    same = tried.loc["alpha=50.0, fit_intercept=True"]
    assert (same["difference"], same["verdict"]) == (0.0, "the same")
    assert set(tried["pbo"]) == {same["pbo"]}
    assert tried.attrs["overfitting"].startswith(f"{same['pbo']:.2f}: 7 models, 6 blocks")
    alone = market.tried(config, alpha=[1.0])
    assert alone.attrs["overfitting"] == ""
    assert (tried["deflated_sharpe"][:1] < alone["deflated_sharpe"][:1]).all()


@pytest.mark.parametrize("is_kept", [True, False])
def test_ridge_variants_come_from_one_pass_over_the_rows(tmp_path, monkeypatch, is_kept):
    market, config = make_market(tmp_path), configured()
    market.publish(config)
    if not is_kept:
        market.store._working = None
    add_up, passes = Tables.add_up, []

    def counted(self, engine, **options):
        passes.append(self)
        return add_up(self, engine, **options)

    monkeypatch.setattr(Tables, "add_up", counted)
    monkeypatch.setattr(sums, "add_up_rows", None)
    market.tried(config, alpha=[1.0, 10.0, 100.0])
    assert len(passes) == (0 if is_kept else 1)


def test_nothing_is_published(market):
    def contents():
        files = Path(market.store.base.path).rglob("*")
        return {f: f.read_bytes() for f in files if f.is_file() and ".working" not in f.parts}

    before = contents()
    market.tried(configured(), alpha=[1.0])
    assert contents() == before


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alhpa": [1]}, r"models\.ridge\.params\.alhpa: unknown parameter; known: alpha"),
        ({"alpha": [1, "high"]}, r"models\.ridge\.params\.alpha: must be a number"),
        ({"alpha": [1, 1]}, "variant alpha=1: give a parameter, and each of its values once"),
        ({}, "variant published: give a parameter"),
        ({"alpha": [], "fit_intercept": [True]}, "variant published: give a parameter, and each"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(tmp_path, values, message):
    nowhere = Store(str(tmp_path / "nothing"))
    with pytest.raises(ConfigError, match=message):
        try_variants("us", *PARTITION, values, config=configured(), store=nowhere)


def test_a_parameter_that_is_tried_goes_before_the_overrides_of_a_horizon():
    config = configured(overrides={"21d": {"alpha": 7.0, "fit_intercept": False}})
    _, task = make_variants(config, "us", PARTITION, {"alpha": 1.0}).values()
    assert task.settings["params"] == {"alpha": 1.0, "alphas": None, "fit_intercept": False}
    with pytest.raises(ConfigError, match=r"models\.ridge\.params\.alpha: must be a number"):
        make_variants(config, "us", PARTITION, {"alpha": [0]})


def other_splits(market: Market) -> None:
    splits = market.tables.cv_splits
    market.store.write(Address("us", "cv_splits"), mark(splits, labels="0" * 32))


def other_features(market: Market) -> None:
    """Features made again, and the splits from them."""
    tables = market.tables
    features = mark(tables.features + 1, market_data="m")
    market.store.write(Address("us", "features"), features)
    splits = mark_splits(tables.cv_splits, features, tables.labels)
    market.store.write(Address("us", "cv_splits"), splits)


def other_models(market: Market) -> None:
    """Models made again, and the predictions are those of others."""
    address = Address("us", "oof_predictions", *PARTITION)
    market.store.write(address, mark(market.store.read(address), fitted_models="0" * 32))


def no_predictions(market: Market) -> None:
    market.store.path(Address("us", "oof_predictions", *PARTITION)).unlink()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (other_splits, "cv_splits was made from labels of version 0+, but .*materialize cv_splits"),
        (other_features, "fitted_models was made from features of .*; materialize fitted_models"),
        (other_models, "oof_predictions was made from fitted_models .*; materialize oof_pred"),
        (no_predictions, r"ridge\.parquet: not there; materialize oof_predictions first"),
        (
            lambda market: market.publish(configured(params={"alpha": 60.0})),
            r"fitted_models of 21d\|ridge was trained with another alpha than the configuration",
        ),
    ],
)
def test_what_is_stale_or_missing_is_named_in_a_sentence(tmp_path, fault, message):
    market = make_market(tmp_path)
    market.publish(configured())
    fault(market)
    with pytest.raises(StoreError, match=message) as refused:
        market.tried(configured(), alpha=[1.0])
    assert "\n" not in str(refused.value)


def verdict(values: np.ndarray, n_variants: int = 1) -> str:
    return _verdict(mean_ic_inference(values, lag=LAG), lag=LAG, n_variants=n_variants)


@pytest.mark.parametrize("n_variants", [1, 10])
def test_the_verdict_changes_where_students_t_says(n_variants):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=600)
    error = mean_ic_inference(noise, lag=LAG).standard_error
    limit = t(1.5 * 600 / 43).isf(0.01 / n_variants) * error
    for sign, word in ((1, "better"), (-1, "worse")):
        centred = noise - noise.mean()
        assert verdict(centred + sign * limit * 1.0001, n_variants) == word
        assert verdict(centred + sign * limit * 0.9999, n_variants) == "no clear difference"
    assert verdict(np.zeros(600)) == "the same"
    assert verdict(np.full(LAG, 0.1)) == verdict(np.full(600, np.nan)) == "cannot be told"


def test_luck_seldom_makes_a_variant_better_or_worse():
    """Differences of worthless variants whose labels overlap over 21 dates, none of them real."""
    rng = np.random.default_rng(1)
    alarms = {1: 0, 5: 0}
    for _ in range(400):
        noise = rng.normal(size=(5, 1020))
        daily = np.apply_along_axis(np.convolve, 1, noise, np.ones(21), mode="valid")
        for n_variants in alarms:
            words = {verdict(values, n_variants) for values in daily[:n_variants]}
            alarms[n_variants] += words != {"no clear difference"}
    assert 4 <= alarms[1] <= 32  # of 400: 1 to 8%
    assert 4 <= alarms[5] <= 40


def test_the_command_shows_the_table(market, monkeypatch, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(configured().model_dump_json(), encoding="utf-8")
    monkeypatch.setenv("MODEL2_STORAGE", market.store.base.path)
    arguments = ["--config", str(path), "try", "--model", "ridge", "--horizon", "21d"]

    found = CliRunner().invoke(main, [*arguments, "--set", "alpha=1e3,2", "--set", "alphas=null"])
    assert found.exit_code == 0, found.output
    for text in ("region us: 21d ridge", "alpha=1000, alphas=None", "alpha=2,", "published"):
        assert text in found.stdout
    assert "DSR is for 3 trials, PBO is" in " ".join(found.stdout.split())
    single = CliRunner().invoke(main, [*arguments, "--set", "alpha=50"])
    assert "the same" in single.stdout
    assert "PBO" not in single.stdout
    refused = CliRunner().invoke(main, [*arguments, "--set", "alhpa=50"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "models.ridge.params.alhpa: unknown parameter" in refused.stderr
