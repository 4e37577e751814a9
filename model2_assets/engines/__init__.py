"""Where work runs: threads of this process, or the worker processes of a Dask cluster."""

from model2_assets.engines.engine import Engine, LocalEngine
from model2_assets.engines.open import open_engine

__all__ = ["Engine", "LocalEngine", "open_engine"]
