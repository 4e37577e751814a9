"""Section ``market_data`` of a region."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from model2_assets.config._section import Section
from model2_assets.config._types import Location, NonEmpty

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
