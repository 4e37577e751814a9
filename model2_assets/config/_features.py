"""Section ``features`` of a region."""

from typing import Any, Literal

from pydantic import Field

from model2_assets.config._section import Section
from model2_assets.config._types import ImportPath


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
