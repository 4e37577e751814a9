"""Combinatorial and walk-forward purged splits of panels, and the proof of no overlap."""

from model2_assets.cross_validation.proof import OverlapProof, prove_no_overlap
from model2_assets.cross_validation.propose import CPCVProposal, propose_cpcv
from model2_assets.cross_validation.roles import Role
from model2_assets.cross_validation.splitter import (
    HeldOutGroup,
    PurgedEmbargoedTimeSeriesSplit,
    leave_group_out,
)
from model2_assets.cross_validation.table import build_cv_splits
from model2_assets.cross_validation.walk_forward import WalkForwardSplit

__all__ = [
    "CPCVProposal",
    "HeldOutGroup",
    "OverlapProof",
    "PurgedEmbargoedTimeSeriesSplit",
    "Role",
    "WalkForwardSplit",
    "build_cv_splits",
    "leave_group_out",
    "propose_cpcv",
    "prove_no_overlap",
]
