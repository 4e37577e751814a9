"""What is on disk, read again and checked afresh: every predicate that needs no refit.

The controls on permuted labels and the check of determinism refit models, so they run where
a result is made, and not here.
"""

from model2_assets.stored_checks._evaluate import (
    evaluate_stored,
    read_back,
    read_back_predictions,
    reproduce_stored,
    verdict_of,
)
from model2_assets.stored_checks._files import StoredFiles
from model2_assets.stored_checks._registry import PREDICATES, Predicates

__all__ = [
    "PREDICATES",
    "Predicates",
    "StoredFiles",
    "evaluate_stored",
    "read_back",
    "read_back_predictions",
    "reproduce_stored",
    "verdict_of",
]
