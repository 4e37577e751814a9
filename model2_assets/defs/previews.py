"""Features of Dagster that are in preview or beta and used on purpose."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

ACCEPTED_PREVIEWS = {
    "Specifying a partitions_def on an AssetCheckSpec is currently in preview": dg.PreviewWarning,
    "Parameter `use_user_code_server` of initializer": dg.BetaWarning,
    "Parameter `execution_type` of function `AssetsDefinition.__init__`": dg.BetaWarning,
}
"""Starts of the warnings' messages, and their kinds.

Check results per partition need the first: without, the result of the last partition
overwrites the others'. Conditions of our own, and with them the nightly retrain, need the
second. The third is Dagster's own doing where a check is given a hook.
"""


@contextmanager
def accepted_previews() -> Iterator[None]:
    """Silence the warnings of the accepted previews, and no others."""
    with warnings.catch_warnings():
        for message, category in ACCEPTED_PREVIEWS.items():
            warnings.filterwarnings("ignore", message=message, category=category)
        yield
