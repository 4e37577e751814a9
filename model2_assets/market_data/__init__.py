"""Daily bars: sources, the rules that bars must meet, membership, adjusted prices."""

from model2_assets.market_data.adjustment import adjusted_close, adjusted_prices
from model2_assets.market_data.load import MarketData, load_market_data
from model2_assets.market_data.synthetic import SyntheticConfig, synthetic_panel
from model2_assets.market_data.validate import validate_panel

__all__ = [
    "MarketData",
    "SyntheticConfig",
    "adjusted_close",
    "adjusted_prices",
    "load_market_data",
    "synthetic_panel",
    "validate_panel",
]
