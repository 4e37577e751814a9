"""Sections ``storage``, ``reports`` and ``logging``: what is kept, drawn and said."""

from typing import Literal

from pydantic import Field

from model2_assets.config._section import Section


class StorageConfig(Section):
    """How long old results are kept; where they are says the environment."""

    keep_versions: int = Field(
        default=5,
        ge=0,
        le=1000,
        description="versions of each result that are kept, the current one among them, to be read "
        "and rolled back to; 0: none. Market data, labels, features and splits have none",
    )
    keep_rejected: int = Field(
        default=5,
        ge=1,
        le=1000,
        description="candidates that failed a check that are kept of each asset and partition, the "
        "newest ones; older ones are removed when another one comes",
    )


class ReportsConfig(Section):
    """What is drawn for people; no number depends on it."""

    pictures: bool = Field(default=True, description="pictures on the pages of the assets")
    tear_sheets: bool = Field(
        default=True,
        description="HTML pages: tear_sheet of every model and horizon, and region_report",
    )


class LoggingConfig(Section):
    """How log lines look on the console."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="threshold"
    )
    format: Literal["text", "json"] = Field(default="text", description="for people, or JSON lines")
