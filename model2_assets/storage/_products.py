"""How each asset is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Format = Literal["parquet", "json_lines", "fold_models", "html"]


@dataclass(frozen=True)
class Product:
    """How one asset is stored.

    Attributes
    ----------
    format : {"parquet", "json_lines", "fold_models", "html"}
        File format.
    contract : str or None
        Name of the table's contract; None for fold models, which have a manifest, and for
        reports, which are read by people.
    as_matrix : bool, default False
        Whether its values, all float32, are also kept as a working matrix.
    """

    format: Format
    contract: str | None
    as_matrix: bool = False


PRODUCTS: Mapping[str, Product] = {
    "market_data": Product("parquet", "MarketData"),
    "labels": Product("parquet", "Labels"),
    "features": Product("parquet", "Features", as_matrix=True),
    "cv_splits": Product("parquet", "CVSplits"),
    "fitted_models": Product("fold_models", None),
    "oof_predictions": Product("parquet", "OOFPredictions"),
    "oof_paths": Product("parquet", "OOFPaths"),
    "nested_oof": Product("parquet", "NestedOOF"),
    "feature_importance": Product("parquet", "FeatureImportance"),
    "cv_scores": Product("json_lines", "CVScores"),
    "final_models": Product("fold_models", None),
    "live_predictions": Product("parquet", "LivePredictions"),
    "tear_sheet": Product("html", None),
    "leaderboard": Product("parquet", "Leaderboard"),
    "stacking_frame": Product("parquet", "StackingFrame"),
    "region_report": Product("html", None),
}
"""Every asset, in the order of the graph; not every configuration has all of them."""

WITHOUT_VERSIONS = ("market_data", "labels", "features", "cv_splits")
"""Assets of which no old versions are kept."""
