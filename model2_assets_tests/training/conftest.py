"""Fixtures of the trainers' tests."""

import logging

import pytest

from model2_assets.training import FoldCheckpoints
from model2_assets_tests.training.interrupted import PARTITION


@pytest.fixture
def folder(tmp_path):
    return FoldCheckpoints(tmp_path / "fold_checkpoints", PARTITION, code_version="c1")


@pytest.fixture
def log(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("model2_assets"), "propagate", True)
    caplog.set_level(logging.INFO, logger="model2_assets")
    return caplog
