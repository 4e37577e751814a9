import pytest

from model2_assets.config import (
    ChecksConfig,
    FeaturesConfig,
    LabelsConfig,
    MarketDataConfig,
    ModelConfig,
    parse_config,
)
from model2_assets.config.load import parse_section
from model2_assets.errors import ConfigError


def region(**sections):
    return {"regions": {"us": sections}}


def refusal(values):
    with pytest.raises(ConfigError) as caught:
        parse_config(values, origin="mine.yaml")
    return str(caught.value)


def test_defaults_are_one_region_of_demo_data_and_two_models():
    config = parse_config({})
    assert list(config.regions) == ["us"]
    us = config.region("us")
    assert us.market_data.source == "demo"
    assert us.labels.horizons == (21, 63)
    assert us.labels.horizon_keys == ("21d", "63d")
    assert us.labels.execution_lag_days == 1
    assert us.features.min_history_bars == 60
    assert us.cross_validation.n_groups == 5
    assert list(config.models_of("us")) == ["ridge", "xgboost"]


def test_shipped_yaml_and_defaults_of_the_classes_agree():
    us = parse_config({}).region("us")
    assert us.market_data == MarketDataConfig()
    assert us.labels == LabelsConfig()
    assert us.features == FeaturesConfig()
    assert us == parse_config({"regions": {"us": {}}}).region("us")
    assert parse_config({}).checks == ChecksConfig()


@pytest.mark.parametrize(
    ("values", "key", "reason"),
    [
        ({"region": {}}, "region", "unknown key"),
        ({"features": {}}, "features", "belongs to a region; write it below regions.<its name>"),
        (region(labls={}), "regions.us.labls", "unknown key"),
        (region(labels={"horizon": [21]}), "regions.us.labels.horizon", "unknown key"),
        (region(labels={"horizons": []}), "regions.us.labels.horizons", "at least 1 item"),
        (region(labels={"horizons": [21, 21]}), "regions.us.labels.horizons", "give each once"),
        (region(labels={"horizons": [5, 0]}), "regions.us.labels.horizons.1", "greater than"),
        (region(labels={"horizons": [5, True]}), "labels.horizons.1", "a number belongs here"),
        (region(labels={"horizons": 21}), "regions.us.labels.horizons", "valid list, got 21"),
        (region(labels={"winsorize": 0.5}), "regions.us.labels.winsorize", "less than 0.5"),
        (region(labels={"execution_lag_days": -1}), "labels.execution_lag_days", "got -1"),
        (region(labels={"builder": "no_colon"}), "labels.builder", "got 'no_colon'"),
        (region(features={"normalization": "robust"}), "features.normalization", "'zscore'"),
        (
            region(cross_validation={"n_groups": 3, "n_test_groups": 3}),
            "regions.us.cross_validation",
            "n_test_groups (3) must be below n_groups (3)",
        ),
        (
            region(cross_validation={"n_groups": 60, "n_test_groups": 30}),
            "regions.us.cross_validation",
            "splits, each a model fit; keep to 10,000",
        ),
        (
            region(cross_validation={"scheme": "walk_forward", "n_test_groups": 2}),
            "regions.us.cross_validation",
            "n_test_groups must be 1 in scheme walk_forward",
        ),
        (
            region(cross_validation={"scheme": "walk_forward", "window": "rolling"}),
            "regions.us.cross_validation",
            "window rolling needs train_groups",
        ),
        (
            region(cross_validation={"scheme": "walk_forward", "train_groups": 5}),
            "regions.us.cross_validation",
            "train_groups (5) must be below n_groups (5)",
        ),
        (
            region(cross_validation={"train_groups": 2}),
            "regions.us.cross_validation",
            "train_groups belongs to scheme walk_forward",
        ),
        (
            region(cross_validation={"window": "rolling"}),
            "regions.us.cross_validation",
            "window belongs to scheme walk_forward",
        ),
        (region(cross_validation={"scheme": "kfold"}), "cross_validation.scheme", "'walk_forward'"),
        (region(cross_validation={"purge": "none"}), "cross_validation.purge", "'per_horizon'"),
        (
            region(cross_validation={"purge": "per_horizon", "splitter": "mine:Split"}),
            "regions.us.cross_validation",
            "purge per_horizon and splitter exclude each other",
        ),
        (
            region(cross_validation={"balance": "x"}),
            "cross_validation.balance",
            "'dates' or 'rows'",
        ),
        (
            region(cross_validation={"balance": "rows", "splitter": "mine:Split"}),
            "regions.us.cross_validation",
            "balance rows and splitter exclude each other",
        ),
        (region(market_data={"source": "excel"}), "market_data.source", "'demo', 'parquet'"),
        (region(market_data={"source": "csv"}), "market_data", "needs a path"),
        (region(market_data={"path": "a.csv"}), "market_data", "takes no path"),
        (region(market_data={"params": {"seed": 1}}), "market_data", "'synthetic' only"),
        (region(market_data={"columns": {"close": "c"}}), "market_data", "reads no file"),
        (region(market_data={"instrument_from_filename": True}), "market_data", "reads no file"),
        (
            region(market_data={"source": "csv", "path": "a", "columns": {"Close": "c"}}),
            "market_data.columns",
            "unknown column 'Close'",
        ),
        (
            region(
                market_data={
                    "source": "csv",
                    "path": "a",
                    "columns": {"instrument": "x"},
                    "instrument_from_filename": True,
                }
            ),
            "market_data",
            "exclude each other",
        ),
        (region(models=["ridg"]), "regions.us.models", "unknown model 'ridg'; known: ridge"),
        (region(models=[]), "regions.us.models", "name at least one model"),
        ({"regions": {"US": {}}}, "regions", "a name is up to 40 lower-case letters"),
        ({"regions": {}}, "regions", "at least 1 item"),
        ({"models": {"ridge": None, "xgboost": None}}, "models", "at least 1 item"),
        ({"models": {"lasso": {}}}, "models.lasso.trainer", "Field required"),
        ({"models": {"ridge": {"overrides": {"5d": {}}}}}, "models.ridge.overrides", "'5d'"),
        (
            {"models": {"ridge": {"search": {"space": {"alpha": [1]}}}}},
            "models.ridge.search.space.alpha.choices",
            "at least 2 items",
        ),
        (
            {"models": {"ridge": {"search": {"space": {"alpha": {"low": 5, "high": 1.5}}}}}},
            "models.ridge.search.space.alpha",
            "low must be below high",
        ),
        (
            {"models": {"ridge": {"search": {"space": {"alpha": {"low": float("inf")}}}}}},
            "models.ridge.search.space.alpha.low",
            "finite",
        ),
        (
            {"models": {"ridge": {"search": {"space": {"alpha": {"low": 2}}}}}},
            "models.ridge.search.space.alpha",
            "a range needs low and high",
        ),
        (
            {
                "models": {
                    "ridge": {"search": {"space": {"alpha": {"low": 0, "high": 2, "log": True}}}}
                }
            },
            "models.ridge.search.space.alpha",
            "log needs a low above 0",
        ),
        ({"checks": {"prediction_bps": float("inf")}}, "checks.prediction_bps", "finite"),
        ({"checks": {"rank_ic_warn": 2}}, "checks.rank_ic_warn", "got 2"),
        (
            {"checks": {"null_control_permutations": 200}},
            "checks.null_control_permutations",
            "the null control is gone, since beside the overlap proof it fails by chance alone; "
            "remove the key",
        ),
        ({"checks": {"lookahead_control_dates": 0}}, "checks.lookahead_control_dates", "got 0"),
        ({"checks": {"controls_seed": -1}}, "checks.controls_seed", "got -1"),
        ({"execution": {"n_jobs": 0}}, "execution.n_jobs", "got 0"),
        ({"schedule": {"timezone": "Mars/Base"}}, "schedule.timezone", "no such IANA"),
        ({"schedule": {"timezone": "../etc"}}, "schedule.timezone", "no such IANA"),
        ({"logging": {"level": "LOUD"}}, "logging.level", "'DEBUG'"),
    ],
)
def test_mistakes_name_the_file_the_key_and_the_remedy(values, key, reason):
    message = refusal(values)
    assert message.startswith("mine.yaml: ")
    assert key in message
    assert reason in message


@pytest.mark.parametrize(
    ("settings", "n_splits"),
    [
        ({}, 5),
        ({"n_groups": 6, "n_test_groups": 2}, 15),
        ({"scheme": "walk_forward"}, 4),
        ({"scheme": "walk_forward", "n_groups": 8, "window": "rolling", "train_groups": 3}, 5),
    ],
)
def test_the_number_of_splits_follows_from_the_configuration(settings, n_splits):
    chosen = parse_config(region(cross_validation=settings)).region("us").cross_validation
    assert chosen.n_splits == n_splits
    assert chosen.role_column_names(("21d",))[-1] == f"split_{n_splits - 1}"


def test_all_mistakes_are_told_at_once_one_a_line():
    lines = refusal(region(labels={"horizons": ["x"], "winsorize": 2})).splitlines()
    assert len(lines) == 2
    assert "labels.horizons.0" in lines[0]
    assert "labels.winsorize" in lines[1]


def test_a_region_may_have_models_of_its_own():
    own = {"trainer": "mine:Net", "seed": 3}
    config = parse_config(
        {"regions": {"us": {"models": {"net": own}}, "eu": {"models": ["ridge"]}}}
    )
    assert config.models_of("us") == {"net": ModelConfig.model_validate(own)}
    assert list(config.models_of("eu")) == ["ridge"]


def test_an_override_may_belong_to_another_region():
    config = parse_config(
        {
            "regions": {"us": {}, "eu": {"labels": {"horizons": [5]}}},
            "models": {"ridge": {"overrides": {"5d": {"alpha": 1.0}}}},
        }
    )
    assert config.models["ridge"].overrides == {"5d": {"alpha": 1.0}}


def test_unknown_region_lists_the_known():
    with pytest.raises(ConfigError, match="unknown region 'mars'; known: us"):
        parse_config({}).region("mars")


def test_a_section_alone_is_validated_with_its_own_name():
    assert parse_section(LabelsConfig, {"horizons": [5]}, origin="labels").horizons == (5,)
    given = LabelsConfig()
    assert parse_section(LabelsConfig, given, origin="labels") is given
    with pytest.raises(ConfigError, match=r"labels: excees: unknown key"):
        parse_section(LabelsConfig, {"excees": True}, origin="labels")


def test_every_setting_says_what_it_means():
    def undescribed(model, path):
        for name, field in model.model_fields.items():
            inner = getattr(field, "annotation", None)
            if isinstance(inner, type) and hasattr(inner, "model_fields"):
                yield from undescribed(inner, f"{path}.{name}")
            elif name not in ("regions", "models") and not field.description:
                yield f"{path}.{name}"

    config = type(parse_config({}))
    sections = [config, type(parse_config({}).region("us")), ModelConfig]
    assert [path for section in sections for path in undescribed(section, section.__name__)] == []
