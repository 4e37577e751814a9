"""What every report has, whatever its data: ids of sections, tables and charts."""

PARTITION_PARTS = (
    "figures",
    "caveats",
    "scores",
    "scores-by-fold",
    "rank-ic-by-fold",
    "scores-by-path",
    "information-coefficient",
    "ic-series",
    "ic-monthly",
    "ic-histogram",
    "ic-qq",
    "quantile-returns",
    "quantile-table",
    "cumulative-spread",
    "turnover",
    "rank-autocorrelation",
    "persistence-table",
    "calibration",
    "prediction-distribution",
    "top-features",
    "importance-stability",
    "provenance",
)
"""Of a tear sheet of one horizon and model."""

REGION_PARTS = (
    "figures",
    "caveats",
    "leaderboard",
    "rank-ic",
    "likeness",
    "evidence",
    "history",
    "rank-ic-by-fold",
    "provenance",
    "versions",
)
"""Of a region's report."""
