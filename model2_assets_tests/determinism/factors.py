"""What differs between two retrains of the same data by the same code."""

import locale
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Launcher = Literal["retrain", "materialize", "ui"]

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Factor:
    """One deviation from the plain retrain.

    Attributes
    ----------
    name : str
        What it is called in the matrix.
    environment : mapping of str to str
        Environment variables of the process.
    execution : mapping
        Section ``execution`` of the configuration.
    market : str
        Form of the market data, one of `market.FORMS`.
    launcher : {"retrain", "materialize", "ui"}
        ``model2 retrain``, ``dagster asset materialize``, or a backfill that the web server
        is asked for and the daemon executes.
    needs_locale : str
        Locale without which the factor means nothing.
    """

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    execution: Mapping[str, Any] = field(default_factory=dict)
    market: str = "parquet"
    launcher: Launcher = "retrain"
    needs_locale: str = ""

    @property
    def is_possible(self) -> bool:
        """Whether this machine has the locale."""
        return not self.needs_locale or _is_installed(self.needs_locale)


PLAIN = Factor("plain")

EVERYTHING = Factor(
    "all of these at once",
    environment={
        "PYTHONHASHSEED": "1",
        "TZ": "Asia/Tokyo",
        "LC_ALL": "C",
        **dict.fromkeys(THREADS, "1"),
    },
    execution={"n_jobs": 1},
    market="csv, rows shuffled",
)
"""What the matrix takes apart, in one retrain."""

FACTORS = (
    Factor("process started again"),
    Factor("PYTHONHASHSEED=0", {"PYTHONHASHSEED": "0"}),
    Factor("PYTHONHASHSEED=1", {"PYTHONHASHSEED": "1"}),
    Factor("PYTHONHASHSEED=random", {"PYTHONHASHSEED": "random"}),
    Factor("1 thread in every library", dict.fromkeys(THREADS, "1")),
    Factor("2 threads in every library", dict.fromkeys(THREADS, "2")),
    Factor("execution.n_jobs 1", execution={"n_jobs": 1}),
    Factor("execution.n_jobs 2", execution={"n_jobs": 2}),
    Factor("TZ=Asia/Tokyo", {"TZ": "Asia/Tokyo"}),
    Factor("TZ=America/St_Johns", {"TZ": "America/St_Johns"}),
    Factor("LC_ALL=C", {"LC_ALL": "C"}),
    Factor("LC_ALL=C.UTF-8", {"LC_ALL": "C.UTF-8"}, needs_locale="C.UTF-8"),
    Factor("LC_ALL=de_DE.UTF-8", {"LC_ALL": "de_DE.UTF-8"}, needs_locale="de_DE.UTF-8"),
    Factor("Parquet, rows shuffled", market="parquet, rows shuffled"),
    Factor("Parquet, columns shuffled", market="parquet, columns shuffled"),
    Factor("CSV, rows shuffled", market="csv, rows shuffled"),
    Factor("dagster asset materialize", launcher="materialize"),
    Factor("web server and daemon", launcher="ui"),
    EVERYTHING,
)


def _is_installed(name: str) -> bool:
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, name)
    except locale.Error:
        return False
    finally:
        locale.setlocale(locale.LC_ALL, before)
    return True
