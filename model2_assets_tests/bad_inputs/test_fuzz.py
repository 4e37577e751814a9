"""Whatever is fed in, only the project's own errors come out."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from model2_assets.config import MarketDataConfig, load_config, parse_config
from model2_assets.errors import ConfigError, MarketDataError, Model2Error
from model2_assets.market_data import load_market_data, synthetic_panel, validate_panel
from model2_assets_tests.bad_inputs.bars import GOOD, table
from model2_assets_tests.bad_inputs.case import as_bytes
from model2_assets_tests.bad_inputs.fuzzing import (
    DOCUMENTS,
    csv_texts,
    frames,
    fuzz,
    market_settings,
    mutated_bytes,
    mutated_configs,
    parsed,
    texts,
)


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def assert_tells(error: Model2Error) -> None:
    """Every line of a message names the culprit, can be printed, and is no book."""
    lines = str(error).split("\n")
    assert all(line.strip() and line.isprintable() and len(line) < 1500 for line in lines), lines


def assert_usable(panel: pd.DataFrame) -> None:
    numbers = panel.select_dtypes("number").to_numpy()
    assert len(panel)
    assert panel["close"].notna().all()
    assert not np.isinf(numbers).any()
    assert panel.index.is_unique


@fuzz(60)
@given(mutated_configs())
def test_changed_configurations(values):
    try:
        parsed(parse_config(values, origin="mine.yaml"))
    except ConfigError as error:
        assert_tells(error)


@fuzz(30)
@given(DOCUMENTS)
def test_documents_that_are_no_configuration(values):
    try:
        parsed(parse_config(values, origin="mine.yaml"))
    except ConfigError as error:
        assert_tells(error)


_DEFAULTS = yaml.safe_dump(parse_config({}).model_dump(mode="json")).encode()


@fuzz(60)
@given(st.one_of(mutated_bytes(_DEFAULTS), st.binary(max_size=60), texts()))
def test_bytes_of_a_configuration(tmp_path_factory, content):
    path = _file(tmp_path_factory, "mine.yaml", content)
    try:
        parsed(load_config(path))
    except ConfigError as error:
        assert_tells(error)


def _file(factory: pytest.TempPathFactory, name: str, content: bytes) -> Path:
    path = factory.getbasetemp() / name
    path.write_bytes(content)
    return path


def _load(source: str, path: Path) -> None:
    try:
        assert_usable(load_market_data(MarketDataConfig(source=source, path=str(path))).panel)
    except MarketDataError as error:
        assert_tells(error)


@fuzz(60)
@given(st.one_of(csv_texts(), mutated_bytes(GOOD.encode()), st.binary(max_size=80)))
def test_csv_files(tmp_path_factory, content):
    _load("csv", _file(tmp_path_factory, "bars.csv", content))


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zip"])
@fuzz(10)
@given(content=st.data())
def test_compressed_csv_files(tmp_path_factory, suffix, content):
    whole = _compressed(suffix)
    changed = content.draw(st.one_of(mutated_bytes(whole), st.binary(max_size=80)))
    _load("csv", _file(tmp_path_factory, f"bars.csv.{suffix}", changed))


def _compressed(suffix: str) -> bytes:
    import bz2
    import gzip
    import io
    import lzma
    import zipfile

    if suffix == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bars.csv", GOOD)
        return buffer.getvalue()
    compress = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[suffix]
    return compress(GOOD.encode())


@fuzz(80)
@given(st.one_of(mutated_bytes(as_bytes(table())), st.binary(max_size=80)))
def test_parquet_files(tmp_path_factory, content):
    _load("parquet", _file(tmp_path_factory, "bars.parquet", content))


@fuzz(80)
@given(frames())
def test_tables(frame):
    try:
        assert_usable(validate_panel(frame)[0])
    except MarketDataError as error:
        assert_tells(error)


@fuzz(30)
@given(market_settings())
def test_settings_of_the_generated_market(settings):
    try:
        assert_usable(validate_panel(synthetic_panel(**settings))[0])
    except (ConfigError, MarketDataError) as error:
        assert_tells(error)
