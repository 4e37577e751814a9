"""What tasks of worker processes have in common, whatever they do."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from mmap import MADV_DONTNEED, mmap
from threading import Thread
from typing import Any
from uuid import uuid4
from weakref import WeakSet

from numpy.typing import NDArray
from upath import UPath

from model2_assets.engines.engine import Engine
from model2_assets.storage import WORKING

_PAGES_STAY_S = 0.1


@dataclass(frozen=True, eq=False)
class Workers:
    """An engine whose workers do one piece of work together.

    Attributes
    ----------
    engine : Engine
        Of processes that share nothing with this one but the store.
    base : str
        Folder or URL of the store, below which all see the files of their work.
    """

    engine: Engine
    base: str

    @contextmanager
    def scratch(self) -> Iterator[UPath]:
        """Make a folder that all workers see, and remove it when the block is left."""
        folder = UPath(self.base) / WORKING / f"workers-{uuid4().hex}"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            yield folder
        finally:
            if folder.exists():
                folder.fs.rm(folder.path, recursive=True)


_mapped: "WeakSet[mmap]" = WeakSet()


def give_pages_back(values: NDArray[Any]) -> None:
    """Have the pages of a mapped file leave this process soon after they were read.

    They stay in the system's cache, and are read from there; but Dask counts them as memory of
    the worker, which it would end. An array that is not mapped stays as it is.
    """
    file: Any = values
    while file is not None and not isinstance(file, mmap):
        file = getattr(file, "base", None)
    if file is not None:
        _mapped.add(file)
        _start_giving_back()


@cache
def _start_giving_back() -> None:
    def give_back() -> None:
        while True:
            time.sleep(_PAGES_STAY_S)
            for file in list(_mapped):
                file.madvise(MADV_DONTNEED)

    Thread(target=give_back, name="give_pages_back", daemon=True).start()
