"""Combinatorial purged cross-validation of panels, and the proof that nothing overlaps."""

from model2_assets.cross_validation._build import build_cv_splits
from model2_assets.cross_validation._label_ends import longest_label_end
from model2_assets.cross_validation._proof import OverlapProof, prove_no_overlap
from model2_assets.cross_validation._roles import Role, split_ids, split_roles
from model2_assets.cross_validation._samples import check_min_samples, count_samples
from model2_assets.cross_validation._splitter import PurgedEmbargoedTimeSeriesSplit
from model2_assets.cross_validation._summary import split_summary

__all__ = [
    "OverlapProof",
    "PurgedEmbargoedTimeSeriesSplit",
    "Role",
    "build_cv_splits",
    "check_min_samples",
    "count_samples",
    "longest_label_end",
    "prove_no_overlap",
    "split_ids",
    "split_roles",
    "split_summary",
]
