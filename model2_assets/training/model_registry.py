"""Named models: which trainer, with which parameters, for which horizon."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from model2_assets.config import Model2Config, ModelConfig
from model2_assets.errors import ConfigError
from model2_assets.import_path import load_object
from model2_assets.names import NAME_RULE, is_horizon, is_name

if TYPE_CHECKING:
    from model2_assets.training.base_models import BaseModelTrainer


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
        from model2_assets.training._code_state import loaded_code
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
        from model2_assets.training._params import ParameterError

        model, trainer_class = self.model(name), self.trainer_class(name)
        if not is_horizon(horizon):
            raise ConfigError(f"horizon {horizon!r} is not of the form 21d")
        overrides = model.overrides.get(horizon, {})
        of_profile = trainer_class.profile_params(
            self._profile, int(horizon.removesuffix("d")), self._normalization
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
