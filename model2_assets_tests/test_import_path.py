import math
import sys

import pytest

from model2_assets.config.load import load_object
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
