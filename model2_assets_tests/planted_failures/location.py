"""A code location in which the failures are planted; see `planting`."""

from model2_assets.config import load_config
from model2_assets.defs.build import build_definitions
from model2_assets.storage import default_store
from model2_assets_tests.planted_failures.planting import plant_as_configured

plant_as_configured()
defs = build_definitions(load_config(), default_store())
