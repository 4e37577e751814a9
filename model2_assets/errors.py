"""Errors that a user can mend: one sentence that names the culprit and the remedy."""

from model2_assets.redaction import without_secrets


class Model2Error(Exception):
    """Base of every error caused by input, configuration or stored files.

    Its message is free of secrets, whatever a library wrote into the one that it quotes.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(without_secrets(message))


class ConfigError(Model2Error):
    """The configuration is wrong; the message names the key."""


class MarketDataError(Model2Error):
    """Market data cannot be used; the message names the file, column, instrument or date."""


class LabelError(Model2Error):
    """Labels cannot be made from the panel; the message names the horizon."""


class FeatureError(Model2Error):
    """Features cannot be made from the panel; the message names the column."""


class CrossValidationError(Model2Error):
    """Splits are impossible or invalid; the message names the split and its counts."""


class TrainingError(Model2Error):
    """A model cannot be fitted or used; the message names the model and the cause."""


class ContractError(Model2Error):
    """A table breaks its contract; the message names the column and the first offending row."""


class StoreError(Model2Error):
    """A stored file is missing, damaged or of another version; the message names it."""
