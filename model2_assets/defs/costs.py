"""What every step costs: measured in one place, and read back from the event log.

A materialization says ``load_seconds``, for reading its inputs, ``seconds``, for the body of
the asset with its checks and pictures, and ``write_seconds``, for publishing; ``peak_rss_mb``
is the largest resident memory of the process in the body and ``io_peak_rss_mb`` that while
loading and writing, both 10^6 bytes.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

import dagster as dg

from model2_assets.defs.metadata import readable

if TYPE_CHECKING:
    import pandas as pd

    from model2_assets.defs.staleness import RecordedResults

Body = Callable[..., Iterator[Any]]


def measured(body: Body) -> Body:
    """Return an asset's body that says what it cost where it hands its result on.

    Parameters
    ----------
    body : callable
        Yields one `MaterializeResult`, and check results.

    Returns
    -------
    callable
        With the same parameters. Its result has ``seconds``, wall time, and ``peak_rss_mb``
        among its metadata.
    """

    @wraps(body)
    def measuring(*args: Any, **inputs: Any) -> Iterator[Any]:
        from model2_assets.memory import release_unused_memory
        from model2_assets.training import measure_resources

        release_unused_memory()
        with ExitStack() as stack:
            usage = stack.enter_context(measure_resources())
            for event in body(*args, **inputs):
                if isinstance(event, dg.MaterializeResult):
                    stack.close()
                    costs = {
                        "seconds": usage.seconds,
                        "peak_rss_mb": usage.peak_rss_bytes / 1e6,
                    }
                    yield event._replace(metadata={**(event.metadata or {}), **readable(costs)})
                else:
                    yield event

    return measuring


class TransferCosts:
    """What loading and writing cost, by step, until the step's output asks for it."""

    def __init__(self) -> None:
        self._by_step: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(
            lambda: {"load_seconds": 0.0, "write_seconds": 0.0, "io_peak_rss_mb": 0.0}
        )

    @contextmanager
    def loading(self, context: dg.InputContext) -> Iterator[None]:
        """Measure the block as the loading of an input of the context's step, if it has one."""
        try:
            step = context.step_context
        except dg.DagsterInvariantViolationError:  # loaded outside of a run
            yield
            return
        with self._measuring((step.run_id, step.step.key), "load_seconds"):
            yield

    @contextmanager
    def writing(self, context: dg.OutputContext) -> Iterator[None]:
        """Measure the block as the writing of the output of the context's step."""
        with self._measuring((context.run_id, context.step_key), "write_seconds"):
            yield

    def of(self, context: dg.OutputContext) -> dict[str, float]:
        """Return the costs of the context's step as metadata, and forget them."""
        return readable(self._by_step.pop((context.run_id, context.step_key), {}))

    @contextmanager
    def _measuring(self, step: tuple[str, str], kind: str) -> Iterator[None]:
        from model2_assets.training import measure_resources

        costs = self._by_step[step]
        with measure_resources() as usage:
            yield
        costs[kind] += usage.seconds
        costs["io_peak_rss_mb"] = max(costs["io_peak_rss_mb"], usage.peak_rss_bytes / 1e6)


def recorded_costs(results: "RecordedResults") -> "pd.DataFrame":
    """Return what the latest materialization of every asset and partition cost.

    Parameters
    ----------
    results : RecordedResults
        Of the region.

    Returns
    -------
    DataFrame of shape (n_results, 6)
        Columns of `model2_assets.costs.COLUMNS`, assets in the order of the graph. Costs are
        NaN where the event log does not know them; partitions that were never made have a
        row all the same.
    """
    import pandas as pd

    from model2_assets.costs import COLUMNS

    rows = []
    for key in results.specs:
        made = results.latest(key)
        for partition in results.partition_keys if key in results.partitioned else (None,):
            costs = made[partition].numbers if partition in made else {}
            peaks = [costs[name] for name in ("peak_rss_mb", "io_peak_rss_mb") if name in costs]
            rows.append(
                {
                    "asset": key.path[-1],
                    "partition": partition or "",
                    **{name: costs.get(name) for name in COLUMNS if name.endswith("seconds")},
                    "peak_rss_mb": max(peaks, default=None),
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(COLUMNS[2:], "float64"))
