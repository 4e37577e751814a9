"""How a step calls the core: its errors as a person reads them."""

import errno

import dagster as dg
import pytest
from pyarrow.lib import ArrowMemoryError

from model2_assets.defs.steps import stored_errors
from model2_assets.errors import StoreError


def damaged_by(cause: Exception) -> StoreError:
    error = StoreError("a.parquet: not a readable Parquet file")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            MemoryError("Unable to allocate 8 GiB"),
            "out of memory (Unable to allocate 8 GiB): lower",
        ),
        (
            damaged_by(ArrowMemoryError("malloc of size 64 failed")),
            "out of memory (malloc of size 64 failed): lower execution.n_jobs",
        ),
        (
            damaged_by(MemoryError("realloc of size 8 failed")),
            "out of memory (realloc of size 8 failed): lower execution.n_jobs",
        ),
        (OSError(errno.EIO, "Input/output error", "a.csv"), "the system refuses: [Errno 5] Input/"),
    ],
)
def test_what_the_system_refuses_a_step_is_one_sentence(error: Exception, sentence: str) -> None:
    with pytest.raises(dg.Failure) as found, stored_errors():
        raise error
    assert found.value.description is not None
    assert found.value.description.startswith(sentence)
    assert found.value.description.endswith("the last good result stays")


def test_a_fault_of_the_program_keeps_its_stack_trace() -> None:
    with pytest.raises(ZeroDivisionError), stored_errors():
        raise ZeroDivisionError
