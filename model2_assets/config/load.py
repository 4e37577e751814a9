"""From YAML to the validated configuration, with errors that name the key and the remedy."""

import json
import os
import re
from collections.abc import Mapping
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from model2_assets.config.region import Model2Config
from model2_assets.config.sections import SectionT
from model2_assets.errors import ConfigError, url_carries_secret


def as_mapping(values: object, origin: str) -> Mapping[str, Any]:
    """Return settings as they are.

    Raises
    ------
    ConfigError
        If they are no mapping.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{origin}: expected keys such as regions, models, checks; got {type(values).__name__}"
        )
    return values


def default_values() -> dict[str, Any]:
    """Read the default configuration, which ships in the package."""
    text = resources.files("model2_assets").joinpath("default.yaml").read_text(encoding="utf-8")
    defaults: dict[str, Any] = yaml.safe_load(text)
    return defaults


def merge_defaults(
    defaults: dict[str, Any], values: Mapping[str, Any], *, origin: str
) -> dict[str, Any]:
    """Put settings over the defaults; models are merged, and one that is None is removed."""
    merged = {**defaults, **as_mapping(values, origin)}
    if isinstance(values.get("models"), Mapping):
        merged["models"] = {
            name: model
            for name, model in _merge(defaults["models"], values["models"]).items()
            if model is not None
        }
    return merged


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def explain(error: ValidationError, origin: str) -> str:
    """Return a line for each problem, such as ``origin: key: what is wrong``."""
    problems = error.errors()
    lines = []
    for problem in problems:
        if problem["type"] == "too_short" and _has_inner_problem(problem["loc"], problems):
            continue
        key = _key_of(problem)
        lines.append(
            f"{origin}: {key}: {_reason(problem)}" if key else f"{origin}: {_reason(problem)}"
        )
    return "\n".join(dict.fromkeys(lines))


def _has_inner_problem(place: tuple[int | str, ...], problems: list[ErrorDetails]) -> bool:
    """Tell whether a container came out too short only because its items are wrong."""
    return any(
        len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in problems
    )


def _key_of(problem: ErrorDetails) -> str:
    """Return the path of keys, without what pydantic calls the types that it tried."""
    place = problem["loc"]
    parts = [str(part) for part in place if _is_key(part)]
    if problem["type"] == "extra_forbidden" and not _is_key(place[-1]):
        parts.append(_clipped(place[-1]))
    return ".".join(parts)


def _is_key(part: str | int) -> bool:
    return isinstance(part, int) or re.fullmatch(r"\w+", part) is not None


def _reason(problem: ErrorDetails) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    message = message.replace("Tuple", "List").replace("tuple", "list")
    message = _ANY_MAPPING.sub("a mapping of keys to values", message)
    place = problem["loc"]
    if problem["type"] == "extra_forbidden":
        return "unknown key; correct the spelling or remove it"
    if place and str(place[-1]).endswith("_variable"):
        return "write the name of an environment variable here, never a secret itself"
    if isinstance(problem["input"], str) and url_carries_secret(problem["input"]):
        return message
    if problem["type"] == "string_pattern_mismatch":
        return f"{_clipped(problem['input'])} is not allowed here: {message}"
    if "input" in problem and not isinstance(problem["input"], Mapping):
        return f"{message}, got {_clipped(problem['input'])}"
    return message


_ANY_MAPPING = re.compile(r"a valid dictionary( or instance of \w+)?")

_LONGEST_ECHO = 100


def _clipped(value: object) -> str:
    """Return a value as messages show it; a number of thousands of digits cannot be shown."""
    if isinstance(value, int) and value.bit_length() > _LONGEST_ECHO:
        return "a huge number"
    text = repr(value)
    return text if len(text) <= _LONGEST_ECHO else f"{text[:_LONGEST_ECHO]}…"


CONFIG_VARIABLE = "MODEL2_CONFIG"
"""Environment variable that names the file."""

_MERGE_KEY = "tag:yaml.org,2002:merge"

MAX_YAML_VALUES = 100_000
"""Values of a configuration, an alias counted as all that it stands for."""


class _UniqueKeys(yaml.SafeLoader):
    """Safe loading that refuses a key given twice, of which YAML would drop the first.

    Aliases are bounded: ten lines of them can stand for a billion values.
    """

    def construct_document(self, node: yaml.Node) -> Any:
        if _expanded_size(node, {}) > MAX_YAML_VALUES:
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"aliases (*) stand for more than {MAX_YAML_VALUES:,} values; write out what they "
                f"stand for",
                node.start_mark,
            )
        return super().construct_document(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [
            self.construct_object(key, deep=True) for key, _ in node.value if key.tag != _MERGE_KEY
        ]
        repeated = next((key for key in keys if keys.count(key) > 1), None)
        if repeated is not None:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {repeated!r} is given twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def _expanded_size(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """Count values as if every alias were written out, one inside itself not at all."""
    if node not in known:
        known[node] = 0
        children = node.value if isinstance(node, yaml.CollectionNode) else ()
        parts = [
            part for child in children for part in (child if isinstance(child, tuple) else (child,))
        ]
        known[node] = 1 + sum(_expanded_size(part, known) for part in parts)
    return known[node]


def read_yaml(path: Path) -> Mapping[str, Any]:
    """Read a file of settings; an empty one has none.

    Raises
    ------
    ConfigError
        If it cannot be read, or does not hold a mapping in valid YAML.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except OSError as error:
        raise ConfigError(
            f"configuration {path}: cannot be read ({error.strerror}); correct --config or "
            f"{CONFIG_VARIABLE}"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"configuration {path}: not UTF-8 text; save it as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        raise ConfigError(
            f"configuration {path}: {_where(error)}not valid YAML: {_what(error)}"
        ) from error
    except (yaml.YAMLError, ValueError) as error:  # such as the date 2024-02-30
        raise ConfigError(
            f"configuration {path}: not valid YAML: {_one_line(error)}; correct or quote the value"
        ) from error
    except RecursionError as error:
        raise ConfigError(f"configuration {path}: nested too deeply; flatten it") from error
    try:
        json.dumps(values, default=str, skipkeys=True)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"configuration {path}: a value contains itself by an alias (*), or is nested too "
            f"deeply; write it out flat"
        ) from error
    return as_mapping({} if values is None else values, str(path))


def _where(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""


def _what(error: yaml.MarkedYAMLError) -> str:
    return ", ".join(_one_line(part) for part in (error.context, error.problem) if part)


def _one_line(value: object) -> str:
    return " ".join(str(value).split())


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
    return parse_config(read_yaml(Path(path)), origin=str(path))


def parse_config(values: Mapping[str, Any], *, origin: str = "configuration") -> Model2Config:
    """Validate a configuration given as a mapping.

    Parameters
    ----------
    values : mapping
        What differs from the defaults, in the shape of the YAML file.
    origin : str, default "configuration"
        What to call it in messages.

    Returns
    -------
    Model2Config
        The validated configuration.

    Raises
    ------
    ConfigError
        If a key is unknown, missing or impossible.
    """
    merged = merge_defaults(default_values(), values, origin=origin)
    return parse_section(Model2Config, merged, origin=origin)


def parse_section(
    section: type[SectionT], values: SectionT | Mapping[str, Any], *, origin: str
) -> SectionT:
    """Validate one section given as a mapping, such as ``labels`` from a notebook.

    Parameters
    ----------
    section : type
        The class of the section, such as `LabelsConfig`.
    values : mapping or instance of `section`
        What differs from the defaults; an instance is returned as it is.
    origin : str
        What to call it in messages.

    Returns
    -------
    instance of `section`
        The validated section.

    Raises
    ------
    ConfigError
        If a key is unknown, missing or impossible.

    Examples
    --------
    >>> from model2_assets.config import LabelsConfig
    >>> parse_section(LabelsConfig, {"horizons": [5]}, origin="labels").horizon_keys
    ('5d',)
    """
    if isinstance(values, section):
        return values
    try:
        return section.model_validate(as_mapping(values, origin))
    except ValidationError as error:
        raise ConfigError(explain(error, origin)) from error


def load_object(path: str, *, key: str) -> Any:
    """Import the object that a configuration key names.

    Whoever writes the configuration can run any importable code through it, so
    the file deserves the same trust as the code itself.

    Parameters
    ----------
    path : str
        Import path of the form ``package.module:name``.
    key : str
        The configuration key, for the message.

    Returns
    -------
    object
        The named attribute of the imported module.

    Raises
    ------
    ConfigError
        If the path is malformed, importing it fails for whatever reason, or the module
        has no such name.

    Examples
    --------
    >>> load_object("math:sqrt", key="features.builder")(4.0)
    2.0
    """
    module_name, separator, name = path.partition(":")
    if not (module_name and separator and name):
        raise ConfigError(f"{key}: {path!r} is not of the form package.module:name")
    try:
        module = import_module(module_name)
    except Exception as error:
        raise _not_importable(f"module {module_name!r}", key, error) from error
    try:
        return getattr(module, name)
    except AttributeError as error:
        raise ConfigError(
            f"{key}: module {module_name!r} has no attribute {name!r}; correct the path"
        ) from error
    except Exception as error:  # a module that imports its names when they are first used
        raise _not_importable(repr(path), key, error) from error


def _not_importable(what: str, key: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"{key}: cannot import {what} ({type(error).__name__}: {error}); install or mend it in "
        f"this environment, or correct the path"
    )
