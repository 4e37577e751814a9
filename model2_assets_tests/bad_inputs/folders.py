"""Folders that anyone may enter, as a user without rights must."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder that every user may enter, and remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="bad_inputs_") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
