import math
import sys

import pytest

from model2_assets.config.load import (
    CONFIG_VARIABLE,
    load_config,
    load_object,
    parse_config,
    parse_values,
)
from model2_assets.errors import ConfigError

KEY = "regions.us.features.builder"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module of a user's own and make it importable."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(text: str) -> str:
        name = f"own_module_{len(list(tmp_path.glob('*.py')))}"
        (tmp_path / f"{name}.py").write_text(text)
        return name

    yield write
    for name in [name for name in sys.modules if name.startswith("own_module_")]:
        del sys.modules[name]


def refusal(path: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_object(path, key=KEY)
    assert str(caught.value).startswith(f"{KEY}: ")
    return str(caught.value)


def test_named_object_is_returned():
    assert load_object("math:sqrt", key=KEY) is math.sqrt
    assert load_object("os.path:join", key=KEY)("a", "b") == "a/b"


def test_own_module_is_imported(module):
    name = module("def build(panel, config):\n    return 42\n")
    assert load_object(f"{name}:build", key=KEY)(None, None) == 42


def test_name_that_a_module_imports_when_first_used_is_returned():
    trainer = load_object("model2_assets.training:RidgeTrainer", key=KEY)
    assert trainer.__name__ == "RidgeTrainer"


@pytest.mark.parametrize("path", ["", "math", "math:", ":sqrt", "math.sqrt"])
def test_malformed_path_is_named(path):
    assert refusal(path) == f"{KEY}: {path!r} is not of the form package.module:name"


@pytest.mark.parametrize("name", ["no_such_module", "math.no_such", "model2_assets.no_such"])
def test_missing_module_is_named(name):
    assert f"cannot import module {name!r} (ModuleNotFoundError: No module" in refusal(f"{name}:f")


def test_missing_name_is_named():
    message = f"{KEY}: module 'math' has no attribute 'sqroot'; correct the path"
    assert refusal("math:sqroot") == message


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("import no_such_dependency\n", "ModuleNotFoundError: No module named 'no_such_dep"),
        ("def build(:\n", "SyntaxError"),
        ("undefined\n", "NameError: name 'undefined' is not defined"),
        ("import math\nmath.no_such\n", "AttributeError: module 'math' has no attribute"),
        ("raise RuntimeError('licence expired')\n", "RuntimeError: licence expired"),
    ],
)
def test_module_that_fails_while_it_is_imported_is_named_with_the_cause(module, text, cause):
    name = module(text)
    message = refusal(f"{name}:build")
    assert f"cannot import module {name!r} ({cause}" in message
    assert message.endswith("correct the path")


def test_name_whose_own_import_fails_is_named_with_the_cause(module):
    name = module("def __getattr__(name):\n    import no_such_dependency\n")
    assert f"cannot import '{name}:build' (ModuleNotFoundError" in refusal(f"{name}:build")


def test_relative_path_is_refused():
    assert "cannot import module '.config'" in refusal(".config:load_config")


def test_cause_is_kept(module):
    name = module("raise RuntimeError('licence expired')\n")
    with pytest.raises(ConfigError) as caught:
        load_object(f"{name}:build", key=KEY)
    assert isinstance(caught.value.__cause__, RuntimeError)


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


def test_a_section_with_one_key_is_the_default_section(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("checks: {hours: 2}\nexecution: {engine: local}\n")

    assert repr(load_config(path)) == repr(load_config())


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


NUMBERS = [
    *[("1e-2", 0.01), ("1E-2", 0.01), ("+1e-2", 0.01), (".1e-1", 0.01), ("1_0.e-3", 0.01)],
    *[("+.25", 0.25), (".25", 0.25), ("2.5e-1", 0.25), ("0.25", 0.25)],
]
WHOLE = ["1e3", "+1E3", "1.e+3", "1_000", "10.0e2", "1000", "1_0e2", "1_000.0", "01000"]


@pytest.mark.parametrize(("written", "expected"), [*NUMBERS, *((text, 1000) for text in WHOLE)])
def test_a_number_is_one_in_every_field(tmp_path, written, expected):
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"regions: {{us: {{labels: {{winsorize: {'1e-2' if expected > 0.5 else written},\n"
        f"  horizons: [{written if expected > 0.5 else 1000}], params: {{own: {written}}}}}}}}}\n"
        f"checks: {{hours: {written}}}\n"
        f"execution: {{max_rss_gb: {written}}}\n"
        f"models: {{net: {{trainer: 'mine:Net', params: {{a: [{{b: {written}}}]}},\n"
        f"  overrides: {{1000d: {{a: {written}}}}}}}}}\n"
    )
    config = load_config(path)
    model, labels = config.models["net"], config.region("us").labels
    values = [labels.params["own"], model.params["a"][0]["b"], model.overrides["1000d"]["a"]]
    values += [config.checks.hours, config.execution.max_rss_gb]
    assert values == [expected] * 5
    assert labels.horizons == (1000,)
    assert labels.winsorize == (0.01 if expected > 0.5 else expected)
    if expected == 1000 and "." not in written:
        assert isinstance(values[0], int)  # as n_estimators is to be


def test_text_that_looks_like_a_number_stays_text(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "regions: {us: {market_data: {source: csv, path: 1e-2, columns: {close: 1E3}},\n"
        "  labels: {params: {quoted: '1e-2', 1e1: -.5e1, name: 1e, word: e5, id: 0x1e2}}}}\n"
    )
    region = load_config(path).region("us")
    assert (region.market_data.path, region.market_data.columns) == ("1e-2", {"close": "1E3"})
    assert type(region.market_data.path) is str
    params = {"quoted": "1e-2", "1e1": -5, "name": "1e", "word": "e5", "id": 0x1E2}
    assert region.labels.params == params


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("checks: {hours: 1e-400}", "checks.hours: Input should be greater than 0"),
        ("checks: {hours: 1e400}", "checks.hours: Input should be a finite number"),
        ("execution: {n_jobs: 1e-2}", "execution.n_jobs: Input should be a valid integer"),
        ("checks: {hours: 1:30}", "checks.hours: Input should be a valid number, .* got '1:30'"),
        ("regions: {no: {}}", "a text belongs here, got False; put the text in quotes"),
        ("checks: {hours: yes}", "checks.hours: a number belongs here"),
        ("reports: {pictures: 1e0}", "reports.pictures: Input should be a valid boolean"),
    ],
)
def test_a_number_that_does_not_fit_its_field_is_refused(tmp_path, text, message):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(tmp_path / "mine.yaml")


def test_values_of_settings_are_those_of_yaml():
    found = parse_values(
        ["alpha=1e3,5_000, .5", "alphas=null,[10, 1e2]", "name=a=b,'1'", "on=true"], origin="--set"
    )
    assert found == {
        "alpha": [1000, 5000, 0.5],
        "alphas": [None, [10, 100]],
        "name": ["a=b", "1"],
        "on": [True],
    }
    assert [type(value) for value in found["alpha"]] == [int, int, float]


@pytest.mark.parametrize(
    "settings",
    [
        ["alpha"],
        ["=1"],
        ["alpha="],
        ["alpha=]["],
        ["alpha=[1"],
        ["a=" + "[" * 9999],
        ["a=1", "a=2"],
    ],
)
def test_settings_that_are_no_values_are_refused(settings):
    with pytest.raises(ConfigError, match=r"^--set '.*give a parameter once, with its values"):
        parse_values(settings, origin="--set")
