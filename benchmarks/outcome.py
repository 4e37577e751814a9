"""What a measured program hands back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(eq=False)
class Outcome:
    """Phases, facts and arrays of one run of a program.

    Attributes
    ----------
    phases : dict of str to float
        Wall seconds of each phase, in order.
    facts : dict of str to object
        JSON-able facts, such as digests of trees.
    arrays : dict of str to ndarray
        What other programs' results are compared with.
    """

    phases: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the wall time of a block to the phase of this name."""
        started = time.perf_counter()
        yield
        self.phases[name] = self.phases.get(name, 0.0) + time.perf_counter() - started


def prediction_name(horizon: str) -> str:
    """Return the name of the array of out-of-fold predictions: float64, canonical order."""
    return f"prediction_{horizon}"


def as_predictions(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return predictions as all programs hand them back."""
    return np.ascontiguousarray(values, dtype=np.float64)
