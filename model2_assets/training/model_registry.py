"""Named models: which trainer, with which parameters, for which horizon."""

import copy
import hashlib
import sys
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

from model2_assets.config import Model2Config, ModelConfig
from model2_assets.config.partition import NAME_RULE, horizon_days, is_horizon, is_name
from model2_assets.config.sections import SearchConfig
from model2_assets.errors import ConfigError
from model2_assets.storage.record import document_digest
from model2_assets.training.base_models import BaseModelTrainer, ParameterError
from model2_assets.training.models import OWN_TRAINERS, import_trainer, installed_versions


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
        """Return the models of a region, which must be among those of the configuration."""
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
        """Add a model under a name that can be a partition key and a folder, and is not taken."""
        if not is_name(name):
            raise ConfigError(f"{self._key}.{name}: a model name is {NAME_RULE}")
        if name in self._models:
            raise ConfigError(f"{self._key}.{name}: is registered already; choose another name")
        self._models[name] = model

    def model(self, name: str) -> ModelConfig:
        """Return the configuration of a model; a `ConfigError` says which ones there are."""
        if name not in self._models:
            known = ", ".join(self._models) or "none"
            raise ConfigError(f"{self._key}: unknown model {name!r}; known: {known}")
        return self._models[name]

    def variant(self, name: str, params: Mapping[str, Any]) -> "ModelRegistry":
        """Return these models, one of them with other parameters, which hold for every horizon."""
        model, changed = self.model(name), copy.copy(self)
        overrides = {
            horizon: {key: value for key, value in own.items() if key not in params}
            for horizon, own in model.overrides.items()
        }
        search = model.search and model.search.without(params)
        update = {"params": {**model.params, **params}, "overrides": overrides, "search": search}
        changed._models = {**self._models, name: model.model_copy(update=update)}
        return changed

    def calibration(self, name: str) -> str:
        """Return how a model is calibrated: our own trainers by their slope, unless it says."""
        model = self.model(name)
        return model.calibration or ("inner_slope" if model.trainer in OWN_TRAINERS else "none")

    def trainer(self, name: str, horizon: str) -> BaseModelTrainer:
        """Return a new, unfitted trainer, another object each time.

        Its parameters are the trainer's defaults, under what the training profile sets, under
        the model's ``params``, under its ``overrides`` for the horizon.

        Parameters
        ----------
        name : str
            The model.
        horizon : str
            Such as ``21d``.

        Raises
        ------
        ConfigError
            If there is no such model, its trainer cannot be imported, a parameter is
            unknown or impossible, or weights are on and the trainer takes none; the message
            gives the full key.
        """
        model = self.model(name)
        trainer_class = import_trainer(model.trainer, key=f"{self._key}.{name}.trainer")
        code_state(trainer_class)
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
        if model.search is not None:
            self._check_search(model.search, trainer, key=f"{self._key}.{name}.search")
        if model.sample_weights != "none" and not trainer.takes_sample_weight():
            raise ConfigError(
                f"{self._key}.{name}.sample_weights: {model.trainer} takes no weights; give its "
                f"fit an argument sample_weight, or set sample_weights to none"
            )
        return trainer

    @staticmethod
    def _check_search(search: SearchConfig, trainer: BaseModelTrainer, *, key: str) -> None:
        """Refuse a search without its library, or of values that the trainer refuses."""
        if find_spec("optuna") is None:
            raise ConfigError(f'{key}: needs the extra: pip install "model2-assets[search]"')
        for name, values in search.space.items():
            try:
                for value in values.values(trainer.params.get(name)):
                    trainer.with_params({name: value})
            except ParameterError as error:
                raise ConfigError(f"{key}.space.{error.key}: {error.reason}") from error


@cache
def code_state(trainer_class: type[BaseModelTrainer]) -> str | None:
    """Digest the code that fits depend on, as it was when this process first asked.

    That is the sources of this package's training; for every class that the trainer derives
    from, the sources of its package, or of its folder where it has none; and the versions of
    Python and of the trainer's `libraries`. The registry asks as soon as a trainer is imported,
    so what is edited afterwards, which does not run, does not count. None where there is no
    source to read, as for a class of an interactive session.
    """
    roots = {ancestor.__module__.partition(".")[0] for ancestor in trainer_class.__mro__}
    users_own = roots - {__name__.partition(".")[0], *sys.stdlib_module_names}
    sources = [list(Path(__file__).parent.glob("*.py")), *map(_sources_of, users_own)]
    if not all(sources):
        return None
    try:
        contents = {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in chain.from_iterable(sources)
            if path.is_file()  # an editor's lock is a link to no file
        }
    except OSError:
        return None
    versions = {"python": sys.version, **installed_versions(trainer_class.libraries)}
    return document_digest({"sources": contents, "versions": versions})


def _sources_of(root: str) -> list[Path]:
    """List the sources of a top-level package, or those beside a module that is in none."""
    module = sys.modules.get(root)
    if folders := getattr(module, "__path__", ()):
        return [path for folder in folders for path in Path(folder).rglob("*.py")]
    file = getattr(module, "__file__", None)
    return list(Path(file).parent.glob("*.py")) if file else []
