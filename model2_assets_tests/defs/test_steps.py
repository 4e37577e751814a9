"""How a step calls the core: its errors as a person reads them, and what it costs."""

import errno
import time
from collections.abc import Iterator

import dagster as dg
import numpy as np
import pytest
from pyarrow.lib import ArrowMemoryError

from model2_assets.defs.steps import measured, stored_errors
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


MEGABYTES = 300


def test_a_body_says_what_it_cost_until_it_hands_its_result_on() -> None:
    @measured
    def body(context: object) -> Iterator[object]:
        np.ones(MEGABYTES * 1_000_000 // 8).sum()
        yield dg.MaterializeResult(metadata={"rows": 3}, data_version=dg.DataVersion("v"))
        time.sleep(0.05)
        yield dg.AssetCheckResult(passed=True, check_name="good")

    started = time.monotonic()
    result, check = body(dg.build_asset_context())
    elapsed = time.monotonic() - started

    assert isinstance(result, dg.MaterializeResult)
    assert result.data_version == dg.DataVersion("v")
    assert result.metadata is not None
    assert set(result.metadata) == {"rows", "seconds", "peak_rss_mb"}
    assert 0 < result.metadata["seconds"] <= (elapsed - 0.05) * (1 + 1e-5)
    assert result.metadata["peak_rss_mb"] > MEGABYTES
    assert isinstance(check, dg.AssetCheckResult)
