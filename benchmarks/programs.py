"""What can be measured: programs, and the benchmarks that run several of them in turn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from benchmarks.inputs import Inputs
from benchmarks.levers import LEVERS
from benchmarks.outcome import Outcome


@dataclass(frozen=True)
class Program:
    """One program to measure.

    Attributes
    ----------
    module, function : str
        What runs, as ``function(inputs, **options)``, in a process of its own.
    options : mapping
        Its options.
    once : bool
        Whether one run is enough, whatever the size.
    """

    module: str
    function: str = "run"
    options: Mapping[str, Any] = field(default_factory=dict)
    once: bool = False

    def __call__(self, inputs: Inputs) -> Outcome:
        """Run it."""
        run: Callable[..., Outcome] = getattr(
            import_module(f"benchmarks.{self.module}"), self.function
        )
        return run(inputs, **self.options)


def _xgboost(**options: Any) -> Program:
    return Program("ours_models", options={"model": "xgboost", **options})


PROGRAMS: dict[str, Program] = {
    "ridge_ours": Program("ours_models", options={"model": "ridge"}),
    "ridge_by_hand": Program("ridge_by_hand", options={"dtype": "float64"}),
    "ridge_by_hand_float32": Program("ridge_by_hand", options={"dtype": "float32"}),
    "ridge_alphas": Program("ours_models", function="run_cpcv_alphas"),
    "xgboost_by_hand": Program("xgboost_by_hand"),
    "xgboost_exact": _xgboost(profile="exact"),
    "xgboost_default": _xgboost(profile="default"),
    "xgboost_fast": _xgboost(profile="fast"),
    "xgboost_exact_cuda": _xgboost(profile="exact", params={"device": "cuda"}),
    "xgboost_default_cuda": _xgboost(profile="default", params={"device": "cuda"}),
    "plain_xgboost": Program("plain_xgboost", options={"folds": 1}, once=True),
    "features_ours": Program("ours_features"),
    "features_by_rolling": Program("features_by_rolling"),
    "features_by_qlib": Program("qlib_features"),
    "clean_ours": Program("ours_features", options={"clean": True}, once=True),
    "clean_by_rolling": Program("features_by_rolling", options={"clean": True}, once=True),
    "clean_by_qlib": Program("qlib_features", options={"clean": True}, once=True),
    "job_ours": Program("job_ours", options={"profile": "default"}),
    "job_exact": Program("job_ours", options={"profile": "exact"}, once=True),
    "job_by_hand": Program("job_by_hand"),
    "import_time": Program("import_time", once=True),
    "limits": Program("limits", once=True),
    **{
        f"lever_{name}": _xgboost(profile="exact", **lever.options)
        for name, lever in LEVERS.items()
    },
}
"""Every program by name."""

BENCHMARKS: dict[str, tuple[str, ...]] = {
    "ridge": ("ridge_ours", "ridge_by_hand", "ridge_alphas"),
    "ridge_float32": ("ridge_by_hand_float32",),
    "ridge_alphas": ("ridge_ours", "ridge_alphas"),
    "xgboost_exact": ("xgboost_exact", "xgboost_by_hand", "plain_xgboost"),
    "xgboost_default": ("xgboost_default", "xgboost_by_hand"),
    "xgboost_fast": ("xgboost_fast", "xgboost_by_hand"),
    "xgboost_quality": ("xgboost_exact", "xgboost_default", "xgboost_fast"),
    "xgboost": (
        "xgboost_by_hand",
        "xgboost_exact",
        "xgboost_default",
        "xgboost_fast",
        "plain_xgboost",
    ),
    "features": ("features_ours", "features_by_rolling", "features_by_qlib"),
    "features_equal": ("clean_ours", "clean_by_rolling", "clean_by_qlib"),
    "job": ("job_ours", "job_by_hand"),
    "job_exact": ("job_exact",),
    "overhead": ("job_ours",),
    "import_time": ("import_time",),
    "limits": ("limits",),
    "levers": ("xgboost_exact", *(f"lever_{name}" for name in LEVERS)),
}
"""Programs of each benchmark, run in turn."""

BASELINES = frozenset(name for name in PROGRAMS if "_by_" in name or name == "plain_xgboost")
"""Programs that others are compared with."""
