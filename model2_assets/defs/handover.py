"""A result on its way from a step to the store."""

from typing import Any


class Handover:
    """Holds a result until the IO manager takes it.

    A run within one process keeps the outputs of all its steps in memory till it ends
    (``execute_in_process`` captures them). What it keeps of a taken result is this, empty.

    Parameters
    ----------
    value : object
        The result.
    """

    def __init__(self, value: Any) -> None:
        self._value = value

    def take(self) -> Any:
        """Return the result, and let go of it."""
        value, self._value = self._value, None
        return value
