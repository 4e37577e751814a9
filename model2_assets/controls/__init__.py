"""Negative controls: experiments that must find nothing unless something leaks."""

from model2_assets.controls._by_horizon import null_control_by_horizon
from model2_assets.controls._lookahead import LookaheadControl, lookahead_control
from model2_assets.controls._null import NullControl, null_control

__all__ = [
    "LookaheadControl",
    "NullControl",
    "lookahead_control",
    "null_control",
    "null_control_by_horizon",
]
