"""Leak-free base models of an equity-return forecaster, as a Dagster asset graph."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Threads of OpenMP that spin at barriers cost ten times their share beside busy processes. Its
# library looks when it is loaded, with XGBoost.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from model2_assets.storage.read import load_oof

if sys.platform in ("win32", "cygwin"):  # the command tells this sentence alone, without a trace
    raise (SystemExit if Path(sys.argv[0]).stem == "model2" else ImportError)(
        "model2_assets runs on Linux and macOS, not on Windows; run it there within WSL 2"
    )

__all__ = ["load_oof"]


def __getattr__(name: str) -> Any:
    """Import what the package hands out when it is asked for: the package itself stays light."""
    if name in __all__:
        from model2_assets.storage import read as reading

        return getattr(reading, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
