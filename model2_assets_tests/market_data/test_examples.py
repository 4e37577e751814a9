import doctest
import importlib
import pkgutil

import pytest

import model2_assets.market_data as package

MODULES = [
    *(f"{package.__name__}.{module.name}" for module in pkgutil.iter_modules(package.__path__)),
    "model2_assets.labels",
    "model2_assets.config.load",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
