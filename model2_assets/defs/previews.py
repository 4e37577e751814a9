"""Features of Dagster that are in preview and used on purpose."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

ACCEPTED_PREVIEWS = (r"Specifying a partitions_def on an AssetCheckSpec is currently in preview",)
"""Starts of the warnings' messages. Check results per partition need it: without, the
result of the last partition overwrites the others'."""


@contextmanager
def accepted_previews() -> Iterator[None]:
    """Silence the warnings of the accepted previews, and no others."""
    with warnings.catch_warnings():
        for message in ACCEPTED_PREVIEWS:
            warnings.filterwarnings("ignore", message=message, category=dg.PreviewWarning)
        yield
