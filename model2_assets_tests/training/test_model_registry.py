import subprocess
import sys

import numpy as np
import pytest

from model2_assets.config import ModelConfig, parse_config
from model2_assets.errors import ConfigError
from model2_assets.training import (
    ModelRegistry,
    RidgeTrainer,
    XGBoostTrainer,
    aggregate_importances,
    cross_validate,
    predict_out_of_fold,
)
from model2_assets_tests.training.panels import make_data

ELASTIC_NET = "model2_assets_tests.training.trainers:ElasticNetTrainer"


def registry_of(models=None, region=None):
    values = {"models": models or {}}
    if region is not None:
        values["regions"] = {"us": region}
    return ModelRegistry.from_config(parse_config(values), "us")


def test_the_default_models_are_made_fresh_each_time():
    registry = registry_of()
    assert registry.names == ("ridge", "xgboost")
    ridge = registry.trainer("ridge", "21d")
    assert type(ridge) is RidgeTrainer
    assert registry.trainer("ridge", "21d") is not ridge
    xgboost = registry.trainer("xgboost", "63d")
    assert type(xgboost) is XGBoostTrainer
    assert (xgboost.seed, xgboost.params["n_threads"]) == (7, 1)


def test_the_seed_of_the_config_reaches_the_trees():
    data = make_data()

    def digest(seed):
        params = {"subsample": 0.5, "n_estimators": 10, "bins": "learned"}
        registry = registry_of({"xgboost": {"params": params, "seed": seed}})
        return cross_validate(lambda: registry.trainer("xgboost", "21d"), data)[0].trainer.digest()

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)


def test_overrides_go_over_params_over_defaults_for_their_horizon_alone():
    models = {
        "xgboost": {
            "params": {"max_depth": 5, "n_estimators": 10},
            "overrides": {"63d": {"max_depth": 2}},
        }
    }
    exact = parse_config({"models": models, "execution": {"profile": "exact"}})
    registry = ModelRegistry.from_config(exact, "us")
    expected = {**XGBoostTrainer.DEFAULT_PARAMS, "n_estimators": 10, "max_depth": 5}
    assert registry.trainer("xgboost", "21d").params == expected
    assert registry.trainer("xgboost", "63d").params == {**expected, "max_depth": 2}


@pytest.mark.parametrize(
    ("profile", "strides"), [("exact", (1, 1)), ("default", (5, 10)), ("fast", (10, 20))]
)
def test_a_profile_thins_the_training_dates_by_horizon_and_params_go_over_it(profile, strides):
    config = parse_config(
        {
            "execution": {"profile": profile},
            "models": {"xgboost": {"overrides": {"63d": {"date_stride": 2}}}},
        }
    )
    registry = ModelRegistry.from_config(parse_config({"execution": {"profile": profile}}), "us")
    found = tuple(registry.trainer("xgboost", h).params["date_stride"] for h in ("21d", "63d"))
    assert found == strides
    own = ModelRegistry.from_config(config, "us")
    assert own.trainer("xgboost", "63d").params["date_stride"] == 2
    assert own.trainer("xgboost", "21d").params["date_stride"] == strides[0]
    assert registry.trainer("ridge", "21d").params == RidgeTrainer.DEFAULT_PARAMS


def test_scikit_learns_elastic_net_joins_by_configuration_alone():
    models = {"elastic_net": {"trainer": ELASTIC_NET, "params": {"alpha": 5.0}}}
    registry = registry_of(models)
    assert registry.names == ("ridge", "xgboost", "elastic_net")
    assert registry.trainer("elastic_net", "21d").params == {"alpha": 5.0, "l1_ratio": 0.5}
    data = make_data()
    fold_models = cross_validate(lambda: registry.trainer("elastic_net", "21d"), data)
    oof = predict_out_of_fold(fold_models, data)
    assert np.isfinite(oof["prediction"]).all()
    assert len(aggregate_importances(fold_models)) == len(data.feature_names)


def test_a_region_may_have_models_of_its_own_or_a_choice():
    assert registry_of(region={"models": ["xgboost"]}).names == ("xgboost",)
    own = registry_of(region={"models": {"net": {"trainer": ELASTIC_NET, "params": {"x": 1}}}})
    with pytest.raises(
        ConfigError, match=r"^regions\.us\.models\.net\.params\.x: unknown parameter"
    ):
        own.trainer("net", "21d")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            {"params": {"alhpa": 1.0}},
            r"^models\.ridge\.params\.alhpa: unknown parameter; known: alpha",
        ),
        ({"params": {"alpha": 0}}, r"^models\.ridge\.params\.alpha: must be a number at least"),
        ({"overrides": {"63d": {"alpha": -1}}}, r"^models\.ridge\.overrides\.63d\.alpha: must be"),
        ({"trainer": "math:sqrt"}, r"^models\.ridge\.trainer: 'math:sqrt' is not a class derived"),
        ({"trainer": "no_such_module:X"}, r"^models\.ridge\.trainer: cannot import"),
        ({"trainer": "pathlib:Path"}, r"'pathlib:Path' is not a class derived from"),
    ],
)
def test_a_mistake_in_the_config_is_named_by_its_full_key(model, message):
    registry = registry_of({"ridge": model})
    with pytest.raises(ConfigError, match=message):
        registry.trainer("ridge", "63d")


def test_a_sound_config_is_valid():
    registry = registry_of({"ridge": {"overrides": {"63d": {"alpha": 5}}}})
    assert registry.trainer("ridge", "63d").params["alpha"] == 5


def test_unknown_names_list_the_known_ones():
    registry = registry_of()
    with pytest.raises(ConfigError, match="unknown model 'lasso'; known: ridge, xgboost"):
        registry.trainer("lasso", "21d")
    with pytest.raises(ConfigError, match="horizon '21' is not of the form 21d"):
        registry.trainer("ridge", "21")
    with pytest.raises(ConfigError, match="unknown region 'eu'"):
        ModelRegistry.from_config(parse_config({}), "eu")


def test_models_can_be_registered_once_each():
    registry = ModelRegistry()
    registry.register("net", ModelConfig(trainer=ELASTIC_NET))
    assert registry.names == ("net",)
    with pytest.raises(ConfigError, match=r"^models\.net: is registered already"):
        registry.register("net", ModelConfig(trainer=ELASTIC_NET))
    with pytest.raises(ConfigError, match=r"^models\.\.\./net: a model name"):
        registry.register("../net", ModelConfig(trainer=ELASTIC_NET))


def test_importing_the_package_and_the_registry_is_light():
    code = (
        "import sys; import model2_assets.training, model2_assets.training.model_registry as m; "
        "from model2_assets.config import parse_config; "
        "assert m.ModelRegistry.from_config(parse_config({}), 'us').names; "
        "print([name for name in ('sklearn', 'xgboost', 'dagster') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_every_public_name_of_the_package_resolves():
    import model2_assets.training as package

    for name in package.__all__:
        assert getattr(package, name).__name__ == name
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match="no attribute 'Lasso'"):
        package.Lasso  # noqa: B018
