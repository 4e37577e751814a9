"""Sections ``execution`` and ``schedule``: with what and when a run computes."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from model2_assets.config._cron import five_fields, known_timezone
from model2_assets.config._section import Section


class ExecutionConfig(Section):
    """How much of the machine a run may use."""

    profile: Literal["exact", "default", "fast"] = Field(
        default="default",
        description="exact: every train row; default and fast: XGBoost trains on fewer dates, "
        "whose labels overlap anyway; predictions cover every date",
    )
    n_jobs: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="folds at once, and threads of a fit that is alone; null: the usable cores",
    )
    max_rss_gb: float | None = Field(
        default=None,
        gt=0,
        description="memory that training may use, 10^9 bytes; null: 75% of the "
        "machine's or the control group's, whichever is smaller",
    )
    working_dir: str | None = Field(
        default=None,
        min_length=1,
        description="folder of working files on a local disk, which may be removed at any time; "
        "null: .working beside the results, or in DAGSTER_HOME where those are not on a local disk",
    )


class ScheduleConfig(Section):
    """When the nightly retrain runs, once it is switched on."""

    cron: Annotated[str, AfterValidator(five_fields)] = Field(
        default="0 2 * * 2-6", description="five-field cron expression"
    )
    timezone: Annotated[str, AfterValidator(known_timezone)] = Field(
        default="America/New_York", description="IANA time zone of the cron expression"
    )
    look_every_seconds: int = Field(
        default=30, ge=1, le=3600, description="how often the daemon looks at what is due, seconds"
    )
