"""Section ``checks``."""

from pydantic import Field

from model2_assets.config._section import Section


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
