"""Objects named in the configuration as ``package.module:name``."""

from importlib import import_module
from typing import Any

from model2_assets.errors import ConfigError


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
