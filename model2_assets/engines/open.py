"""The engine that a configuration names."""

from collections.abc import Iterator
from contextlib import contextmanager

from model2_assets.config import ExecutionConfig
from model2_assets.engines.engine import Engine, LocalEngine
from model2_assets.errors import ConfigError


@contextmanager
def open_engine(execution: ExecutionConfig, *, n_threads: int) -> Iterator[Engine]:
    """Open the engine that a configuration names.

    Parameters
    ----------
    execution : ExecutionConfig
        Which one, and where its scheduler is.
    n_threads : int
        Tasks at once where they run in this process.

    Raises
    ------
    ConfigError
        If the extra ``dask`` is not installed, or an environment variable is not set.
    EngineError
        If the scheduler cannot be reached, has no worker, or a worker has other versions of what
        results depend on.
    """
    if execution.engine == "local":
        yield LocalEngine(n_threads)
        return
    try:
        from model2_assets.engines.dask import connected
    except ImportError as error:
        raise ConfigError(
            f'execution.engine: dask needs the extra: pip install "model2-assets[dask]" ({error})'
        ) from error
    with connected(execution) as engine:
        yield engine
