"""From a file or a mapping to the validated configuration, or to one section of it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from model2_assets.config._explain import explain
from model2_assets.config._mapping import as_mapping, default_values, merge_defaults
from model2_assets.config._model2 import Model2Config
from model2_assets.config._section import SectionT
from model2_assets.config._yaml import CONFIG_VARIABLE, read_yaml
from model2_assets.errors import ConfigError


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
