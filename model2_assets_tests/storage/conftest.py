import uuid
from pathlib import Path

import pytest

from model2_assets.storage import Store


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Return a store that keeps three versions, on disk and in memory."""
    base = tmp_path if request.param == "local" else f"memory://{uuid.uuid4().hex}"
    return Store(str(base), keep_versions=3)
