"""Errors that came from refused memory, by whatever way."""

import io
from collections.abc import Callable

from model2_assets.errors import StoreError, TrainingError, lack_of_memory
from model2_assets.storage.codecs import readable_parquet


def caught(work: Callable[[], None]) -> Exception:
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError("it raised nothing")


def test_a_file_that_memory_did_not_suffice_to_read_is_not_called_damaged() -> None:
    def read() -> None:
        with readable_parquet("a.parquet"):
            raise OSError("ZSTD_DCtx create failed")

    error = caught(read)
    assert not isinstance(error, StoreError)
    assert lack_of_memory(error) == "ZSTD_DCtx create failed"


def test_an_error_that_was_made_of_it_does_not_hide_it() -> None:
    def fit() -> None:
        try:
            raise OSError("ZSTD_DCtx create failed")
        except OSError as error:
            raise TrainingError(f"21d fold 3: {error}") from error

    assert lack_of_memory(caught(fit)) == "ZSTD_DCtx create failed"


def test_an_error_on_the_way_out_of_another_does_not_hide_it() -> None:
    def start() -> None:
        try:
            raise RuntimeError("can't start new thread")
        except RuntimeError:
            io.BytesIO().no_such  # noqa: B018

    assert lack_of_memory(caught(start)) == "can't start new thread"


def test_other_errors_are_no_lack_of_memory() -> None:
    def leave_behind() -> None:
        try:
            raise MemoryError
        except MemoryError:
            raise ValueError("too small") from None

    assert lack_of_memory(caught(leave_behind)) is None
    assert lack_of_memory(OSError(28, "No space left on device")) is None
    assert lack_of_memory(None) is None
