"""Sections of the configuration that hold for all regions.

The docstring below a setting is its description, unit included.
"""

import re
from collections.abc import Container, Sized
from posixpath import expanduser
from typing import Annotated, Any, Literal, Self, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
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

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,  # a limit left out is the float that it is where it is written
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,  # it may be a secret
    )

    @field_validator("*", mode="before")
    @classmethod
    def _number_where_one_belongs(cls, value: object, info: ValidationInfo) -> object:
        is_number = cls.model_fields[str(info.field_name)].annotation in _NUMBERS
        return number(value) if is_number else value


_NUMBERS = (int, float, int | None, float | None)

SectionT = TypeVar("SectionT", bound=Section)


def refuse(breach: object, sentence: str) -> None:
    """Raise the sentence where there is a breach, as validators do."""
    if breach:
        raise ValueError(sentence)


class PlainNumber(str):
    """A number of YAML 1.2 that is text in YAML 1.1, such as 1e-2; a field of text keeps it."""


def number(value: object) -> object:
    """Return what a field of a number takes; refuse true and false, as YAML reads on and yes."""
    refuse(isinstance(value, bool), "a number belongs here")
    return with_numbers(value)


def with_numbers(value: object) -> object:
    """Return a value, and those within lists and mappings, with numbers for a `PlainNumber`."""
    if isinstance(value, dict):
        return {key: with_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_numbers(item) for item in value]
    if not isinstance(value, PlainNumber):
        return value
    real = float(value.replace("_", ""))
    return int(real) if real.is_integer() else real


Params = Annotated[dict[str, Any], BeforeValidator(with_numbers)]
"""Settings that are for others to check, by name."""


def _safe_name(name: str) -> str:
    refuse(not is_name(name), f"a name is {NAME_RULE}")
    return name


def _url_without_secret(url: str) -> str:
    refuse(url_carries_secret(url), NO_SECRET_IN_URLS)
    return url


def expand_home(path: str) -> str:
    """Return a local path whose ``~`` or ``$HOME`` in front, and no other variable, is expanded."""
    return path if "://" in path else expanduser(re.sub(r"^\$(HOME|\{HOME\})(?=/|$)", "~", path))


def _not_empty(values: Sized) -> Sized:
    refuse(not values, "at least 1 item is needed")
    return values


Name = Annotated[str, AfterValidator(_safe_name)]
"""A region or model name: it becomes a folder and part of an asset key."""

NonEmpty = Annotated[str, Field(min_length=1)]

NotEmpty = AfterValidator(_not_empty)
"""Of a list or mapping; looked at once its items are right."""

Location = Annotated[NonEmpty, AfterValidator(_url_without_secret), AfterValidator(expand_home)]
"""A file, folder, glob or URL."""

ImportPath = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
"""``package.module:name``."""

EnvironmentVariable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""Name of an environment variable that holds a secret; secrets are never configured."""

Mailbox = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]


class SlackConfig(Section):
    """Alerts as Slack messages; needs the extra ``slack``."""

    channel: NonEmpty
    """Channel, such as #models, or its id."""
    token_variable: EnvironmentVariable = "SLACK_TOKEN"
    """Environment variable that holds the bot's token."""
    base_url: Location = Field("https://slack.com/api/", pattern=r"^https?://.+/$")
    """Address of the Slack API, ending in a slash."""


class EmailConfig(Section):
    """Alerts as e-mail, by Dagster's own functions where the connection is encrypted."""

    sender: Mailbox
    """Address it comes from."""
    recipients: Annotated[tuple[Mailbox, ...], NotEmpty]
    """Addresses it goes to."""
    host: NonEmpty
    """Mail server."""
    port: int | None = Field(None, ge=1, le=65535)
    """null: 465 of ssl, 587 of starttls, 25 of none."""
    security: Literal["ssl", "starttls", "none"] = "starttls"
    """none: neither encryption nor login, for a local relay."""
    user: str | None = None
    """Login name; null: the sender."""
    password_variable: EnvironmentVariable | None = None
    """Environment variable that holds the password."""

    @model_validator(mode="after")
    def _password_belongs_to_encryption(self) -> Self:
        is_encrypted = self.security != "none"
        refuse(
            is_encrypted and self.password_variable is None,
            f"security {self.security} logs in, so it needs a password_variable",
        )
        refuse(
            not is_encrypted and (self.password_variable or self.user),
            "security none sends no login; remove user and password_variable, or encrypt",
        )
        return self


class AlertsConfig(Section):
    """Where failed checks and steps are told, besides the log."""

    slack: SlackConfig | None = None
    """null: no Slack message."""
    email: EmailConfig | None = None
    """null: no e-mail."""


class MlflowConfig(Section):
    """Runs of partitions in MLflow; needs the extra ``mlflow``."""

    uri_variable: EnvironmentVariable = "MLFLOW_TRACKING_URI"
    """Environment variable that holds the address of the tracking server."""
    experiment_prefix: str = "model2/"
    """What precedes the region's name in the name of its experiment."""


class TrackingConfig(Section):
    """Where parameters, scores and models are logged besides."""

    mlflow: MlflowConfig | None = None
    """null: not to MLflow."""


class SearchedValues(Section):
    """Values of a hyper-parameter to choose from: a range, or a list in its place."""

    low: float | None = None
    """Smallest value; of a parameter whose default is a whole number, only such are tried."""
    high: float | None = None
    """Largest value."""
    log: bool = False
    """Whether orders of magnitude are tried evenly, rather than values."""
    choices: tuple[Any, ...] | None = Field(None, min_length=2)
    """What a list stands for: numbers, texts, true, false or null."""

    @model_validator(mode="before")
    @classmethod
    def _of_a_list(cls, values: object) -> object:
        return {"choices": values} if isinstance(values, list | tuple) else values

    @model_validator(mode="after")
    def _is_a_range_or_a_list(self) -> Self:
        low, high, is_list = self.low, self.high, self.choices is not None
        refuse(is_list and (low, high, self.log) != (None, None, False), "give a range or a list")
        refuse(not is_list and None in (low, high), "a range needs low and high")
        refuse(low is not None and high is not None and low >= high, "low must be below high")
        refuse(self.log and (low or 0) <= 0, f"log needs a low above 0, got {low}")
        plain = bool | int | float | str | None
        is_plain = all(isinstance(value, plain) for value in self.choices or ())
        refuse(not is_plain, "choices are numbers, texts, true, false or null")
        return self

    def values(self, like: object) -> tuple[Any, ...]:
        """Return both ends, whole numbers where the parameter is like one; or all choices."""
        if self.choices is not None:
            return self.choices
        is_whole = isinstance(like, int)
        ends = (end for end in (self.low, self.high) if end is not None)
        return tuple(int(end) if is_whole and end.is_integer() else end for end in ends)


class SearchConfig(Section):
    """How each split chooses hyper-parameters on its own train rows; needs the extra ``search``."""

    space: Annotated[dict[str, SearchedValues], BeforeValidator(with_numbers), NotEmpty]
    """Values of each hyper-parameter to choose from; they go before params and overrides."""
    trials: int = Field(20, ge=1, le=10_000)
    """Values tried in each split, pruned ones included; each is a fit of every inner fold."""
    objective: Literal["mse", "rank_ic"] = "mse"
    """What is best on inner folds: mse, mean squared error against labels (bps²); rank_ic, mean
    daily rank correlation with labels."""

    def without(self, names: Container[str]) -> "SearchConfig | None":
        """Return the search for all other hyper-parameters; None if there are none."""
        left = {name: values for name, values in self.space.items() if name not in names}
        return self.model_copy(update={"space": left}) if left else None


class ChecksConfig(Section):
    """Limits that the asset checks enforce, and how thorough the controls are."""

    prediction_bps: float = Field(1000, gt=0)
    """Largest absolute prediction, bps."""
    rank_ic_warn: float = Field(0.10, gt=0, le=1)
    """Mean rank IC of a partition above which a leak is suspected."""
    feature_ic_warn: float = Field(0.10, gt=0, le=1)
    """Absolute mean rank IC of a feature alone above which a leak is suspected."""
    psi_warn: float = Field(0.25, gt=0)
    """Population stability index of live against out-of-fold predictions above which they
    differ."""
    oof_drift_rank_correlation: float = Field(0.95, ge=-1, le=1)
    """Mean per-date rank correlation with the predictions before, on the rows of both, below
    which they have drifted."""
    oof_drift_bps: float = Field(500, gt=0)
    """Largest absolute difference of a row's prediction from the one before, bps."""
    models_mb: float = Field(500, gt=0)
    """Fold models of a region together, 10^6 bytes."""
    hours: float = Field(2, gt=0)
    """Wall time of all steps of a region together, hours."""
    rss_gb: float = Field(24, gt=0)
    """Peak resident memory of any step of a region, 10^9 bytes."""
    lookahead_control_dates: int = Field(3, ge=1, le=1000)
    """Dates at which history is cut to recompute features."""
    controls_seed: int = Field(7, ge=0, lt=2**31)
    """Seed of the choice of these dates."""


class StorageConfig(Section):
    """How results are kept, and how long old ones; where they are says the environment."""

    keep_versions: int = Field(5, ge=0, le=1000)
    """Versions of each result that are kept, the current one among them, to be read and rolled
    back to; 0: none. Market data, labels, features and splits have none."""
    keep_rejected: int = Field(5, ge=1, le=1000)
    """Candidates that failed a check that are kept of each asset and partition, the newest ones;
    older ones are removed when another one comes."""
    dataset_above_mb: float = Field(512, ge=0)
    """Market data, labels and features that are larger in memory than this, 10^6 bytes, are a
    folder of Parquet files in place of one; both have the same data version."""


class ReportsConfig(Section):
    """What is drawn for people; no number depends on it."""

    pictures: bool = True
    """Pictures on the pages of the assets."""
    tear_sheets: bool = True
    """HTML pages: tear_sheet of every model and horizon, and region_report."""


class LoggingConfig(Section):
    """How log lines look on the console."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Threshold."""
    format: Literal["text", "json"] = "text"
    """text: for people; json: JSON lines."""


Scheduler = Annotated[str, Field(pattern=r"^(tcp|tls)://[^\s/@]+:\d+$")]
"""Address of a Dask scheduler."""


class ExecutionConfig(Section):
    """Where the work of a run is done, and how much of the machine it may use."""

    engine: Literal["local", "dask"] = "local"
    """local: threads of the process of the run; dask: worker processes of a Dask cluster, which
    see the same store; needs the extra ``dask``. Results are the same to the bit, save where a
    processor has other kernels of linear algebra (docs/cluster.md)."""
    scheduler: Scheduler | None = None
    """Address of the scheduler, such as tls://scheduler.example.com:8786. Whoever reaches it runs
    code on its workers."""
    scheduler_variable: EnvironmentVariable | None = None
    """Environment variable that holds the address, in place of scheduler."""
    tls_ca_variable: EnvironmentVariable = "DASK_DISTRIBUTED__COMM__TLS__CA_FILE"
    """Environment variable that names the file of the authority that certifies both ends (PEM)."""
    tls_cert_variable: EnvironmentVariable = "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT"
    """Environment variable that names the file of our certificate (PEM)."""
    tls_key_variable: EnvironmentVariable = "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"
    """Environment variable that names the file of its key (PEM)."""

    profile: Literal["exact", "default", "fast"] = "default"
    """exact: every train row; default and fast: XGBoost trains on fewer dates, whose labels
    overlap anyway; predictions cover every date."""
    n_jobs: int | None = Field(None, ge=1, le=10_000)
    """Folds at once, and threads of a fit that is alone; null: the usable cores."""
    max_rss_gb: float | None = Field(None, gt=0)
    """Memory that training may use, 10^9 bytes; null: 75% of the machine's or the control
    group's, whichever is smaller. Where not even one fit keeps within it, or within a limit on
    data (``ulimit -d``), features are made by blocks, and fits in external memory."""
    working_dir: NonEmpty | None = None
    """Folder of working files on a local disk, which may be removed at any time; null: .working
    beside the results, or in DAGSTER_HOME where those are not on a local disk."""

    @model_validator(mode="after")
    def _dask_has_one_scheduler(self) -> Self:
        named = [self.scheduler, self.scheduler_variable]
        refuse(
            self.engine == "dask" and named.count(None) != 1,
            "engine dask needs either scheduler, such as tls://host:8786, or scheduler_variable",
        )
        return self


def known_timezone(name: str) -> str:
    """Return the name of an IANA time zone; refuse another."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError("no such IANA time zone; write one such as America/New_York") from None
    return name


class ScheduleConfig(Section):
    """When the nightly retrain runs, once it is switched on."""

    cron: str = "0 2 * * 2-6"
    """Cron expression of five fields; whether it is one is for Dagster to say."""
    timezone: Annotated[str, AfterValidator(known_timezone)] = "America/New_York"
    """IANA time zone of the cron expression."""
    look_every_seconds: int = Field(30, ge=1, le=3600)
    """How often the daemon looks at what is due, seconds."""
