"""The Dagster code location: every region of the configuration, built once at import."""

import sys

from model2_assets.config import load_config
from model2_assets.defs.build import build_definitions
from model2_assets.storage import default_store

_store = default_store()
print(f"results: {_store.base}", file=sys.stderr)

defs = build_definitions(load_config(), _store)
