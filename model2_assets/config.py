"""Everything that a user can set: typed, validated, with units.

One YAML file, named by ``MODEL2_CONFIG`` or on the command line, gives what differs
from the defaults. Its ``regions`` replace the default region; its ``models`` are merged
over the default models, and a ``null`` removes one.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import resources
from math import comb
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from model2_assets.errors import ConfigError
from model2_assets.names import NAME_RULE, is_name
from model2_assets.redaction import url_carries_secret

CONFIG_VARIABLE = "MODEL2_CONFIG"

MAX_SPLITS = 10_000
"""More splits than this are a mistake: each is a model fit and a stored column."""

MARKET_DATA_COLUMNS = (
    "instrument",
    "datetime",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "adjusted_close",
    "vwap",
    "currency",
)


def _safe_name(name: str) -> str:
    if not is_name(name):
        raise ValueError(f"a name is {NAME_RULE}")
    return name


def _url_without_secret(url: str) -> str:
    if url_carries_secret(url):
        raise ValueError(
            "the URL carries a password, key or signature, and paths are written into logs and "
            "metadata; remove it, and give it by the environment variables that the file system "
            "reads, such as AWS_SECRET_ACCESS_KEY, or FSSPEC_SFTP_PASSWORD for sftp://"
        )
    return url


Name = Annotated[str, AfterValidator(_safe_name)]
"""A region or model name: it becomes a folder and part of an asset key."""

NonEmpty = Annotated[str, Field(min_length=1)]

Location = Annotated[NonEmpty, AfterValidator(_url_without_secret)]
"""A file, folder, glob or URL."""

ImportPath = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
"""``package.module:name``."""


class _Section(BaseModel):
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


SectionT = TypeVar("SectionT", bound=_Section)


def _known_columns(columns: dict[str, str]) -> dict[str, str]:
    unknown = sorted(set(columns) - set(MARKET_DATA_COLUMNS))
    if unknown:
        raise ValueError(f"unknown column {unknown[0]!r}; known: {', '.join(MARKET_DATA_COLUMNS)}")
    for theirs in columns.values():
        ours = [name for name, source in columns.items() if source == theirs]
        if len(ours) > 1:
            raise ValueError(f"{theirs!r} is named for {' and '.join(ours)}; name it for one alone")
    return columns


def _ascending_horizons(horizons: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(horizons)) != len(horizons):
        raise ValueError(f"horizons {list(horizons)} repeat one; give each once")
    return tuple(sorted(horizons))


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


def _five_fields(cron: str) -> str:
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


_NO_DATES = {
    (day, month, "*")
    for day, months in {"30": ("2",), "31": ("2", "4", "6", "9", "11")}.items()
    for month in months
}


def _known_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError("no such IANA time zone; write one such as America/New_York") from None
    return name


class MarketDataConfig(_Section):
    """Where daily bars come from."""

    source: Literal["demo", "parquet", "csv", "synthetic"] = Field(
        default="demo",
        description="demo: closes of 20 S&P 500 stocks; synthetic: a generated market",
    )
    path: Location | None = Field(
        default=None, description="file, glob or fsspec URL (parquet and csv)"
    )
    columns: Annotated[dict[str, NonEmpty], AfterValidator(_known_columns)] = Field(
        default_factory=dict, description="our column name: name in the file"
    )
    instrument_from_filename: bool = Field(
        default=False, description="one file per instrument, named after it"
    )
    universe: Location | None = Field(
        default=None,
        description="file of instrument, from, to: point-in-time membership, both ends included",
    )
    params: dict[str, Any] = Field(
        default_factory=dict, description="settings of the synthetic source"
    )
    max_age_weekdays: int | None = Field(
        default=None,
        ge=0,
        le=10_000,
        description="largest number of Mondays to Fridays after the last session, up to today in "
        "schedule.timezone; older data are refused. Holidays count, so leave room for them; "
        "null: any age",
    )

    @model_validator(mode="after")
    def _path_belongs_to_files(self) -> Self:
        needs_path = self.source in ("parquet", "csv")
        if needs_path and not self.path:
            raise ValueError(f"source {self.source!r} needs a path")
        if self.path and not needs_path:
            raise ValueError(f"source {self.source!r} takes no path; remove it or name the format")
        if self.params and self.source != "synthetic":
            raise ValueError("params belong to source 'synthetic' only")
        if not needs_path and (self.columns or self.instrument_from_filename):
            raise ValueError(
                f"source {self.source!r} reads no file; remove columns and instrument_from_filename"
            )
        if self.instrument_from_filename and "instrument" in self.columns:
            raise ValueError(
                "columns.instrument and instrument_from_filename exclude each other; remove one"
            )
        return self


class LabelsConfig(_Section):
    """How forward returns become labels."""

    horizons: Annotated[
        tuple[Annotated[int, Field(ge=1, le=2520)], ...],
        Field(min_length=1),
        AfterValidator(_ascending_horizons),
    ] = Field(default=(21, 63), description="trading bars of the instrument from entry to exit")
    execution_lag_days: int = Field(
        default=1, ge=0, le=60, description="trading bars from signal to entry"
    )
    excess: bool = Field(default=True, description="subtract the equal-weight mean of the date")
    winsorize: float = Field(
        default=0.10,
        ge=0,
        lt=0.5,
        description="quantile clipped on either side of each date; 0: none",
    )
    builder: ImportPath | None = Field(default=None, description="function that replaces ours")
    params: dict[str, Any] = Field(default_factory=dict, description="settings of your builder")

    @property
    def horizon_keys(self) -> tuple[str, ...]:
        """Partition keys of the horizons, such as ``21d``."""
        return tuple(f"{horizon}d" for horizon in self.horizons)


class FeaturesConfig(_Section):
    """Which features are computed and how they are normalized."""

    set: Literal["alpha158"] = Field(default="alpha158", description="feature set")
    normalization: Literal["rank", "zscore", "none"] = Field(
        default="rank", description="per-date cross-sectional normalization"
    )
    min_history_bars: int = Field(
        default=60,
        ge=0,
        le=10_000,
        description="earlier own bars that a row needs to have features",
    )
    builder: ImportPath | None = Field(default=None, description="function that replaces ours")
    params: dict[str, Any] = Field(default_factory=dict, description="settings of your builder")


class CrossValidationConfig(_Section):
    """How history is split into train and test."""

    scheme: Literal["cpcv", "walk_forward"] = Field(
        default="cpcv",
        description="cpcv: combinatorial purged cross-validation, which trains on the future of "
        "its test blocks; walk_forward: trains on the past alone, first groups never tested",
    )
    n_groups: int = Field(default=5, ge=2, le=100, description="contiguous blocks of whole dates")
    n_test_groups: int = Field(
        default=1, ge=1, le=100, description="groups tested together in one split"
    )
    window: Literal["expanding", "rolling"] = Field(
        default="expanding",
        description="walk_forward: train on all earlier groups, or on the last train_groups",
    )
    train_groups: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="walk_forward: groups that the first model trains on; null: 1",
    )
    embargo_days: int = Field(
        default=5,
        ge=0,
        le=10_000,
        description="panel dates dropped after a test block, on top of the purge; without effect "
        "in walk_forward, which trains on nothing after it",
    )
    min_samples: int = Field(
        default=100,
        ge=1,
        le=10**9,
        description="labelled rows that train and test of every split need",
    )
    purge: Literal["longest_horizon", "per_horizon"] = Field(
        default="longest_horizon",
        description="longest_horizon: one set of splits, purged with the longest label end of a "
        "row, whose predictions may be stacked; per_horizon: splits for each horizon, purged "
        "with its own label end",
    )
    splitter: ImportPath | None = Field(
        default=None, description="class that replaces our splitter"
    )
    params: dict[str, Any] = Field(default_factory=dict, description="settings of your splitter")
    nested: bool = Field(
        default=False,
        description="also make nested_oof, for an unbiased score of a stacker: "
        "n_groups x (n_groups - 1) / 2 more fits per model and horizon",
    )

    @model_validator(mode="after")
    def _nested_needs_pairs_of_groups(self) -> Self:
        if not self.nested:
            return self
        breaches = {
            f"scheme {self.scheme}": self.scheme == "cpcv",
            f"n_test_groups {self.n_test_groups}": self.n_test_groups == 1,
            f"n_groups {self.n_groups}": self.n_groups >= 3,
            f"splitter {self.splitter}": self.splitter is None,
        }
        wrong = [setting for setting, fits in breaches.items() if not fits]
        if wrong:
            raise ValueError(
                f"nested needs scheme cpcv, n_test_groups 1, n_groups of at least 3 and no "
                f"splitter of your own, but there is {', '.join(wrong)}; change that, or set "
                f"nested to false"
            )
        return self

    @property
    def n_splits(self) -> int | None:
        """Number of splits of each horizon; None where a splitter of your own decides."""
        if self.splitter is not None:
            return None
        if self.scheme == "walk_forward":
            return self.n_groups - (self.train_groups or 1)
        return comb(self.n_groups, self.n_test_groups)

    def role_column_names(self, horizons: Sequence[str]) -> tuple[str, ...]:
        """Return the columns of roles that cv_splits has; none known of your own splitter."""
        suffixes = [f"_{horizon}" for horizon in horizons] if self.purge == "per_horizon" else [""]
        return tuple(
            f"split_{split_id}{suffix}"
            for suffix in suffixes
            for split_id in range(self.n_splits or 0)
        )

    @model_validator(mode="after")
    def _leaves_train_groups(self) -> Self:
        if self.n_test_groups >= self.n_groups:
            raise ValueError(
                f"n_test_groups ({self.n_test_groups}) must be below n_groups ({self.n_groups}), "
                f"else nothing is left to train on"
            )
        if self.n_splits is not None and self.n_splits > MAX_SPLITS:
            raise ValueError(
                f"n_groups {self.n_groups} and n_test_groups {self.n_test_groups} make "
                f"{self.n_splits:,} splits, each a model fit; keep to {MAX_SPLITS:,} by lowering "
                f"either"
            )
        return self

    @model_validator(mode="after")
    def _walks_forward_by_single_groups(self) -> Self:
        if self.scheme != "walk_forward":
            for name, default in (("window", "expanding"), ("train_groups", None)):
                if getattr(self, name) != default:
                    raise ValueError(
                        f"{name} belongs to scheme walk_forward; remove it or change the scheme"
                    )
            return self
        if self.n_test_groups != 1:
            raise ValueError(
                f"n_test_groups must be 1 in scheme walk_forward, which tests one group after the "
                f"other, got {self.n_test_groups}"
            )
        if self.window == "rolling" and self.train_groups is None:
            raise ValueError("window rolling needs train_groups: how many groups long it is")
        if self.train_groups is not None and self.train_groups >= self.n_groups:
            raise ValueError(
                f"train_groups ({self.train_groups}) must be below n_groups ({self.n_groups}), "
                f"else nothing is left to test"
            )
        return self

    @model_validator(mode="after")
    def _own_splitter_purges_once(self) -> Self:
        if self.splitter is not None and self.purge == "per_horizon":
            raise ValueError(
                "purge per_horizon and splitter exclude each other; a splitter of your own is "
                "given the longest label end of each row"
            )
        return self

    @property
    def covers_history(self) -> bool:
        """Whether every labelled row must be predicted, and not only those that are tested."""
        return self.scheme == "cpcv" and self.splitter is None


class ModelConfig(_Section):
    """One named base model."""

    trainer: ImportPath = Field(description="class derived from BaseModelTrainer")
    params: dict[str, Any] = Field(default_factory=dict, description="hyper-parameters")
    seed: int = Field(
        default=7, ge=0, lt=2**31, description="seed of every random draw of the model"
    )
    overrides: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="per horizon, such as 63d: parameters that differ there"
    )
    sample_weights: Literal["none", "uniqueness"] = Field(
        default="none",
        description="uniqueness: train rows weigh by how little their labels overlap others",
    )


class RegionConfig(_Section):
    """A market with its own data, calendar and asset key prefix."""

    market_data: MarketDataConfig = Field(default_factory=MarketDataConfig)
    labels: LabelsConfig = Field(default_factory=LabelsConfig)
    features: FeaturesConfig = Field(default_factory=FeaturesConfig)
    cross_validation: CrossValidationConfig = Field(default_factory=CrossValidationConfig)
    models: tuple[Name, ...] | dict[Name, ModelConfig] | None = Field(
        default=None,
        description="names out of the top-level models, or models of this region's own",
    )


class ChecksConfig(_Section):
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
    null_control_permutations: int = Field(
        default=200,
        ge=20,
        le=10_000,
        description="refits on labels permuted within each date, which must predict nothing",
    )
    lookahead_control_dates: int = Field(
        default=3, ge=1, le=1000, description="dates at which history is cut to recompute features"
    )
    controls_seed: int = Field(
        default=7, ge=0, lt=2**31, description="seed of these permutations and dates"
    )


class ExecutionConfig(_Section):
    """How much of the machine a run may use."""

    profile: Literal["exact", "default", "fast"] = Field(
        default="default",
        description="exact: every train row; default and fast: XGBoost trains on fewer dates, "
        "whose labels overlap anyway; predictions cover every date",
    )
    n_jobs: int | None = Field(
        default=None, ge=1, le=10_000, description="folds at once; null: the usable cores"
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


class ScheduleConfig(_Section):
    """When the nightly retrain runs, once it is switched on."""

    cron: Annotated[str, AfterValidator(_five_fields)] = Field(
        default="0 2 * * 2-6", description="five-field cron expression"
    )
    timezone: Annotated[str, AfterValidator(_known_timezone)] = Field(
        default="America/New_York", description="IANA time zone of the cron expression"
    )
    look_every_seconds: int = Field(
        default=30, ge=1, le=3600, description="how often the daemon looks at what is due, seconds"
    )


class StorageConfig(_Section):
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


class ReportsConfig(_Section):
    """What is drawn for people; no number depends on it."""

    pictures: bool = Field(default=True, description="pictures on the pages of the assets")
    tear_sheets: bool = Field(
        default=True,
        description="HTML pages: tear_sheet of every model and horizon, and region_report",
    )


class LoggingConfig(_Section):
    """How log lines look on the console."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="threshold"
    )
    format: Literal["text", "json"] = Field(default="text", description="for people, or JSON lines")


EnvironmentVariable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""Name of an environment variable that holds a secret; secrets are never configured."""


class SlackConfig(_Section):
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


class EmailConfig(_Section):
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


class AlertsConfig(_Section):
    """Where failed checks and steps are told, besides the log."""

    slack: SlackConfig | None = Field(default=None, description="null: no Slack message")
    email: EmailConfig | None = Field(default=None, description="null: no e-mail")


class Model2Config(_Section):
    """The whole configuration."""

    regions: Annotated[dict[Name, RegionConfig], Field(min_length=1)] = Field(
        default_factory=lambda: {"us": RegionConfig()}
    )
    models: Annotated[dict[Name, ModelConfig], Field(min_length=1)]
    checks: ChecksConfig = Field(default_factory=ChecksConfig)
    execution: ExecutionConfig = Field(default_factory=ExecutionConfig)
    schedule: ScheduleConfig = Field(default_factory=ScheduleConfig)
    storage: StorageConfig = Field(default_factory=StorageConfig)
    reports: ReportsConfig = Field(default_factory=ReportsConfig)
    logging: LoggingConfig = Field(default_factory=LoggingConfig)
    alerts: AlertsConfig = Field(default_factory=AlertsConfig)

    @model_validator(mode="after")
    def _regions_know_their_models(self) -> Self:
        for name, region in self.regions.items():
            if isinstance(region.models, tuple):
                for model in region.models:
                    if model not in self.models:
                        raise ValueError(
                            f"regions.{name}.models: unknown model {model!r}; "
                            f"known: {', '.join(self.models)}"
                        )
            if region.models is not None and not region.models:
                raise ValueError(f"regions.{name}.models: name at least one model, or leave it out")
        return self

    @model_validator(mode="after")
    def _overrides_know_their_horizons(self) -> Self:
        for region_name, region in self.regions.items():
            for model_name, model in self.models_of(region_name).items():
                unknown = sorted(set(model.overrides) - set(self._horizon_keys_of_all_regions))
                if unknown:
                    raise ValueError(
                        f"models.{model_name}.overrides: no region has horizon {unknown[0]!r}; "
                        f"region {region_name} has {', '.join(region.labels.horizon_keys)}"
                    )
        return self

    @cached_property
    def _horizon_keys_of_all_regions(self) -> frozenset[str]:
        return frozenset(
            key for region in self.regions.values() for key in region.labels.horizon_keys
        )

    @property
    def trainers(self) -> frozenset[str]:
        """Import paths of the trainers of all models of all regions."""
        return frozenset(
            model.trainer for region in self.regions for model in self.models_of(region).values()
        )

    def region(self, name: str) -> RegionConfig:
        """Return a region by name.

        Raises
        ------
        ConfigError
            If there is none of that name.
        """
        if name not in self.regions:
            raise ConfigError(f"unknown region {name!r}; known: {', '.join(self.regions)}")
        return self.regions[name]

    def models_of(self, region: str) -> dict[str, ModelConfig]:
        """Return the models of a region, by name, in the order of the configuration."""
        chosen = self.region(region).models
        if isinstance(chosen, dict):
            return dict(chosen)
        return {name: self.models[name] for name in (chosen or self.models)}


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
    return parse_config(_read_yaml(Path(path)), origin=str(path))


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
    merged = _merge_defaults(_default_values(), values, origin=origin)
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
    >>> parse_section(LabelsConfig, {"horizons": [5]}, origin="labels").horizon_keys
    ('5d',)
    """
    if isinstance(values, section):
        return values
    try:
        return section.model_validate(_as_mapping(values, origin))
    except ValidationError as error:
        raise ConfigError(_explain(error, origin)) from error


_MERGE_KEY = "tag:yaml.org,2002:merge"

MAX_YAML_VALUES = 100_000
"""Values of a configuration, an alias counted as all that it stands for."""


class _UniqueKeys(yaml.SafeLoader):
    """Safe loading that refuses a key given twice, of which YAML would drop the first.

    Aliases are bounded: ten lines of them can stand for a billion values.
    """

    def construct_document(self, node: yaml.Node) -> Any:
        if _expanded_size(node, {}) > MAX_YAML_VALUES:
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"aliases (*) stand for more than {MAX_YAML_VALUES:,} values; write out what they "
                f"stand for",
                node.start_mark,
            )
        return super().construct_document(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [
            self.construct_object(key, deep=True) for key, _ in node.value if key.tag != _MERGE_KEY
        ]
        repeated = next((key for key in keys if keys.count(key) > 1), None)
        if repeated is not None:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {repeated!r} is given twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def _expanded_size(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """Count values as if every alias were written out, one inside itself not at all."""
    if node not in known:
        known[node] = 0
        children = node.value if isinstance(node, yaml.CollectionNode) else ()
        parts = [
            part for child in children for part in (child if isinstance(child, tuple) else (child,))
        ]
        known[node] = 1 + sum(_expanded_size(part, known) for part in parts)
    return known[node]


def _read_yaml(path: Path) -> Mapping[str, Any]:
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except OSError as error:
        raise ConfigError(
            f"configuration {path}: cannot be read ({error.strerror}); correct --config or "
            f"{CONFIG_VARIABLE}"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"configuration {path}: not UTF-8 text; save it as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        raise ConfigError(
            f"configuration {path}: {_where(error)}not valid YAML: {_what(error)}"
        ) from error
    except (yaml.YAMLError, ValueError) as error:  # such as the date 2024-02-30
        raise ConfigError(
            f"configuration {path}: not valid YAML: {_one_line(error)}; correct or quote the value"
        ) from error
    except RecursionError as error:
        raise ConfigError(f"configuration {path}: nested too deeply; flatten it") from error
    try:
        json.dumps(values, default=str, skipkeys=True)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"configuration {path}: a value contains itself by an alias (*), or is nested too "
            f"deeply; write it out flat"
        ) from error
    return _as_mapping({} if values is None else values, str(path))


def _where(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""


def _what(error: yaml.MarkedYAMLError) -> str:
    return ", ".join(_one_line(part) for part in (error.context, error.problem) if part)


def _one_line(value: object) -> str:
    return " ".join(str(value).split())


def _default_values() -> dict[str, Any]:
    text = resources.files("model2_assets").joinpath("default.yaml").read_text(encoding="utf-8")
    defaults: dict[str, Any] = yaml.safe_load(text)
    return defaults


def _merge_defaults(
    defaults: dict[str, Any], values: Mapping[str, Any], *, origin: str
) -> dict[str, Any]:
    merged = {**defaults, **_as_mapping(values, origin)}
    if isinstance(values.get("models"), Mapping):
        merged["models"] = {
            name: model
            for name, model in _merge(defaults["models"], values["models"]).items()
            if model is not None
        }
    return merged


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _as_mapping(values: object, origin: str) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{origin}: expected keys such as regions, models, checks; got {type(values).__name__}"
        )
    return values


def _explain(error: ValidationError, origin: str) -> str:
    problems = error.errors()
    lines = []
    for problem in problems:
        if problem["type"] == "too_short" and _has_inner_problem(problem["loc"], problems):
            continue
        key = _key_of(problem)
        lines.append(
            f"{origin}: {key}: {_reason(problem)}" if key else f"{origin}: {_reason(problem)}"
        )
    return "\n".join(dict.fromkeys(lines))


def _has_inner_problem(place: tuple[int | str, ...], problems: list[ErrorDetails]) -> bool:
    """Tell whether a container came out too short only because its items are wrong."""
    return any(
        len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in problems
    )


def _key_of(problem: ErrorDetails) -> str:
    """Return the path of keys, without what pydantic calls the types that it tried."""
    place = problem["loc"]
    parts = [str(part) for part in place if _is_key(part)]
    if problem["type"] == "extra_forbidden" and not _is_key(place[-1]):
        parts.append(_clipped(place[-1]))
    return ".".join(parts)


def _is_key(part: str | int) -> bool:
    return isinstance(part, int) or re.fullmatch(r"\w+", part) is not None


def _reason(problem: ErrorDetails) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    message = message.replace("Tuple", "List").replace("tuple", "list")
    message = _ANY_MAPPING.sub("a mapping of keys to values", message)
    place = problem["loc"]
    if problem["type"] == "extra_forbidden":
        return "unknown key; correct the spelling or remove it"
    if place and str(place[-1]).endswith("_variable"):
        return "write the name of an environment variable here, never a secret itself"
    if isinstance(problem["input"], str) and url_carries_secret(problem["input"]):
        return message
    if problem["type"] == "string_pattern_mismatch":
        return f"{_clipped(problem['input'])} is not allowed here: {message}"
    if "input" in problem and not isinstance(problem["input"], Mapping):
        return f"{message}, got {_clipped(problem['input'])}"
    return message


_ANY_MAPPING = re.compile(r"a valid dictionary( or instance of \w+)?")

_LONGEST_ECHO = 100


def _clipped(value: object) -> str:
    """Return a value as messages show it; a number of thousands of digits cannot be shown."""
    if isinstance(value, int) and value.bit_length() > _LONGEST_ECHO:
        return "a huge number"
    text = repr(value)
    return text if len(text) <= _LONGEST_ECHO else f"{text[:_LONGEST_ECHO]}…"
