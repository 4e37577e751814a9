"""Whether every partition is on disk, and can be read."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from model2_assets.errors import Model2Error
from model2_assets.gate._results import one_line
from model2_assets.storage import Address, Store


@dataclass(frozen=True)
class StoredPartition:
    """One partition of a region, as it is on disk.

    Attributes
    ----------
    region : str
        Such as ``us``.
    partition : str
        Such as ``21d|ridge``.
    problems : tuple of str
        For each product that is not there or cannot be read its name, a colon, and why.
    """

    region: str
    partition: str
    problems: tuple[str, ...] = ()

    @property
    def is_missing(self) -> bool:
        """Whether any of its products is not there or cannot be read."""
        return bool(self.problems)

    def __str__(self) -> str:
        """Return its name in a message."""
        return f"partition {self.region} {self.partition}"

    @property
    def reason(self) -> str:
        """What is wrong with the first product, and which others are; empty where none is."""
        if not self.problems:
            return ""
        first, *others = self.problems
        names = ", ".join(problem.partition(":")[0] for problem in others)
        return one_line(f"{first}; missing or damaged too: {names}" if others else first)


def look_at_partitions(
    store: Store,
    region: str,
    partitions: Iterable[tuple[str, str]],
    *,
    assets: Collection[str],
) -> tuple[StoredPartition, ...]:
    """Read every product of every partition.

    Parameters
    ----------
    store : Store
        Where results are; nothing is written.
    region : str
        Its name.
    partitions : iterable of (str, str)
        Horizon and model of each.
    assets : collection of str
        Products that each must have.

    Returns
    -------
    tuple of StoredPartition
        In the order given.
    """
    return tuple(
        StoredPartition(
            region,
            f"{horizon}|{model}",
            tuple(
                f"{asset}: {problem}"
                for asset in assets
                if (problem := _problem(store, Address(region, asset, horizon, model)))
            ),
        )
        for horizon, model in partitions
    )


def _problem(store: Store, address: Address) -> str:
    try:
        store.verify(address)
    except (Model2Error, OSError) as error:
        return str(error)
    return ""
