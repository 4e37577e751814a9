"""Where results are."""

import os
from pathlib import Path

from upath import UPath

from model2_assets.errors import ConfigError
from model2_assets.files import is_local
from model2_assets.redaction import NO_SECRET_IN_URLS, url_carries_secret

STORAGE_VARIABLE = "MODEL2_STORAGE"


def repository_root() -> Path | None:
    """Return the checkout that the package runs from; None if it is installed."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "dagster.yaml").is_file() else None


def default_base() -> UPath:
    """Return the base path of this environment.

    The environment variable ``MODEL2_STORAGE``, else ``data/`` in the repository, else
    ``data/`` in ``DAGSTER_HOME``, else ``data/`` in the working directory.
    """
    chosen = os.environ.get(STORAGE_VARIABLE)
    if chosen:
        return open_base(chosen)
    root = repository_root()
    return UPath(root or os.environ.get("DAGSTER_HOME") or Path.cwd()) / "data"


def open_base(base: str | UPath) -> UPath:
    """Return a base path, a local one made absolute.

    Raises
    ------
    ConfigError
        If nothing installed can open such a URL, or it carries a secret.
    """
    if url_carries_secret(str(base)):
        raise ConfigError(f"{STORAGE_VARIABLE}: {NO_SECRET_IN_URLS}")
    try:
        path = UPath(base)
        return path.expanduser().absolute() if is_local(path) else path
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"storage {base}: cannot be opened ({error}); correct {STORAGE_VARIABLE}, or install "
            f"the fsspec file system that it needs"
        ) from error
