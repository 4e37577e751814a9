"""Features made block by block have the bits that they have in memory."""

import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from model2_assets import panel as panel_module
from model2_assets.features import blocks, build_features_from_config
from model2_assets.features.blocks import new_matrix
from model2_assets.panel import HISTORY
from model2_assets_tests.features.sample_panels import random_panel, same_bits


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(panel_module, "PART_ROWS", 300)
    monkeypatch.setattr(blocks, "PART_ROWS", 250)
    monkeypatch.setattr(blocks, "_RUN_ROWS", 50)


@pytest.fixture(scope="module")
def panel():
    """Return a panel with gaps, missing values, names outside the universe and two histories."""
    panel = random_panel(17, 90, seed=3, missing=0.03, gaps=0.04)
    dates = panel.index.get_level_values("datetime")
    names = panel.index.get_level_values("instrument")
    panel["in_universe"] = ~((names == "S003") | ((names == "S004") & (dates < "2019-03-01")))
    panel[HISTORY] = 1 + ((names == "S005") & (dates > "2019-02-20")).astype(int)
    return panel


def as_pickled(task, items):
    """Run tasks as another process would: what they are told is pickled."""
    return (task(pickle.loads(pickle.dumps(item))) for item in items)


@pytest.mark.parametrize("run", [None, as_pickled])
@pytest.mark.parametrize("normalization", ["rank", "zscore", "none"])
def test_blocks_have_the_bits_of_memory(panel, tmp_path, normalization, run):
    config = {"normalization": normalization, "min_history_bars": 20}
    made = build_features_from_config(panel, config, scratch=tmp_path, run=run)
    expected = build_features_from_config(panel, config)
    assert same_bits(made, expected)
    assert made.attrs == expected.attrs


def test_a_panel_is_cut_into_several_blocks_and_parts(panel, tmp_path):
    seen = []

    def run(task, items):
        items = list(items)
        seen.append((task.__name__, items))
        return map(task, items)

    made = build_features_from_config(panel, {"min_history_bars": 20}, scratch=tmp_path, run=run)
    (first, cut), (second, parts) = seen
    assert (first, second) == ("compute_block", "compute_part")
    bars = [(block.bars.start, block.bars.stop) for block in cut]
    assert len(bars) > 4
    assert (bars[0][0], bars[-1][1]) == (0, len(panel))
    assert all(left[1] == right[0] for left, right in pairwise(bars))
    assert all(stop - start <= 250 for start, stop in bars)
    assert [part.first for part in parts] == [
        part.start for part in panel_module.date_parts(made.index)
    ]
    assert len(parts) > 3


def test_only_the_matrix_and_the_bars_stay(panel, tmp_path):
    build_features_from_config(panel, {}, scratch=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "bars.npy",
        "targets.npy",
        "features.npy",
    }


def test_features_of_ones_own_are_joined_in_a_file(panel, tmp_path):
    path = tmp_path / "own.parquet"
    rows = panel.reset_index()[["instrument", "datetime"]].assign(pe=np.arange(float(len(panel))))
    rows.to_parquet(path)
    config = {"extra": [{"path": str(path), "columns": {"pe": "pe"}}], "min_history_bars": 20}
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    made = build_features_from_config(panel, config, scratch=scratch)
    assert same_bits(made, build_features_from_config(panel, config))
    assert (scratch / "features-and-extra.npy").exists()


def test_a_disk_without_room_is_an_error_and_no_signal(tmp_path):
    with pytest.raises(OSError, match=r"too large|No space"):
        new_matrix(tmp_path / "huge.npy", (2**40, 158))


def test_an_empty_block_has_no_rows(tmp_path):
    assert new_matrix(tmp_path / "none.npy", (0, 5)).shape == (0, 5)
    assert pd.isna(np.load(tmp_path / "none.npy")).sum() == 0
