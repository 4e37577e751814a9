"""Labels: forward excess returns, and the last date that each of them looks at."""

from model2_assets.labels.build import build_labels_from_config, make_labels, realized_returns

__all__ = ["build_labels_from_config", "make_labels", "realized_returns"]
