"""Named models: which trainer, with which parameters, for which horizon."""

import hashlib
import platform
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from model2_assets.config import Model2Config, ModelConfig
from model2_assets.config.load import load_object
from model2_assets.config.partition import NAME_RULE, horizon_days, is_horizon, is_name
from model2_assets.errors import ConfigError
from model2_assets.storage.data_version import document_digest

if TYPE_CHECKING:
    from model2_assets.training.base_models import BaseModelTrainer


_OURS = __name__.partition(".")[0]

_CODE_SUFFIXES = {".py", ".so", ".pyd"}


def code_on_disk(trainer_class: type) -> str | None:
    """Digest everything that a trainer's fits depend on besides data and settings.

    That is every file of code of this package, and of every package or module outside of the
    installed ones that the trainer's class derives from, or whose functions, classes and
    modules these have among their global names; the content of every installed
    distribution, as its list of files (``RECORD``) states it; and Python itself.

    Parameters
    ----------
    trainer_class : type
        An imported trainer.

    Returns
    -------
    str or None
        Equal for equal code. None where a source cannot be found or read, as for a class of an
        interactive session.

    Notes
    -----
    What code imports within a function, from a module of its own outside of its package, is
    not seen.
    """
    try:
        sources = {
            package: _digest_files(sorted(_files_of(package)))
            for package in sorted({_OURS, *_own_packages(trainer_class)})
        }
    except OSError:
        return None
    if None in sources.values():
        return None
    python = [sys.implementation.name, sys.version, platform.machine()]
    return document_digest({"sources": sources, "installed": _installed(), "python": python})


@cache
def loaded_code(trainer_class: type) -> str | None:
    """Return `code_on_disk` as it was when this was first asked in this process.

    Asked for as soon as a trainer is imported, it tells what runs from what has been edited or
    installed since.
    """
    return code_on_disk(trainer_class)


def _own_packages(trainer_class: type) -> set[str]:
    """Return the top-level names of all code outside of the installed that a class uses."""
    modules = {ancestor.__module__ for ancestor in trainer_class.__mro__}
    own = {name for name in modules if not _is_installed(name)}
    found, unread = set(own), list(own)
    while unread:
        reached = {name for name in _modules_named_in(unread.pop()) if not _is_installed(name)}
        unread.extend(reached - found)
        found |= reached
    return {name.partition(".")[0] for name in found}


def _modules_named_in(module_name: str) -> Iterator[str]:
    """Yield the modules behind the global names of a loaded module; ours are read as a whole."""
    module = sys.modules.get(module_name)
    if module is None or module_name.partition(".")[0] == _OURS:
        return
    for value in list(vars(module).values()):
        is_module = isinstance(value, ModuleType)
        if is_module or isinstance(value, type | FunctionType):
            name = value.__name__ if is_module else value.__module__
            if isinstance(name, str):
                yield name


def _is_installed(module_name: str) -> bool:
    """Tell whether a module belongs to Python or to an installed distribution."""
    if module_name.partition(".")[0] in sys.stdlib_module_names - {"__main__"}:
        return True
    file = getattr(sys.modules.get(module_name), "__file__", None)
    return file is not None and any(Path(file).is_relative_to(path) for path in _installed_paths())


@cache
def _installed_paths() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    paths = {sysconfig.get_path(name) for name in names}
    return tuple(map(Path, {*paths, *site.getsitepackages(), site.getusersitepackages()}))


def _files_of(package: str) -> Iterator[Path]:
    module = sys.modules.get(package)
    for folder in getattr(module, "__path__", ()):
        files = (path for path in Path(folder).rglob("*") if path.suffix in _CODE_SUFFIXES)
        # An editor's lock is a link to no file.
        yield from (path for path in files if path.is_file())
    file = getattr(module, "__file__", None)
    if file is not None and not hasattr(module, "__path__"):
        yield Path(file)


def _digest_files(files: list[Path]) -> str | None:
    """Digest names and contents; None of no file."""
    if not files:
        return None
    digest = hashlib.sha256()
    for file in files:
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file}\n{content}\n".encode())
    return digest.hexdigest()


def _installed() -> list[str]:
    """Digest what every installed distribution has installed: names, hashes, versions."""
    contents = {
        distribution.read_text("RECORD") or distribution.read_text("METADATA") or ""
        for distribution in metadata.distributions()
    }
    return sorted(hashlib.sha256(content.encode()).hexdigest() for content in contents)


class ModelRegistry:
    """The models of a region, by name; their trainers are imported when first asked for.

    Parameters
    ----------
    models : mapping of str to ModelConfig, optional
        Models to begin with, in order.
    key : str, default "models"
        Configuration key that they stand under, for messages.
    profile : {"exact", "default", "fast"}, default "exact"
        Training profile; what it sets lies under the models' own parameters.
    normalization : {"rank", "zscore", "none"}, default "none"
        How features are normalized; a profile may make use of it.

    Examples
    --------
    >>> from model2_assets.config import parse_config
    >>> registry = ModelRegistry.from_config(parse_config({}), "us")
    >>> registry.names
    ('ridge', 'xgboost')
    >>> registry.trainer("ridge", "21d").seed
    7
    """

    def __init__(
        self,
        models: Mapping[str, ModelConfig] | None = None,
        *,
        key: str = "models",
        profile: str = "exact",
        normalization: str = "none",
    ) -> None:
        self._key = key
        self._profile = profile
        self._normalization = normalization
        self._models: dict[str, ModelConfig] = {}
        for name, model in (models or {}).items():
            self.register(name, model)

    @classmethod
    def from_config(cls, config: Model2Config, region: str) -> "ModelRegistry":
        """Return the models of a region.

        Raises
        ------
        ConfigError
            If there is no such region.
        """
        settings = config.region(region)
        # What a builder of the user's own makes of its features is not known.
        known = settings.features.builder is None
        return cls(
            config.models_of(region),
            key=f"regions.{region}.models" if isinstance(settings.models, dict) else "models",
            profile=config.execution.profile,
            normalization=settings.features.normalization if known else "none",
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models, in the order of the configuration."""
        return tuple(self._models)

    def register(self, name: str, model: ModelConfig) -> None:
        """Add a model.

        Parameters
        ----------
        name : str
            Lower-case letters, digits and underscores: it becomes a partition key and
            a folder.
        model : ModelConfig
            Trainer, parameters, seed and overrides.

        Raises
        ------
        ConfigError
            If the name is taken or not usable.
        """
        if not is_name(name):
            raise ConfigError(f"{self._key}.{name}: a model name is {NAME_RULE}")
        if name in self._models:
            raise ConfigError(f"{self._key}.{name}: is registered already; choose another name")
        self._models[name] = model

    def model(self, name: str) -> ModelConfig:
        """Return the configuration of a model.

        Raises
        ------
        ConfigError
            If there is none of that name.
        """
        if name not in self._models:
            known = ", ".join(self._models) or "none"
            raise ConfigError(f"{self._key}: unknown model {name!r}; known: {known}")
        return self._models[name]

    def trainer_class(self, name: str) -> "type[BaseModelTrainer]":
        """Import the trainer class of a model.

        Raises
        ------
        ConfigError
            If there is no such model, its import path leads nowhere, or to something
            that is not a ``BaseModelTrainer``.
        """
        from model2_assets.training.base_models import BaseModelTrainer

        path, key = self.model(name).trainer, f"{self._key}.{name}.trainer"
        found = load_object(path, key=key)
        if not (isinstance(found, type) and issubclass(found, BaseModelTrainer)):
            raise ConfigError(
                f"{key}: {path!r} is not a class derived from "
                f"model2_assets.training:BaseModelTrainer; derive it"
            )
        loaded_code(found)
        return found

    def parameters(self, name: str, horizon: str) -> dict[str, Any]:
        """Return every parameter of a model for a horizon.

        Parameters
        ----------
        name : str
            The model.
        horizon : str
            Such as ``21d``.

        Returns
        -------
        dict
            The trainer's defaults, under what the training profile sets, under the model's
            ``params``, under its ``overrides`` for the horizon.

        Raises
        ------
        ConfigError
            If there is no such model, or a parameter is unknown or impossible; the
            message gives its full key.
        """
        return dict(self.trainer(name, horizon).params)

    def trainer(self, name: str, horizon: str) -> "BaseModelTrainer":
        """Return a new, unfitted trainer.

        Parameters
        ----------
        name : str
            The model.
        horizon : str
            Such as ``21d``.

        Returns
        -------
        BaseModelTrainer
            Another object each time.

        Raises
        ------
        ConfigError
            If there is no such model, its trainer cannot be imported, a parameter is
            unknown or impossible, or weights are on and the trainer takes none; the message
            gives the full key.
        """
        from model2_assets.training.base_models import ParameterError

        model, trainer_class = self.model(name), self.trainer_class(name)
        if not is_horizon(horizon):
            raise ConfigError(f"horizon {horizon!r} is not of the form 21d")
        overrides = model.overrides.get(horizon, {})
        of_profile = trainer_class.profile_params(
            self._profile, horizon_days(horizon), self._normalization
        )
        params = {**of_profile, **model.params, **overrides}
        try:
            trainer = trainer_class(params=params, seed=model.seed)
        except ParameterError as error:
            section = f"overrides.{horizon}" if error.key in overrides else "params"
            raise ConfigError(
                f"{self._key}.{name}.{section}.{error.key}: {error.reason}"
            ) from error
        if model.sample_weights != "none" and not trainer.takes_sample_weight():
            raise ConfigError(
                f"{self._key}.{name}.sample_weights: {model.trainer} takes no weights; give its "
                f"fit an argument sample_weight, or set sample_weights to none"
            )
        return trainer

    def validate(self, horizons: Iterable[str]) -> None:
        """Import every trainer and check its parameters for every horizon.

        Parameters
        ----------
        horizons : iterable of str
            Such as ``("21d", "63d")``.

        Raises
        ------
        ConfigError
            At the first model that cannot be made; the message gives the full key.
        """
        for horizon in horizons:
            for name in self.names:
                self.trainer(name, horizon)
