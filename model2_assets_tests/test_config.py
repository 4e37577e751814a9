import pytest

from model2_assets.config import (
    CONFIG_VARIABLE,
    ChecksConfig,
    FeaturesConfig,
    LabelsConfig,
    MarketDataConfig,
    ModelConfig,
    load_config,
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


def test_a_file_gives_only_what_differs(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "regions:\n"
        "  eu:\n"
        "    labels: {horizons: [63, 5]}\n"
        "models:\n"
        "  xgboost: null\n"
        "  ridge: {params: {alpha: 2.0}}\n"
        "  net: {trainer: 'mine.trainers:Net', overrides: {63d: {depth: 2}}}\n"
    )
    config = load_config(path)
    assert list(config.regions) == ["eu"]
    assert config.region("eu").labels.horizons == (5, 63)
    assert config.region("eu").labels.winsorize == 0.10
    models = config.models_of("eu")
    assert list(models) == ["ridge", "net"]
    assert models["ridge"].trainer == "model2_assets.training:RidgeTrainer"
    assert models["ridge"].params["alpha"] == 2.0
    assert models["net"].overrides == {"63d": {"depth": 2}}


def test_environment_variable_names_the_file_and_an_argument_wins(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(f"regions: {{{name}: {{}}}}\n")
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "one.yaml"))
    assert list(load_config().regions) == ["one"]
    assert list(load_config(tmp_path / "two.yaml").regions) == ["two"]
    monkeypatch.setenv(CONFIG_VARIABLE, "")
    assert list(load_config().regions) == ["us"]


def test_an_empty_file_means_the_defaults(tmp_path):
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert load_config(tmp_path / "empty.yaml") == parse_config({})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"regions: [", "not valid YAML"),
        (b"regions: \xff", "not UTF-8"),
        (b"- a\n- b\n", "expected keys such as regions.*got list"),
    ],
)
def test_unreadable_files_are_named(tmp_path, content, message):
    path = tmp_path / "mine.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"(?s)mine.yaml.*{message}"):
        load_config(path)


@pytest.mark.parametrize(
    ("values", "key", "reason"),
    [
        ({"region": {}}, "region", "unknown key"),
        (region(labls={}), "regions.us.labls", "unknown key"),
        (region(labels={"horizon": [21]}), "regions.us.labels.horizon", "unknown key"),
        (region(labels={"horizons": []}), "regions.us.labels.horizons", "at least 1 item"),
        (region(labels={"horizons": [21, 21]}), "regions.us.labels.horizons", "give each once"),
        (region(labels={"horizons": [5, 0]}), "regions.us.labels.horizons.1", "greater than"),
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
        ({"schedule": {"cron": "nightly"}}, "schedule.cron", "not five fields"),
        ({"schedule": {"cron": "0 2 * *"}}, "schedule.cron", "not five fields"),
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: !!python/object/apply:os.system ['touch planted']", "could not determine a cons"),
        ("models: !!python/name:os.system", "could not determine a constructor"),
        ("models: " + "[" * 1500, "nested too deeply"),
        ("checks: {hours: 2024-13-45}", "month must be in"),
        (f"checks: {{hours: {'9' * 5000}}}", "Exceeds the limit"),
        ("checks: {hours: 1, hours: 2}", "key 'hours' is given twice"),
    ],
)
def test_hostile_yaml_is_refused_and_runs_nothing(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=rf"(?s)^configuration mine\.yaml: .*{message}"):
        load_config("mine.yaml")
    assert not (tmp_path / "planted").exists()


def test_aliases_of_honest_size_are_understood(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("regions: {us: &us {labels: {horizons: [5]}}, eu: *us}")
    assert load_config(path).region("eu").labels.horizons == (5,)
