"""Leak-free base models of an equity-return forecaster, as a Dagster asset graph."""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Threads of OpenMP that spin at barriers cost ten times their share beside busy processes. Its
# library looks when it is loaded, with XGBoost.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from model2_assets.config import Partition
    from model2_assets.cross_validation import (
        PurgedEmbargoedTimeSeriesSplit,
        WalkForwardSplit,
        build_cv_splits,
        leave_group_out,
    )
    from model2_assets.evaluation import try_variants
    from model2_assets.evaluation.scores import score_partition
    from model2_assets.features import build_features_from_config
    from model2_assets.labels import build_labels_from_config
    from model2_assets.market_data import load_market_data
    from model2_assets.reports import tear_sheet
    from model2_assets.storage.read import load_live, load_oof
    from model2_assets.training import (
        BaseModelTrainer,
        LinearTrainer,
        RidgeTrainer,
        Tables,
        XGBoostTrainer,
        cross_validate,
        predict_out_of_fold,
    )

if sys.platform in ("win32", "cygwin"):  # the command tells this sentence alone, without a trace
    raise (SystemExit if Path(sys.argv[0]).stem == "model2" else ImportError)(
        "model2_assets runs on Linux and macOS, not on Windows; run it there within WSL 2"
    )

import resource

# Arrow's own allocators reserve a gigabyte that they never use, and that a limit on data counts.
if resource.getrlimit(resource.RLIMIT_DATA)[0] != resource.RLIM_INFINITY:
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

_ROOMS = {
    "config": ("Partition",),
    "cross_validation": (
        "PurgedEmbargoedTimeSeriesSplit",
        "WalkForwardSplit",
        "build_cv_splits",
        "leave_group_out",
    ),
    "evaluation": ("try_variants",),
    "evaluation.scores": ("score_partition",),
    "features": ("build_features_from_config",),
    "labels": ("build_labels_from_config",),
    "market_data": ("load_market_data",),
    "reports": ("tear_sheet",),
    "storage.read": ("load_live", "load_oof"),
    "training": (
        "BaseModelTrainer",
        "LinearTrainer",
        "RidgeTrainer",
        "Tables",
        "XGBoostTrainer",
        "cross_validate",
        "predict_out_of_fold",
    ),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "BaseModelTrainer",
    "LinearTrainer",
    "Partition",
    "PurgedEmbargoedTimeSeriesSplit",
    "RidgeTrainer",
    "Tables",
    "WalkForwardSplit",
    "XGBoostTrainer",
    "build_cv_splits",
    "build_features_from_config",
    "build_labels_from_config",
    "cross_validate",
    "leave_group_out",
    "load_live",
    "load_market_data",
    "load_oof",
    "predict_out_of_fold",
    "score_partition",
    "tear_sheet",
    "try_variants",
]


def __getattr__(name: str) -> Any:
    """Import what the package hands out when it is asked for: the package itself stays light."""
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
