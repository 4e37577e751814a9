"""The examples of every docstring hold."""

import doctest
import importlib
import pkgutil

import pytest

import model2_assets

MODULES = [
    module.name
    for module in pkgutil.walk_packages(model2_assets.__path__, "model2_assets.")
    if module.name != "model2_assets.definitions"  # reads the configuration of the environment
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
