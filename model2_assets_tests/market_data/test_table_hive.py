"""Columns that Hive folders give."""

import os
from pathlib import Path
from urllib.parse import quote

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pa_dataset
import pytest

from model2_assets.config import MarketDataConfig
from model2_assets.market_data.files import file_stamps, hive_values
from model2_assets_tests.market_data.small_bars import BARS, PANEL, assert_refused, bars, load

TICKERS = ("0005", "NA", "TRUE", "1e5", "BRK/B", "null", "nan", "2024-01-02", "A=B", "Ä B%")


def write_lake(folder: Path, table: pd.DataFrame, keys: list[str], kind: str = "parquet") -> None:
    for values, own in table.groupby(keys):
        parts = [
            f"{key}={quote(str(value), safe='')}" for key, value in zip(keys, values, strict=True)
        ]
        place = folder.joinpath(*parts)
        place.mkdir(parents=True)
        rest = own.drop(columns=keys)
        if kind == "csv":
            rest.to_csv(place / "part-0.csv", index=False)
        else:
            rest.to_parquet(place / "part-0.parquet", index=False)


@pytest.mark.parametrize("glob", ["", "**/*.{}", "*/*.{}", "instrument=*/part-*"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_instruments_of_folders_stay_text(tmp_path: Path, kind: str, glob: str) -> None:
    write_lake(tmp_path, bars(instruments=TICKERS), ["instrument"], kind)

    panel = load(kind, tmp_path / glob.format(kind)).panel

    assert panel.index.levels[0].tolist() == sorted(TICKERS)
    assert (panel.groupby("instrument").size() == 3).all()


def test_folders_of_pandas_and_pyarrow_are_read_back_bit_for_bit(tmp_path: Path) -> None:
    table = BARS.assign(year=BARS["datetime"].dt.year)
    table.to_parquet(tmp_path / "pandas", partition_cols=["instrument", "year"])
    flavor = pa_dataset.partitioning(pa.schema([("instrument", pa.string())]), flavor="hive")
    pa_dataset.write_dataset(
        pa.Table.from_pandas(BARS), tmp_path / "arrow", format="parquet", partitioning=flavor
    )

    for folder in ("pandas", "arrow"):
        panel = load("parquet", tmp_path / folder).panel
        pd.testing.assert_frame_equal(panel, PANEL, check_exact=True)


def test_dates_and_mapped_columns_of_folders(tmp_path: Path) -> None:
    table = bars().rename(columns={"instrument": "ticker", "datetime": "day"})
    table["day"] = table["day"].dt.strftime("%Y-%m-%d")
    write_lake(tmp_path, table, ["day", "ticker"], "csv")

    data = load("csv", tmp_path, columns={"instrument": "ticker", "datetime": "day"})

    bars().to_csv(tmp_path / "bars.csv", index=False)
    pd.testing.assert_frame_equal(data.panel, load("csv", tmp_path / "bars.csv").panel)


def test_a_year_a_month_and_a_day_make_a_date(tmp_path: Path) -> None:
    table = bars()
    for name in ("year", "month", "day"):
        table[name] = getattr(table["datetime"].dt, name)
    write_lake(tmp_path, table.drop(columns="datetime"), ["year", "month", "day"])

    bars().to_parquet(tmp_path / "bars.parquet")
    whole = load("parquet", tmp_path / "bars.parquet")
    for given in ({}, {"date_format": "%d.%m.%Y"}):
        pd.testing.assert_frame_equal(
            load("parquet", tmp_path / "*/*/*/*", **given).panel, whole.panel
        )


def test_a_missing_column_is_looked_for_among_the_folders(tmp_path: Path) -> None:
    table = bars().rename(columns={"instrument": "Ticker"})
    write_lake(tmp_path, table, ["Ticker"])

    assert_refused(
        "no column 'instrument'; the file has: datetime, open, high, low, close, volume, Ticker.*"
        r"`columns: \{instrument: Ticker\}`",
        "parquet",
        tmp_path,
    )


def test_files_of_a_hive_folder_are_not_instruments(tmp_path: Path) -> None:
    write_lake(tmp_path, bars().rename(columns={"instrument": "symbol"}), ["symbol"])

    assert_refused(
        r"symbol=A/part-0\.parquet: its folder names the instrument \(symbol=A\), not the file; "
        r"write `columns: \{instrument: symbol\}` in place of instrument_from_filename",
        "parquet",
        tmp_path,
        instrument_from_filename=True,
    )


def test_files_named_like_their_folder_are_instruments(tmp_path: Path) -> None:
    for name, own in bars().groupby("instrument"):
        (tmp_path / f"symbol={name}").mkdir()
        own.drop(columns="instrument").to_csv(tmp_path / f"symbol={name}/{name}.csv", index=False)

    panel = load("csv", tmp_path, instrument_from_filename=True).panel

    assert panel.index.levels[0].tolist() == ["A", "B"]


def test_a_file_in_the_folder_of_another_instrument_is_refused(tmp_path: Path) -> None:
    for name in ("A", "B"):
        (tmp_path / f"instrument={name}").mkdir()
        bars(instruments=["A"]).to_csv(tmp_path / f"instrument={name}/0.csv", index=False)

    assert_refused(
        r"instrument=B/0\.csv: column 'instrument' has 'A', which is not what its folder says",
        "csv",
        tmp_path,
    )


def test_a_date_of_a_snapshot_gives_way_to_the_dates_of_its_rows(tmp_path: Path) -> None:
    """A folder named by the date on which it was written holds bars of other dates."""
    (tmp_path / "datetime=2024-06-30").mkdir()
    bars().to_csv(tmp_path / "datetime=2024-06-30/all.csv", index=False)

    assert load("csv", tmp_path).counts["dates"] == 3


def test_an_instrument_that_is_missing_by_its_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "instrument=__HIVE_DEFAULT_PARTITION__").mkdir()
    table = bars().drop(columns="instrument")
    table.to_csv(tmp_path / "instrument=__HIVE_DEFAULT_PARTITION__/0.csv", index=False)

    assert_refused("column 'instrument' is empty in data row 1", "csv", tmp_path)


def test_folders_beside_hive_folders_are_not_read(tmp_path: Path) -> None:
    write_lake(tmp_path, bars(), ["instrument"])
    for name in ("old", "instrument=A/old", "_instrument=B", ".instrument=C"):
        (tmp_path / name).mkdir()
        bars().to_parquet(tmp_path / name / "0.parquet")

    assert load("parquet", tmp_path).counts["rows"] == 6


def test_a_new_file_in_a_hive_folder_tells(tmp_path: Path) -> None:
    write_lake(tmp_path, bars(), ["instrument"])
    config = MarketDataConfig(source="parquet", path=str(tmp_path))
    before = file_stamps(config)
    os.utime(tmp_path / "instrument=A/part-0.parquet", (1, 1))

    after = file_stamps(config)

    assert len(before) == len(after) == 2
    assert before != after


def test_hive_folders_of_an_object_store() -> None:
    for name, own in bars().groupby("instrument"):
        with fsspec.open(f"memory://lake/instrument={name}/0.csv", "w") as file:
            own.drop(columns="instrument").to_csv(file, index=False)

    panel = load("csv", "memory://lake").panel

    assert panel.index.levels[0].tolist() == ["A", "B"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("s3://b/year=2020/x=0005/a=1.csv", {"year": "2020", "x": "0005"}),
        ("x=A%2FB/a.csv", {"x": "A/B"}),
        ("/a/x=/b.csv", {"x": ""}),
        ("/a/b=c", {}),
        ("/a/=b/c.csv", {}),
        (
            "year=2020/month=3/day=02/a.csv",
            {"year": "2020", "month": "3", "day": "02", "datetime": "2020-03-02"},
        ),
    ],
)
def test_what_folders_say(name: str, values: dict[str, str]) -> None:
    assert hive_values(name) == values
