"""Where work runs: threads of this process, or the worker processes of a Dask cluster."""

from model2_assets.engines.engine import Engine, LocalEngine
from model2_assets.engines.open import open_engine
from model2_assets.engines.workers import Workers, give_pages_back

__all__ = ["Engine", "LocalEngine", "Workers", "give_pages_back", "open_engine"]
