"""A ``model2`` that stays in one of its functions for two minutes, to be stopped there.

``python -m model2_assets_tests.signals.child MODULE:FUNCTION WAY FILE ARGUMENTS…``; the file
appears when it is there. Nothing else is changed: signals find the command as it is.
"""

import hashlib
import multiprocessing
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import joblib

from model2_assets.cli.main import main

SECONDS = 120


def in_python() -> None:
    time.sleep(SECONDS)


def in_native_code() -> None:
    """Stay in a call of C that neither returns nor holds the interpreter's lock."""
    hashlib.pbkdf2_hmac("sha256", b"", b"", 500_000_000)


def in_joblib_workers() -> None:
    joblib.Parallel(n_jobs=2)(joblib.delayed(time.sleep)(SECONDS) for _ in range(2))


def in_pool_workers() -> None:
    with multiprocessing.Pool(2) as pool:
        pool.map(time.sleep, [SECONDS] * 2)


def a_moment() -> None:
    time.sleep(0.2)


WAYS = {
    way.__name__: way
    for way in (in_python, in_native_code, in_joblib_workers, in_pool_workers, a_moment)
}


def stay_in(place: str, way: str, told: Path) -> None:
    """Stay before the function each time that it is called, and tell of it."""
    module, name = place.split(":")
    owner = import_module(module)
    function = getattr(owner, name)

    def staying(*args: Any, **options: Any) -> Any:
        told.touch()
        WAYS[way]()
        return function(*args, **options)

    setattr(owner, name, staying)


if __name__ == "__main__":
    where, how, file, *arguments = sys.argv[1:]
    if where:
        stay_in(where, how, Path(file))
    sys.argv = ["model2", *arguments]
    os.environ.setdefault("LOKY_MAX_CPU_COUNT", "2")
    main()
