"""Reading YAML that may hold anything: bounded, and with errors that name the place."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from model2_assets.config._mapping import as_mapping
from model2_assets.errors import ConfigError

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
