import os
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest

from model2_assets.config import MarketDataConfig
from model2_assets.errors import MarketDataError
from model2_assets.market_data.files import file_stamps
from model2_assets_tests.market_data.small_bars import BARS, PANEL, assert_refused, load


def csv(path: str, **settings: str) -> MarketDataConfig:
    return MarketDataConfig(source="csv", path=path, **settings)


def put(path: Path, text: str, *, changed: float = 1_000.0) -> None:
    path.write_text(text, encoding="utf-8")
    os.utime(path, (changed, changed))


@pytest.mark.parametrize("source", ["demo", "synthetic"])
def test_source_without_files_has_none(source: str) -> None:
    assert file_stamps(MarketDataConfig(source=source)) == {}


def test_same_files_have_the_same_file_stamps(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", "1")
    put(tmp_path / "b.csv", "2")

    first = file_stamps(csv(f"{tmp_path}/*.csv"))

    assert first == file_stamps(csv(f"{tmp_path}/*.csv"))
    assert len(first) == 2


@pytest.mark.parametrize("path", ["a.csv", "", "*.csv"])
@pytest.mark.parametrize(("text", "changed"), [("12", 1_000.0), ("2", 1_001.0)])
def test_size_or_time_of_change_tell(tmp_path: Path, path: str, text: str, changed: float) -> None:
    put(tmp_path / "a.csv", "1")
    config = csv(str(tmp_path / path))
    before = file_stamps(config)

    put(tmp_path / "a.csv", text, changed=changed)

    assert file_stamps(config) != before


def test_added_and_renamed_files_tell(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", "1")
    one = file_stamps(csv(str(tmp_path)))
    put(tmp_path / "b.csv", "1")
    two = file_stamps(csv(str(tmp_path)))
    (tmp_path / "a.csv").unlink()
    other = file_stamps(csv(str(tmp_path)))

    assert one != other
    assert [len(one), len(two), len(other)] == [1, 2, 1]


def test_files_that_are_not_read_do_not_tell(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", "1")
    before = file_stamps(csv(str(tmp_path)))
    put(tmp_path / "notes.txt", "1")

    assert file_stamps(csv(str(tmp_path))) == before


def test_universe_tells_too(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", "1")
    put(tmp_path / "members.parquet", "1")
    config = csv(str(tmp_path / "a.csv"), universe=str(tmp_path / "members.parquet"))
    before = file_stamps(config)
    put(tmp_path / "members.parquet", "12")

    assert file_stamps(config) != before
    assert len(before) == 2


def test_object_store_is_looked_at_afresh() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/fingerprint/a.csv", b"1")
    config = csv("memory://fingerprint/*.csv")
    before = file_stamps(config)
    memory.pipe("/fingerprint/a.csv", b"2")

    assert file_stamps(config) != before


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match=r"a\.csv: no such file"):
        file_stamps(csv(str(tmp_path / "a.csv")))
    put(tmp_path / "a.csv", "1")
    with pytest.raises(MarketDataError, match=r"correct market_data\.universe"):
        file_stamps(csv(str(tmp_path / "a.csv"), universe=str(tmp_path / "absent.csv")))


@pytest.mark.parametrize("source", ["csv", "parquet"])
def test_one_file_per_instrument_by_glob_and_by_folder(tmp_path, source):
    for name, own in BARS.groupby("instrument"):
        table = own.drop(columns="instrument")
        if source == "csv":
            table.to_csv(tmp_path / f"{name}.X.csv", index=False)
        else:
            table.to_parquet(tmp_path / f"{name}.X.parquet")
    (tmp_path / "README.txt").write_text("not data")
    by_glob = load(source, tmp_path / f"*.{source}", instrument_from_filename=True)
    by_folder = load(source, tmp_path, instrument_from_filename=True)
    assert by_glob.panel.index.levels[0].tolist() == ["S000.X", "S001.X", "S002.X", "S003.X"]
    np.testing.assert_array_equal(by_glob.panel["close"], PANEL["close"])
    pd.testing.assert_frame_equal(by_glob.panel, by_folder.panel)
    assert by_glob.source == f"4 files of {tmp_path}/*.{source}"


def test_many_files_with_an_instrument_column(tmp_path):
    half = len(BARS) // 2
    BARS.iloc[half:].to_parquet(tmp_path / "a.parquet")
    BARS.iloc[:half].to_parquet(tmp_path / "b.parquet")
    pd.testing.assert_frame_equal(load("parquet", tmp_path / "?.parquet").panel, PANEL)


def test_urls_are_read_through_fsspec():
    with fsspec.open("memory://market/part.csv.gz", "wb", compression="gzip") as file:
        file.write(BARS.to_csv(index=False).encode())
    data = load("csv", "memory://market/*.csv.gz")
    pd.testing.assert_frame_equal(data.panel, PANEL)
    assert data.source.startswith("memory://")
    assert data.source.endswith("market/part.csv.gz")


def test_relative_path_starts_at_the_working_directory(tmp_path, monkeypatch):
    BARS.to_parquet(tmp_path / "bars.parquet")
    monkeypatch.chdir(tmp_path)
    assert load("parquet", "bars.parquet").counts["rows"] == len(BARS)


def test_literal_brackets_in_a_file_name_are_no_glob(tmp_path):
    BARS.to_parquet(tmp_path / "bars[1].parquet")
    assert load("parquet", tmp_path / "bars[1].parquet").counts["rows"] == len(BARS)


def test_missing_files_and_unknown_protocols_are_named(tmp_path):
    assert_refused("nothing.csv: no such file; correct market_data.path", "csv", "nothing.csv")
    assert_refused("no such file", "csv", tmp_path / "*.csv")
    assert_refused("the folder has no file that ends in .csv, .*zip; correct", "csv", tmp_path)
    assert_refused("cannot be reached .*Protocol not known", "csv", "nowhere://bucket/a.csv")
