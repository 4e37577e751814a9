"""From YAML to the validated configuration, with errors that name the key and the remedy."""

import os
import re
from collections.abc import Iterable, Mapping
from datetime import date
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from model2_assets.config.region import Model2Config, RegionConfig
from model2_assets.config.sections import PlainNumber, SectionT, expand_home, with_numbers
from model2_assets.errors import ConfigError, query_carries_secret

CONFIG_VARIABLE = "MODEL2_CONFIG"
"""Environment variable that names the file."""

_GONE = {
    "checks.null_control_permutations": "the null control is gone, since beside the overlap proof "
    "it fails by chance alone; remove the key",
}
"""Keys that files may still have, and why they are no longer there."""

_LONGEST_ECHO = 100


def load_config(path: str | Path | None = None) -> Model2Config:
    """Read the configuration.

    Parameters
    ----------
    path : str or Path, optional
        YAML file of what differs from the defaults. Without it, the file named by
        the environment variable ``MODEL2_CONFIG``; without that, the defaults.

    Returns
    -------
    Model2Config
        The validated configuration.

    Raises
    ------
    ConfigError
        If the file cannot be read or a key is unknown, missing or impossible. The
        message names the file, the key and the remedy.
    """
    path = path or os.environ.get(CONFIG_VARIABLE) or None
    if path is None:
        return parse_config({})
    return parse_config(_read_yaml(Path(expand_home(str(path)))), origin=str(path))


def parse_config(values: Mapping[str, Any], *, origin: str = "configuration") -> Model2Config:
    """Validate what differs from the defaults, a mapping in the shape of the YAML file.

    As `load_config` does of a file; messages begin with `origin`.
    """
    shipped = resources.files("model2_assets").joinpath("default.yaml").read_text(encoding="utf-8")
    defaults: dict[str, Any] = yaml.safe_load(shipped)
    merged = {**defaults, **_as_mapping(values, origin)}
    if isinstance(values.get("models"), Mapping):
        models = _merge(defaults["models"], values["models"])
        merged["models"] = {name: model for name, model in models.items() if model is not None}
    return parse_section(Model2Config, merged, origin=origin)


def parse_section(
    section: type[SectionT], values: SectionT | Mapping[str, Any], *, origin: str
) -> SectionT:
    """Validate one section given as a mapping, such as ``labels`` from a notebook.

    An instance of the section is returned as it is.
    """
    if isinstance(values, section):
        return values
    try:
        return section.model_validate(_as_mapping(values, origin))
    except ValidationError as error:
        lines = [f"{origin}: {_explain(problem)}" for problem in error.errors()]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from error


def parse_values(settings: Iterable[str], *, origin: str) -> dict[str, list[Any]]:
    """Read settings such as ``alpha=1e3,5000``: the values of each key, as YAML lists them."""
    found: dict[str, list[Any]] = {}
    for setting in settings:
        key, _, text = setting.partition("=")
        try:
            values: Any = with_numbers(yaml.load(f"[{text}]", Loader=_Loader))
        except (yaml.YAMLError, ValueError, RecursionError):
            values = []
        if not key or not values or key in found:
            raise ConfigError(
                f"{origin} {_clipped(setting)}: give a parameter once, with its values, such as "
                f"alpha=1000,5000"
            )
        found[key] = values
    return found


def load_object(path: str, *, key: str) -> Any:
    """Import the object that a configuration key names as ``package.module:name``.

    Whoever writes the configuration can run any importable code through it, so
    the file deserves the same trust as the code itself.
    """
    module_name, _, name = path.partition(":")
    if not (module_name and name):
        raise ConfigError(f"{key}: {path!r} is not of the form package.module:name")
    what = f"module {module_name!r}"
    try:
        module = import_module(module_name)
        what = repr(path)  # a module may import its names when they are first used
        return getattr(module, name)
    except Exception as error:
        if isinstance(error, AttributeError) and what == repr(path):
            message = f"module {module_name!r} has no attribute {name!r}; correct the path"
        else:
            message = (
                f"cannot import {what} ({type(error).__name__}: {error}); install or mend it in "
                f"this environment, or correct the path"
            )
        raise ConfigError(f"{key}: {message}") from error


class _Loader(yaml.SafeLoader):
    """Safe loading, with the numbers of YAML 1.2, that refuses a key given twice.

    Of such a key YAML would drop the first, and of numbers PyYAML reads 1e-2 as text.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        own = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        keys = [self.construct_object(key, deep=True) for key in own]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is given twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


# Looked at where no rule of PyYAML's own matches.
_Loader.add_implicit_resolver(
    "!number",
    re.compile(r"[-+]?(\.\d[\d_]*|\d[\d_]*(\.[\d_]*)?(?=[eE]))([eE][-+]?\d+)?$", flags=re.ASCII),
    list("-+.0123456789"),
)
_Loader.add_constructor("!number", lambda _, node: PlainNumber(node.value))


def _whole(loader: _Loader, node: yaml.ScalarNode) -> Any:
    """Read a whole number as YAML 1.2 does, whose 010 is ten, and 1:30 text."""
    text = node.value if ":" in node.value else PlainNumber(node.value)
    return text if re.match(r"[-+]?0\d|.*:", text) else loader.construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _whole)


def _read_yaml(path: Path) -> Mapping[str, Any]:
    try:
        with path.open(encoding="utf-8") as file:
            values = yaml.load(file, Loader=_Loader)
    except OSError as error:
        problem = f"cannot be read ({error.strerror}); correct --config or {CONFIG_VARIABLE}"
    except UnicodeDecodeError:
        problem = "not UTF-8 text; save it as UTF-8"
    except RecursionError:
        problem = "nested too deeply; flatten it"
    except (yaml.YAMLError, ValueError) as error:  # ValueError: such as the date 2024-02-30
        what = " ".join(str(error).split()).replace(f' in "{path}",', ",")
        problem = f"not valid YAML: {what}; correct it, or quote the value"
    else:
        return _as_mapping({} if values is None else values, str(path))
    raise ConfigError(f"configuration {path}: {problem}")


def _as_mapping(values: object, origin: str) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{origin}: expected keys such as regions, models, checks; got {type(values).__name__}"
        )
    return values


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _explain(problem: ErrorDetails) -> str:
    """Return ``key: what is wrong`` without what pydantic calls the types that it tried."""
    place, given = problem["loc"], problem["input"]
    parts = [str(part) for part in place if re.fullmatch(r"\w+", str(part))]
    is_unknown = problem["type"] == "extra_forbidden"
    if is_unknown and str(place[-1]) not in parts[-1:]:
        parts.append(_clipped(place[-1]))
    key = ".".join(parts)
    message = problem["msg"].removeprefix("Value error, ")
    message = message.replace("Tuple", "List").replace("tuple", "list")
    message = re.sub(
        r"a valid dictionary( or instance of \w+)?", "a mapping of keys to values", message
    )
    if is_unknown:
        message = _GONE.get(key, "unknown key; correct the spelling or remove it")
        if key in RegionConfig.model_fields and len(place) == 1:
            message = "belongs to a region; write it below regions.<its name>"
    elif problem["type"] == "string_type" and isinstance(given, bool | int | float | date):
        message = f"a text belongs here, got {given}; put the text in quotes"
    elif key.endswith("_variable"):
        message = "write the name of an environment variable here, never a secret itself"
    elif not (
        isinstance(given, Mapping) or (isinstance(given, str) and query_carries_secret(given))
    ):
        message = f"{message}, got {_clipped(given)}"
    return f"{key}: {message}" if key else message


def _clipped(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_ECHO else f"{text[:_LONGEST_ECHO]}…"
