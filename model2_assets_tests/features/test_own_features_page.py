"""The example of docs/own_features.md gives what the page says."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from model2_assets.config import FeaturesConfig
from model2_assets.features import build_features_from_config

PAGE = Path(__file__).parents[2] / "docs" / "own_features.md"


def test_the_example_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = PAGE.read_text(encoding="utf-8")
    blocks = dict(re.findall(r"```(\w+)\n(.*?)```", page, flags=re.DOTALL))
    monkeypatch.chdir(tmp_path)
    Path("fundamentals.csv").write_text(blocks["text"], encoding="utf-8")
    section = yaml.safe_load(blocks["yaml"])["regions"]["us"]["features"]
    said = re.findall(r"\| (\d{4}-\d\d-\d\d) \| ([\d.]*) ?\| ([\d.]*) ?\|", page)
    wanted = pd.DataFrame(said, columns=["datetime", "AAA", "BBB"]).set_index("datetime")
    dates = pd.to_datetime(wanted.index).as_unit("us")
    index = pd.MultiIndex.from_product([["AAA", "BBB"], dates], names=["instrument", "datetime"])
    panel = pd.DataFrame({"close": np.arange(10.0, 20.0)}, index=index)

    found = build_features_from_config(panel, {**section, "min_history_bars": 0})["pe"]

    assert len(said) == 5
    for name, values in wanted.replace("", "nan").astype("float32").items():
        np.testing.assert_array_equal(found[name], values)
    defaults = FeaturesConfig.model_validate({"extra": [{"path": "a.csv", "columns": ["pe"]}]})
    assert section["extra"][0]["max_age_days"] == defaults.extra[0].max_age_days
    assert section["session_close"] == defaults.session_close
