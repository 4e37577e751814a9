import threading

import pytest

from model2_assets.features.kernels import compiled, for_each_chunk


@pytest.mark.parametrize("n_threads", [1, 2, 9, None])
def test_chunks_cover_every_item_once(n_threads):
    seen, lock = [], threading.Lock()

    def task(first, stop):
        with lock:
            seen.append((first, stop))

    for_each_chunk(task, 10, chunk_size=4, n_threads=n_threads)
    assert sorted(seen) == [(0, 4), (4, 8), (8, 10)]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_an_error_in_a_chunk_reaches_the_caller(n_threads):
    def task(first, stop):
        raise ValueError(f"chunk {first}")

    with pytest.raises(ValueError, match="chunk 0"):
        for_each_chunk(task, 10, chunk_size=4, n_threads=n_threads)


def test_no_items_no_calls():
    for_each_chunk(lambda first, stop: pytest.fail("called"), 0, chunk_size=4, n_threads=2)


def test_kernels_compile_where_no_cache_can_be_written():
    # Source that lies in no file has no place for a cache, like a read-only installation.
    scope = {}
    exec("def double(x):\n    return 2.0 * x", scope)
    assert compiled(scope["double"])(1.5) == 3.0


def test_division_by_zero_follows_ieee_754():
    scope = {}
    exec("def divide(x, y):\n    return x / y", scope)
    assert compiled(scope["divide"])(1.0, 0.0) == float("inf")
