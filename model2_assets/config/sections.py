"""Sections of the configuration that hold for all regions."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from model2_assets.config.partition import NAME_RULE, is_name
from model2_assets.errors import NO_SECRET_IN_URLS, url_carries_secret


class Section(BaseModel):
    """Settings that cannot be changed, without unknown keys, infinities and NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        """Refuse true and false where a number belongs: YAML reads ``on`` and ``yes`` as true."""
        kind = cls.model_fields[str(info.field_name)].annotation
        values = value if isinstance(value, list | tuple) else [value]
        if kind in _NUMBERS and any(isinstance(one, bool) for one in values):
            raise ValueError("a number belongs here")
        return value


_NUMBERS = (int, float, int | None, float | None)

SectionT = TypeVar("SectionT", bound=Section)


def _safe_name(name: str) -> str:
    if not is_name(name):
        raise ValueError(f"a name is {NAME_RULE}")
    return name


def _url_without_secret(url: str) -> str:
    if url_carries_secret(url):
        raise ValueError(NO_SECRET_IN_URLS)
    return url


Name = Annotated[str, AfterValidator(_safe_name)]
"""A region or model name: it becomes a folder and part of an asset key."""

NonEmpty = Annotated[str, Field(min_length=1)]

Location = Annotated[NonEmpty, AfterValidator(_url_without_secret)]
"""A file, folder, glob or URL."""

ImportPath = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
"""``package.module:name``."""


EnvironmentVariable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""Name of an environment variable that holds a secret; secrets are never configured."""


class SlackConfig(Section):
    """Alerts as Slack messages; needs the extra ``slack``."""

    channel: str = Field(min_length=1, description="channel, such as #models, or its id")
    token_variable: EnvironmentVariable = Field(
        default="SLACK_TOKEN", description="environment variable that holds the bot's token"
    )
    base_url: Location = Field(
        default="https://slack.com/api/",
        pattern=r"^https?://.+/$",
        description="address of the Slack API, ending in a slash",
    )


class EmailConfig(Section):
    """Alerts as e-mail, by Dagster's own functions where the connection is encrypted."""

    sender: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", description="address it comes from")
    recipients: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")], ...], Field(min_length=1)
    ] = Field(description="addresses it goes to")
    host: str = Field(min_length=1, description="mail server")
    port: int | None = Field(
        default=None, ge=1, le=65535, description="null: 465 of ssl, 587 of starttls, 25 of none"
    )
    security: Literal["ssl", "starttls", "none"] = Field(
        default="starttls", description="none: neither encryption nor login, for a local relay"
    )
    user: str | None = Field(default=None, description="login name; null: the sender")
    password_variable: EnvironmentVariable | None = Field(
        default=None, description="environment variable that holds the password"
    )

    @model_validator(mode="after")
    def _password_belongs_to_encryption(self) -> Self:
        if self.security != "none" and self.password_variable is None:
            raise ValueError(f"security {self.security} logs in, so it needs a password_variable")
        if self.security == "none" and (self.password_variable or self.user):
            raise ValueError(
                "security none sends no login; remove user and password_variable, or encrypt"
            )
        return self


class AlertsConfig(Section):
    """Where failed checks and steps are told, besides the log."""

    slack: SlackConfig | None = Field(default=None, description="null: no Slack message")
    email: EmailConfig | None = Field(default=None, description="null: no e-mail")


class ChecksConfig(Section):
    """Limits that the asset checks enforce, and how thorough the controls are."""

    prediction_bps: float = Field(
        default=1000, gt=0, description="largest absolute prediction, bps"
    )
    rank_ic_warn: float = Field(
        default=0.10,
        gt=0,
        le=1,
        description="mean rank IC of a partition above which a leak is suspected",
    )
    psi_warn: float = Field(
        default=0.25,
        gt=0,
        description="population stability index of live against out-of-fold predictions above "
        "which they differ",
    )
    oof_drift_rank_correlation: float = Field(
        default=0.95,
        ge=-1,
        le=1,
        description="mean per-date rank correlation with the predictions before, on the rows of "
        "both, below which they have drifted",
    )
    oof_drift_bps: float = Field(
        default=500,
        gt=0,
        description="largest absolute difference of a row's prediction from the one before, bps",
    )
    models_mb: float = Field(
        default=500, gt=0, description="fold models of a region together, 10^6 bytes"
    )
    hours: float = Field(
        default=2, gt=0, description="wall time of all steps of a region together, hours"
    )
    rss_gb: float = Field(
        default=24, gt=0, description="peak resident memory of any step of a region, 10^9 bytes"
    )
    lookahead_control_dates: int = Field(
        default=3, ge=1, le=1000, description="dates at which history is cut to recompute features"
    )
    controls_seed: int = Field(
        default=7, ge=0, lt=2**31, description="seed of the choice of these dates"
    )

    @model_validator(mode="before")
    @classmethod
    def _no_null_control(cls, values: object) -> object:
        if isinstance(values, Mapping) and "null_control_permutations" in values:
            raise ValueError(
                "the check null_control is gone, since chance alone could fail it; remove the key "
                "null_control_permutations"
            )
        return values


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


_CRON_FIELDS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of month", 1, 31),
    ("month", 1, 12),
    ("day of week", 0, 7),
)
_CRON_ITEM = re.compile(r"(?:\*|([0-9]+)(?:-([0-9]+))?)(?:/([1-9][0-9]*))?")
_MONTH = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DAY = "sun|mon|tue|wed|thu|fri|sat"
_CRON_NAMES = {
    "day of month": re.compile("l", re.IGNORECASE),
    "month": re.compile(f"(?:{_MONTH})(?:-(?:{_MONTH}))?", re.IGNORECASE),
    "day of week": re.compile(
        f"(?:{_DAY})(?:-(?:{_DAY}))?|[0-7]#[1-5]|(?:{_DAY})#[1-5]|l[0-7]", re.IGNORECASE
    ),
}

_NO_DATES = {
    (day, month, "*")
    for day, months in {"30": ("2",), "31": ("2", "4", "6", "9", "11")}.items()
    for month in months
}


def five_fields(cron: str) -> str:
    """Check the five fields of a cron expression: numbers, names such as mon, L and #."""
    fields = cron.split()
    if len(fields) != len(_CRON_FIELDS):
        names = ", ".join(name for name, _, _ in _CRON_FIELDS)
        raise ValueError(f"not five fields ({names}) such as 0 2 * * 2-6")
    for field, (name, low, high) in zip(fields, _CRON_FIELDS, strict=True):
        for item in field.split(","):
            if name in _CRON_NAMES and _CRON_NAMES[name].fullmatch(item):
                continue
            match = _CRON_ITEM.fullmatch(item)
            numbers = [int(number) for number in match.groups()[:2] if number] if match else [-1]
            if any(not low <= number <= high for number in numbers) or numbers != sorted(numbers):
                raise ValueError(f"{name} {item!r} is not *, a number or range of {low} to {high}")
    _, _, day, month, weekday = fields
    if (day, month, weekday) in _NO_DATES:
        raise ValueError(f"there is no day {day} of month {month}")
    return cron


def known_timezone(name: str) -> str:
    """Check that a name is one of an IANA time zone."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError("no such IANA time zone; write one such as America/New_York") from None
    return name


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
