"""Section ``labels`` of a region."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from model2_assets.config._section import Section
from model2_assets.config._types import ImportPath


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
