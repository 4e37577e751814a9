"""A region's sections, and the whole configuration."""

import re
from collections.abc import Sequence
from datetime import datetime
from math import comb
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from model2_assets.config.partition import Partition
from model2_assets.config.sections import (
    AlertsConfig,
    ChecksConfig,
    EnvironmentVariable,
    ExecutionConfig,
    ImportPath,
    Location,
    LoggingConfig,
    Name,
    NonEmpty,
    NotEmpty,
    Params,
    ReportsConfig,
    ScheduleConfig,
    SearchConfig,
    Section,
    StorageConfig,
    TrackingConfig,
    known_timezone,
    number,
    refuse,
)
from model2_assets.errors import ConfigError, query_carries_secret

_MARKET_DATA_COLUMNS = (
    *("instrument", "datetime", "open", "high", "low", "close"),
    *("volume", "adjusted_close", "vwap", "delisting_return", "currency"),
)


def _known_columns(columns: dict[str, str]) -> dict[str, str]:
    known = ", ".join(_MARKET_DATA_COLUMNS)
    for ours, theirs in columns.items():
        same = [name for name, source in columns.items() if source == theirs]
        refuse(ours not in _MARKET_DATA_COLUMNS, f"unknown column {ours!r}; known: {known}")
        both = " and ".join(same)
        refuse(len(same) > 1, f"{theirs!r} is named for {both}; name it for one alone")
    return columns


def _with_whole_dates(written: str) -> str:
    day = datetime(2024, 12, 31)  # strptime takes 1900-01-01 for what a format leaves out
    try:
        is_whole = datetime.strptime(f"{day:{written}}", written) == day
    except ValueError:
        is_whole = False
    refuse(not is_whole, "write year, month and day without a zone, as in '%d.%m.%Y'")
    return written


DateFormat = Annotated[str, AfterValidator(_with_whole_dates)]


def _query_without_secret(query: str) -> str:
    refuse(
        query_carries_secret(query),
        "the query carries a password or key, and is written into records; give it by the address "
        "that url_variable names, or by the environment",
    )
    return query


class TableSource(Section):
    """Files or a query, which a table of instruments and dates comes from."""

    source: str | None = None
    path: Location | None = None
    """File, folder, glob or Delta table, local or at an fsspec URL (parquet and csv)."""
    query: Annotated[NonEmpty, AfterValidator(_query_without_secret)] | None = None
    """SELECT of a row per instrument and date (sql); a schedule asks, the watch of files not."""
    url_variable: EnvironmentVariable | None = None
    """Environment variable that holds the database's address, in the form of SQLAlchemy (sql)."""
    columns: dict[str, str] = Field(default_factory=dict)
    instrument_from_filename: bool = False
    """One file per instrument, named after it."""
    date_format: DateFormat | None = None
    """How dates that are text are written, such as "%d.%m.%Y", in the directives of Python's
    strptime; null: in ISO 8601, such as 2024-01-31 or 20240131."""

    @model_validator(mode="after")
    def _path_belongs_to_files(self) -> Self:
        reads_files, asks = self.source in ("parquet", "csv", None), self.source == "sql"
        source = f"source {self.source or 'csv or parquet'!r}"
        refuse(reads_files and not self.path, f"{source} needs a path")
        refuse(
            self.path and not reads_files, f"{source} takes no path; remove it or name the format"
        )
        is_asked = self.query and self.url_variable
        refuse(asks and not is_asked, f"{source} needs a query and a url_variable")
        is_misplaced = (self.query or self.url_variable) and not asks
        refuse(is_misplaced, "query and url_variable belong to source 'sql' only")
        of_files = ["instrument_from_filename", *([] if asks else ["columns", "date_format"])]
        misplaced = [name for name in of_files if getattr(self, name) and not reads_files]
        refuse(misplaced, f"{source} reads no file; remove {' and '.join(misplaced)}")
        refuse(
            self.instrument_from_filename and "instrument" in self.columns,
            "columns.instrument and instrument_from_filename exclude each other; remove one",
        )
        return self


class MarketDataConfig(TableSource):
    """Where daily bars come from."""

    source: Literal["demo", "parquet", "csv", "sql", "synthetic"] = "demo"
    """demo: closes of 20 S&P 500 stocks; synthetic: a generated market; sql: a query."""
    columns: Annotated[dict[str, NonEmpty], AfterValidator(_known_columns)] = Field(
        default_factory=dict
    )
    """Our column name: name in the file, or in what the query gives."""
    universe: Location | None = None
    """File of instrument, from, to: point-in-time membership, both ends included."""
    params: Params = Field(default_factory=dict)
    """Settings of the synthetic source."""
    max_gap_days: int = Field(60, ge=1, le=100_000)
    """Panel dates without a bar of an instrument after which its next bar starts a new history,
    as that of another company would: no feature or label looks across."""
    max_age_weekdays: int | None = Field(None, ge=0, le=10_000)
    """Largest number of Mondays to Fridays after the last session, up to today in
    schedule.timezone; older data are refused. Holidays count, so leave room for them; null: any
    age."""

    @model_validator(mode="after")
    def _params_belong_to_the_synthetic(self) -> Self:
        refuse(
            self.params and self.source != "synthetic", "params belong to source 'synthetic' only"
        )
        return self


def _ascending_horizons(horizons: tuple[int, ...]) -> tuple[int, ...]:
    distinct = tuple(sorted(set(horizons)))
    refuse(len(distinct) < len(horizons), f"horizons {list(horizons)} repeat one; give each once")
    return distinct


class LabelsConfig(Section):
    """How forward returns become labels."""

    horizons: Annotated[
        tuple[Annotated[int, BeforeValidator(number), Field(ge=1, le=2520)], ...],
        NotEmpty,
        AfterValidator(_ascending_horizons),
    ] = (21, 63)
    """Trading bars of the instrument from entry to exit."""
    execution_lag_days: int = Field(1, ge=0, le=60)
    """Trading bars from signal to entry."""
    excess: bool = True
    """Subtract the equal-weight mean of the date."""
    winsorize: float = Field(0.10, ge=0, lt=0.5)
    """Quantile clipped on either side of each date; 0: none."""
    min_names: int = Field(5, ge=1, le=100_000)
    """Labelled names that a date needs with excess or winsorize, else it has no label."""
    delisting: Literal["last_close", "drop"] = "last_close"
    """Where a position ends that is open when its name is delisted: at the last close, or after
    its delisting_return; drop: such rows have no label."""
    delisted_after: int = Field(10, ge=0, le=2520)
    """Panel dates without a bar after which a name is delisted."""
    builder: ImportPath | None = None
    """Function that replaces ours."""
    params: Params = Field(default_factory=dict)
    """Settings of your builder."""

    @property
    def horizon_keys(self) -> tuple[str, ...]:
        """Partition keys of the horizons, such as ``21d``."""
        return tuple(f"{horizon}d" for horizon in self.horizons)


_KEY_COLUMNS = ("instrument", "datetime", "available_at")


def _names_to_names(columns: object) -> object:
    """Return a list of names as a mapping of each to itself."""
    if not (isinstance(columns, list) and all(isinstance(name, str) for name in columns)):
        return columns
    return {name: name for name in columns}


def _own_feature_names(columns: dict[str, str]) -> dict[str, str]:
    for name, in_file in columns.items():
        refuse(
            not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name),
            f"{name!r} is no name of a feature; make it of letters, digits, _, . and -, such as "
            f"`columns: {{pe: {in_file}}}`",
        )
    refuse(not set(columns) - set(_KEY_COLUMNS), "names no feature; add at least one column")
    return columns


class ExtraFeaturesConfig(TableSource):
    """Features of one's own: columns of a file or query, keyed by instrument and datetime."""

    source: Literal["csv", "parquet", "sql"] | None = None
    """null: files of the format that the ending of each says."""
    columns: Annotated[
        dict[str, NonEmpty], BeforeValidator(_names_to_names), AfterValidator(_own_feature_names)
    ]
    """Name of the feature: name in the file; or a list of both in one. Also of instrument,
    datetime and available_at, where the file calls them otherwise."""
    normalization: Literal["alike", "as_is"] = "alike"
    """alike: as the features of the set; as_is: values stay as they are."""
    max_age_days: int = Field(400, ge=0, le=100_000)
    """Calendar days after the date of available_at for which a value counts: one of a yearly
    report does until the next. Without available_at a value counts on its own date alone."""

    @property
    def names(self) -> list[str]:
        """Names of the features."""
        return [name for name in self.columns if name not in _KEY_COLUMNS]


def _time_and_zone(text: object) -> str:
    time, _, zone = str(text).partition(" ")
    refuse(
        not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", time),
        "write time and IANA time zone, such as 16:00 America/New_York",
    )
    return f"{time} {known_timezone(zone)}"


class FeaturesConfig(Section):
    """Which features are computed and how they are normalized."""

    set: Literal["alpha158"] = "alpha158"
    """Feature set."""
    normalization: Literal["rank", "zscore", "none"] = "rank"
    """Per-date cross-sectional normalization."""
    min_history_bars: int = Field(60, ge=0, le=10_000)
    """Earlier own bars that a row needs to have features."""
    extra: tuple[ExtraFeaturesConfig, ...] = ()
    """Features of one's own, beside those of the set or the builder."""
    session_close: Annotated[str, BeforeValidator(_time_and_zone)] = "16:00 America/New_York"
    """Time and zone of the close: what has an available_at before it counts on that date. Those of
    the New York Stock Exchange, as schedule.timezone. Where sessions close early on some days,
    write the earliest close, which is safe on all. An available_at without time zone is in
    this one."""
    builder: ImportPath | None = None
    """Function that replaces ours."""
    params: Params = Field(default_factory=dict)
    """Settings of your builder."""

    @model_validator(mode="after")
    def _own_features_differ(self) -> Self:
        names = [name for entry in self.extra for name in entry.names]
        for name in names:
            refuse(
                names.count(name) > 1,
                f"extra: two features have the name {name!r}; name one otherwise, such as "
                f"`columns: {{my_{name}: {name}}}`",
            )
        return self


MAX_SPLITS = 10_000
"""More splits than this are a mistake: each is a model fit and a stored column."""


class CrossValidationConfig(Section):
    """How history is split into train and test."""

    scheme: Literal["cpcv", "walk_forward"] = "cpcv"
    """cpcv: combinatorial purged cross-validation, which trains on the future of its test blocks;
    walk_forward: trains on the past alone, first groups never tested."""
    n_groups: int = Field(5, ge=2, le=100)
    """Contiguous blocks of whole dates."""
    balance: Literal["dates", "rows"] = "dates"
    """dates: groups have equally many dates; rows: about equally many rows, where the
    cross-section grows or shrinks."""
    n_test_groups: int = Field(1, ge=1, le=100)
    """Groups tested together in one split."""
    window: Literal["expanding", "rolling"] = "expanding"
    """walk_forward: train on all earlier groups, or on the last train_groups."""
    train_groups: int | None = Field(None, ge=1, le=100)
    """walk_forward: groups that the first model trains on; null: 1."""
    embargo_days: int = Field(5, ge=0, le=10_000)
    """Panel dates dropped after a test block, on top of the purge, and demanded of a splitter of
    your own; without effect in walk_forward, which trains on nothing after it."""
    min_samples: int = Field(100, ge=1, le=10**9)
    """Labelled rows that train and test of every split need."""
    purge: Literal["longest_horizon", "per_horizon"] = "longest_horizon"
    """longest_horizon: one set of splits, purged with the longest label end of a row, whose
    predictions may be stacked; per_horizon: splits for each horizon, purged with its own label
    end."""
    splitter: ImportPath | None = None
    """Class that replaces our splitter."""
    params: Params = Field(default_factory=dict)
    """Settings of your splitter."""
    nested: bool = False
    """Also make nested_oof, for an unbiased score of a stacker: n_groups x (n_groups - 1) / 2 more
    fits per model and horizon."""

    @property
    def n_splits(self) -> int | None:
        """Number of splits of each horizon; None where a splitter of your own decides."""
        if self.splitter is not None:
            return None
        if self.scheme == "walk_forward":
            return self.n_groups - (self.train_groups or 1)
        return comb(self.n_groups, self.n_test_groups)

    @property
    def covers_history(self) -> bool:
        """Whether every labelled row must be predicted, and not only those that are tested."""
        return self.scheme == "cpcv" and self.splitter is None

    def role_column_names(self, horizons: Sequence[str]) -> tuple[str, ...]:
        """Return the columns of roles that cv_splits has; none known of your own splitter."""
        suffixes = [f"_{horizon}" for horizon in horizons] if self.purge == "per_horizon" else [""]
        return tuple(
            f"split_{split_id}{suffix}"
            for suffix in suffixes
            for split_id in range(self.n_splits or 0)
        )

    @model_validator(mode="after")
    def _leaves_groups_to_train_on(self) -> Self:
        n_groups, n_test_groups, n_splits = self.n_groups, self.n_test_groups, self.n_splits or 0
        refuse(
            n_test_groups >= n_groups,
            f"n_test_groups ({n_test_groups}) must be below n_groups ({n_groups}), else nothing is "
            f"left to train on",
        )
        refuse(
            n_splits > MAX_SPLITS,
            f"n_groups {n_groups} and n_test_groups {n_test_groups} make {n_splits:,} splits, each "
            f"a model fit; keep to {MAX_SPLITS:,} by lowering either",
        )
        return self

    @model_validator(mode="after")
    def _fits_its_scheme(self) -> Self:
        walks_forward = self.scheme == "walk_forward"
        belongs = "belongs to scheme walk_forward; remove it or change the scheme"
        refuse(self.window != "expanding" and not walks_forward, f"window {belongs}")
        refuse(self.train_groups is not None and not walks_forward, f"train_groups {belongs}")
        refuse(
            self.n_test_groups != 1 and walks_forward,
            f"n_test_groups must be 1 in scheme walk_forward, which tests one group after the "
            f"other, got {self.n_test_groups}",
        )
        refuse(
            self.window == "rolling" and self.train_groups is None,
            "window rolling needs train_groups: how many groups long it is",
        )
        refuse(
            (self.train_groups or 1) >= self.n_groups,
            f"train_groups ({self.train_groups}) must be below n_groups ({self.n_groups}), else "
            f"nothing is left to test",
        )
        return self

    @model_validator(mode="after")
    def _nested_and_splitter_fit(self) -> Self:
        fits = {
            f"scheme {self.scheme}": self.scheme == "cpcv",
            f"n_test_groups {self.n_test_groups}": self.n_test_groups == 1,
            f"n_groups {self.n_groups}": self.n_groups >= 3,
            f"splitter {self.splitter}": self.splitter is None,
        }
        against = ", ".join(setting for setting, is_right in fits.items() if not is_right)
        refuse(
            self.nested and against,
            f"nested needs scheme cpcv, n_test_groups 1, n_groups of at least 3 and no splitter of "
            f"your own, but there is {against}; change that, or set nested to false",
        )
        refuse(
            self.splitter is not None and self.balance == "rows",
            "balance rows and splitter exclude each other; a splitter of your own cuts its own "
            "groups",
        )
        refuse(
            self.splitter is not None and self.purge == "per_horizon",
            "purge per_horizon and splitter exclude each other; a splitter of your own is given "
            "the longest label end of each row",
        )
        return self


class ModelConfig(Section):
    """One named base model."""

    trainer: ImportPath
    """Class derived from BaseModelTrainer."""
    params: Params = Field(default_factory=dict)
    """Hyper-parameters."""
    seed: int = Field(7, ge=0, lt=2**31)
    """Seed of every random draw of the model."""
    overrides: dict[str, Params] = Field(default_factory=dict)
    """Per horizon, such as 63d: parameters that differ there."""
    sample_weights: Literal["none", "uniqueness"] = "none"
    """uniqueness: train rows weigh by how little their labels overlap others."""
    calibration: Literal["inner_slope", "none"] | None = None
    """inner_slope: predictions are shrunk to what holds on inner folds of the train rows. null:
    for ridge and xgboost, not for trainers of one's own."""
    search: SearchConfig | None = None
    """null: hyper-parameters are those above."""


class RegionConfig(Section):
    """A market with its own data, calendar and asset key prefix."""

    market_data: MarketDataConfig = MarketDataConfig()
    labels: LabelsConfig = LabelsConfig()
    features: FeaturesConfig = FeaturesConfig()
    cross_validation: CrossValidationConfig = CrossValidationConfig()
    models: tuple[Name, ...] | dict[Name, ModelConfig] | None = None
    """Names out of the top-level models, or models of this region's own."""


class Model2Config(Section):
    """The whole configuration."""

    regions: Annotated[dict[Name, RegionConfig], NotEmpty] = Field(
        default_factory=lambda: {"us": RegionConfig()}
    )
    models: Annotated[dict[Name, ModelConfig], NotEmpty]
    checks: ChecksConfig = ChecksConfig()
    execution: ExecutionConfig = ExecutionConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    storage: StorageConfig = StorageConfig()
    reports: ReportsConfig = ReportsConfig()
    logging: LoggingConfig = LoggingConfig()
    alerts: AlertsConfig = AlertsConfig()
    tracking: TrackingConfig = TrackingConfig()

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for name, region in self.regions.items():
            key = f"regions.{name}.models"
            refuse(region.models in ((), {}), f"{key}: name at least one model, or leave it out")
            for model in region.models if isinstance(region.models, tuple) else ():
                known = ", ".join(self.models)
                refuse(model not in self.models, f"{key}: unknown model {model!r}; known: {known}")
        # A model of several regions may be overridden for the horizon of only one of them.
        horizons = {key for region in self.regions.values() for key in region.labels.horizon_keys}
        for name, region in self.regions.items():
            own = ", ".join(region.labels.horizon_keys)
            for model, settings in self.models_of(name).items():
                for horizon in settings.overrides:
                    refuse(
                        horizon not in horizons,
                        f"models.{model}.overrides: no region has horizon {horizon!r}; region "
                        f"{name} has {own}",
                    )
        return self

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

    def partitions_of(self, region: str) -> tuple[Partition, ...]:
        """Return the horizons and models of a region, horizon by horizon."""
        horizons = self.region(region).labels.horizon_keys
        return tuple(Partition(horizon, m) for horizon in horizons for m in self.models_of(region))
