"""Daily bars: sources, the rules that bars must meet, membership, adjusted prices."""

from model2_assets.market_data.bars import adjusted_close, adjusted_prices
from model2_assets.market_data.files import InputFingerprint, fingerprint_inputs
from model2_assets.market_data.history import HistoryChanges, Split, compare_history
from model2_assets.market_data.load import MarketData, load_market_data
from model2_assets.market_data.synthetic import SyntheticConfig, synthetic_panel
from model2_assets.market_data.universe import mark_universe, read_universe
from model2_assets.market_data.validate import validate_panel

__all__ = [
    "HistoryChanges",
    "InputFingerprint",
    "MarketData",
    "Split",
    "SyntheticConfig",
    "adjusted_close",
    "adjusted_prices",
    "compare_history",
    "fingerprint_inputs",
    "load_market_data",
    "mark_universe",
    "read_universe",
    "synthetic_panel",
    "validate_panel",
]
