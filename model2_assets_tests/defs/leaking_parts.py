"""Parts whose errors and log lines tell a secret, as those of some libraries do."""

import logging
import os
from typing import Any

import pandas as pd
from fsspec import register_implementation
from fsspec.implementations.memory import MemoryFileSystem

from model2_assets.config import LabelsConfig

PROTOCOL = "leaking"
VARIABLE = "FSSPEC_LEAKING_SECRET"


class LeakingFileSystem(MemoryFileSystem):
    """A store that refuses its key, and says which."""

    protocol = PROTOCOL
    store: dict[str, Any] = {}  # noqa: RUF012 -- fsspec's own way
    pseudo_dirs = [""]  # noqa: RUF012

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        key = os.environ[VARIABLE]
        raise PermissionError(f"403 for https://user:{key}@{path}?X-Amz-Signature={key}")

    def isfile(self, path: str) -> bool:
        return bool(self.info(path))


def register() -> None:
    register_implementation(PROTOCOL, LeakingFileSystem, clobber=True)


def leaking_labels(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    """Fail by an error that came from one that tells the secret."""
    url = os.environ["DAGSTER_POSTGRES_URL"]
    logging.getLogger("model2_assets.mine").warning("connecting to %s", url)
    try:
        raise OSError(f"connection to {url} refused")
    except OSError as error:
        raise RuntimeError("no labels today") from error
