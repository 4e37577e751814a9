"""The Dagster code location: every region of the configuration, built once at import."""

from model2_assets.config import load_config
from model2_assets.defs.build import build_definitions
from model2_assets.storage import default_store

defs = build_definitions(load_config(), default_store())
