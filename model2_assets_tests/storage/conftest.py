import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from model2_assets.storage import Store
from model2_assets_tests.storage.buckets import s3_server


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Run a server of the S3 protocol; return its URL."""
    with s3_server() as url:
        yield url


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Return a store that keeps three versions, on disk and in memory."""
    base = tmp_path if request.param == "local" else f"memory://{uuid.uuid4().hex}"
    return Store(str(base), keep_versions=3)
