"""Daily bars: sources, the rules that bars must meet, membership, adjusted prices."""

from model2_assets.market_data._adjustment import adjusted_close, adjusted_prices
from model2_assets.market_data._fingerprint import InputFingerprint, fingerprint_inputs
from model2_assets.market_data._history import HistoryChanges, Split, compare_history
from model2_assets.market_data._load import MarketData, load_market_data
from model2_assets.market_data._synthetic import synthetic_panel
from model2_assets.market_data._universe import mark_universe, read_universe
from model2_assets.market_data._validation import validate_panel

__all__ = [
    "HistoryChanges",
    "InputFingerprint",
    "MarketData",
    "Split",
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
