"""Tables of the smallest market, made once."""

from pathlib import Path

import pytest

from benchmarks.inputs import Inputs, prepare


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benchmarks")


@pytest.fixture(scope="session")
def inputs(cache: Path) -> Inputs:
    return prepare("XS", 0, cache, trees=3)
