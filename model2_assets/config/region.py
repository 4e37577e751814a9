"""A region's sections, and the whole configuration."""

from collections.abc import Sequence
from functools import cached_property
from math import comb
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from model2_assets.config.sections import (
    AlertsConfig,
    ChecksConfig,
    ExecutionConfig,
    ImportPath,
    Location,
    LoggingConfig,
    Name,
    NonEmpty,
    ReportsConfig,
    ScheduleConfig,
    Section,
    StorageConfig,
)
from model2_assets.errors import ConfigError

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


def _known_columns(columns: dict[str, str]) -> dict[str, str]:
    unknown = sorted(set(columns) - set(MARKET_DATA_COLUMNS))
    if unknown:
        raise ValueError(f"unknown column {unknown[0]!r}; known: {', '.join(MARKET_DATA_COLUMNS)}")
    for theirs in columns.values():
        ours = [name for name, source in columns.items() if source == theirs]
        if len(ours) > 1:
            raise ValueError(f"{theirs!r} is named for {' and '.join(ours)}; name it for one alone")
    return columns


class MarketDataConfig(Section):
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


def _ascending_horizons(horizons: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(horizons)) != len(horizons):
        raise ValueError(f"horizons {list(horizons)} repeat one; give each once")
    return tuple(sorted(horizons))


class LabelsConfig(Section):
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


class FeaturesConfig(Section):
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


MAX_SPLITS = 10_000
"""More splits than this are a mistake: each is a model fit and a stored column."""


class CrossValidationConfig(Section):
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


class ModelConfig(Section):
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


class RegionConfig(Section):
    """A market with its own data, calendar and asset key prefix."""

    market_data: MarketDataConfig = Field(default_factory=MarketDataConfig)
    labels: LabelsConfig = Field(default_factory=LabelsConfig)
    features: FeaturesConfig = Field(default_factory=FeaturesConfig)
    cross_validation: CrossValidationConfig = Field(default_factory=CrossValidationConfig)
    models: tuple[Name, ...] | dict[Name, ModelConfig] | None = Field(
        default=None,
        description="names out of the top-level models, or models of this region's own",
    )


class Model2Config(Section):
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
