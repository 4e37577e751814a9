"""Errors that came from refused memory, by whatever way."""

import io
from collections.abc import Callable

import pyarrow as pa
import pytest
from xgboost.core import XGBoostError

from model2_assets.errors import StoreError, TrainingError, lack_of_memory
from model2_assets.storage.codecs import readable_parquet


def caught(work: Callable[[], None]) -> Exception:
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError("it raised nothing")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 3 TiB"),
        pa.lib.ArrowMemoryError("malloc of size 64 failed"),
        XGBoostError("[10:00:00] bad_malloc: Failed to allocate 64 bytes."),
        XGBoostError("std::bad_alloc"),
    ],
)
def test_every_library_in_use_is_understood(error: Exception) -> None:
    assert lack_of_memory(error) == str(error)


def test_a_file_that_memory_did_not_suffice_to_read_is_not_called_damaged() -> None:
    def read() -> None:
        with readable_parquet("a.parquet"):
            raise pa.lib.ArrowMemoryError("malloc of size 64 failed")

    error = caught(read)
    assert not isinstance(error, StoreError)
    assert lack_of_memory(error) == "malloc of size 64 failed"


def test_an_error_that_was_made_of_it_does_not_hide_it() -> None:
    def fit() -> None:
        try:
            raise XGBoostError("std::bad_alloc")
        except XGBoostError as error:
            raise TrainingError(f"21d fold 3: {error}") from error

    assert lack_of_memory(caught(fit)) == "std::bad_alloc"


def test_an_error_on_the_way_out_of_another_does_not_hide_it() -> None:
    def start() -> None:
        try:
            raise MemoryError("no arena")
        except MemoryError:
            io.BytesIO().no_such  # noqa: B018

    assert lack_of_memory(caught(start)) == "no arena"


def test_other_errors_are_no_lack_of_memory() -> None:
    def leave_behind() -> None:
        try:
            raise MemoryError
        except MemoryError:
            raise ValueError("too small") from None

    assert lack_of_memory(caught(leave_behind)) is None
    assert lack_of_memory(XGBoostError("parameter max_depth must be an integer")) is None
    assert lack_of_memory(OSError(28, "No space left on device")) is None
    assert lack_of_memory(None) is None
