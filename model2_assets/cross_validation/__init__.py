"""Combinatorial and walk-forward purged splits of panels, and the proof of no overlap."""

from model2_assets.cross_validation._build import build_cv_splits, make_splitter
from model2_assets.cross_validation._label_ends import longest_label_end
from model2_assets.cross_validation._leave_group_out import HeldOutGroup, leave_group_out
from model2_assets.cross_validation._paths import recombine_paths
from model2_assets.cross_validation._proof import OverlapProof, prove_no_overlap
from model2_assets.cross_validation._propose import CPCVProposal, propose_cpcv
from model2_assets.cross_validation._roles import (
    Role,
    RoleColumn,
    role_columns,
    split_horizons,
    split_ids,
    split_roles,
)
from model2_assets.cross_validation._samples import check_min_samples, count_samples
from model2_assets.cross_validation._splitter import PurgedEmbargoedTimeSeriesSplit
from model2_assets.cross_validation._summary import SplitCoverage, split_coverage, split_summary
from model2_assets.cross_validation._walk_forward import WalkForwardSplit

__all__ = [
    "CPCVProposal",
    "HeldOutGroup",
    "OverlapProof",
    "PurgedEmbargoedTimeSeriesSplit",
    "Role",
    "RoleColumn",
    "SplitCoverage",
    "WalkForwardSplit",
    "build_cv_splits",
    "check_min_samples",
    "count_samples",
    "leave_group_out",
    "longest_label_end",
    "make_splitter",
    "propose_cpcv",
    "prove_no_overlap",
    "recombine_paths",
    "role_columns",
    "split_coverage",
    "split_horizons",
    "split_ids",
    "split_roles",
    "split_summary",
]
