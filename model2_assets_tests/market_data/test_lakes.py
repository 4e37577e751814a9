import json
import sys
from pathlib import Path

import fsspec
import pandas as pd
import pytest
from deltalake import DeltaTable, write_deltalake

from model2_assets.config import MarketDataConfig
from model2_assets.errors import MarketDataError
from model2_assets.market_data.files import SUFFIXES, file_stamps, list_files
from model2_assets_tests.market_data.small_bars import BARS, PANEL, assert_refused, bars, load

WITH_VECTORS = {"delta.enableDeletionVectors": "true"}


def plant(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".parquet"):
            bars().to_parquet(folder / name)
        else:
            (folder / name).touch()


@pytest.mark.parametrize("keys", [None, ["instrument"]])
@pytest.mark.parametrize("configuration", [None, WITH_VECTORS])
def test_rows_that_a_delta_table_removed_stay_removed(
    tmp_path: Path, keys: list[str] | None, configuration: dict[str, str] | None
) -> None:
    path = str(tmp_path / "written")
    good = pd.concat([BARS, bars(instruments=["NA"])], ignore_index=True)
    bad = good.assign(close=good["close"] * 3).iloc[::7]
    write_deltalake(path, bad, partition_by=keys, configuration=configuration)
    DeltaTable(path).delete("volume >= 0 OR volume IS NULL")
    write_deltalake(path, good, mode="append")
    DeltaTable(path).delete("instrument = 'NA'")

    read = (tmp_path / "written").rename(tmp_path / "prices [2024]")
    data = load("parquet", read)

    pd.testing.assert_frame_equal(data.panel, PANEL, check_exact=True)
    assert data.source == str(read)


def test_instruments_of_a_partitioned_delta_table_stay_text(tmp_path: Path) -> None:
    names = ["0005", "1e5", "NA", "TRUE"]
    write_deltalake(str(tmp_path), bars(instruments=names), partition_by=["instrument"])

    assert load("parquet", tmp_path).panel.index.levels[0].tolist() == names


def test_a_delta_table_is_not_the_file_of_an_instrument(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path), bars())

    refused = "is a Delta table, not the file of an instrument; remove instrument_from_filename$"
    assert_refused(refused, "parquet", tmp_path, instrument_from_filename=True)


def test_a_wide_delta_table_is_named(tmp_path: Path) -> None:
    wide = {"datetime": pd.to_datetime(["2024-01-02"]), "A": [1.5], "B": [2.5]}
    write_deltalake(str(tmp_path / "wide"), pd.DataFrame(wide))

    assert_refused(
        "the table seems to be wide, with a column per instrument", "parquet", tmp_path / "wide"
    )


def test_columns_of_a_delta_table_are_mapped_whatever_their_names(tmp_path: Path) -> None:
    names = {"instrument": 'a "b', "datetime": "Date", "close": "select"}
    write_deltalake(str(tmp_path), bars().rename(columns=names))

    assert load("parquet", tmp_path, columns=names).counts["rows"] == 6
    assert_refused("no column 'instrument'; the file has: ", "parquet", tmp_path)


def test_a_universe_may_be_a_delta_table(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / "prices"), bars())
    members = {"instrument": ["A"], "from": ["2024-01-02"], "to": ["2024-01-02"]}
    write_deltalake(str(tmp_path / "members"), pd.DataFrame(members))

    data = load("parquet", tmp_path / "prices", universe=str(tmp_path / "members"))

    assert data.panel["in_universe"].tolist() == [True, *[False] * 5]


def test_a_new_version_of_a_delta_table_tells_and_so_does_another_table(tmp_path: Path) -> None:
    config = MarketDataConfig(source="parquet", path=str(tmp_path))
    digests = []
    for mode in ("error", "append"):
        write_deltalake(str(tmp_path), bars(), mode=mode)
        digests += [file_stamps(config), file_stamps(config)]
    assert digests[0] == digests[1] != digests[2] == digests[3]


@pytest.mark.parametrize(
    "path", ["*.parquet", "**/*.parquet", "instrument=A/*", "instrument=A", "*/part-*"]
)
def test_files_of_a_delta_table_are_not_read_alone(tmp_path: Path, path: str) -> None:
    write_deltalake(str(tmp_path), bars(), partition_by=["instrument"])
    plant(tmp_path, "0.parquet")

    assert_refused(
        f"^{tmp_path}: is a table of Delta, whose files hold rows that were removed or replaced as "
        f"well; name that folder itself, and its log is followed$",
        "parquet",
        tmp_path / path,
    )


def test_one_file_of_a_delta_table_is_not_read_alone(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path), bars())
    (file,) = tmp_path.glob("*.parquet")

    assert_refused("is a table of Delta", "parquet", file)


def test_without_the_library_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_deltalake(str(tmp_path), bars())
    monkeypatch.setitem(sys.modules, "deltalake", None)

    assert_refused(
        r"is a Delta table, which needs the library deltalake .*; install the extra: pip install "
        r'"model2-assets\[delta\]"$',
        "parquet",
        tmp_path,
    )


def test_a_log_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    plant(tmp_path, "0.parquet")
    (tmp_path / "_delta_log").mkdir()
    (tmp_path / "_delta_log/00000000000000000000.json").write_text(json.dumps({"commitInfo": {}}))

    assert_refused(f"^{tmp_path}: the Delta table cannot be read", "parquet", tmp_path)


@pytest.mark.parametrize(
    ("feature", "refused"),
    [
        ("newerThanUs", "the Delta table cannot"),
        ("typeWidening", "cannot be read as a Delta table"),
    ],
)
def test_a_feature_that_the_library_does_not_know_is_named(
    tmp_path: Path, feature: str, refused: str
) -> None:
    write_deltalake(str(tmp_path), bars())
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7}
    features = [feature, "timestampNtz"]
    protocol |= {"readerFeatures": features, "writerFeatures": features}
    log = tmp_path / "_delta_log/00000000000000000001.json"
    log.write_text(json.dumps({"protocol": protocol}))

    assert_refused(f"(?i){refused}.*{feature}", "parquet", tmp_path)


TABLES = {
    "Iceberg": ("metadata/v1.metadata.json", "data/instrument=A/0.parquet"),
    "Hudi": (".hoodie/hoodie.properties", "2024/.hoodie_partition_metadata", "2024/0.parquet"),
    "Spark streaming": ("_spark_metadata/0", "0.parquet"),
}


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        *(("Iceberg", path) for path in ("", "**/*.parquet", "data", "data/**", "data/*/*")),
        *(("Iceberg", path) for path in ("data/instrument=A", "data/instrument=A/*.parquet")),
        *(("Hudi", path) for path in ("", "**/*.parquet", "*/*.parquet", "2024", "2024/*")),
        *(("Hudi", path) for path in ("2024/0.parquet",)),
        *(("Spark streaming", path) for path in ("", "*", "0.parquet")),
    ],
)
def test_other_tables_are_refused_by_name(tmp_path: Path, kind: str, path: str) -> None:
    plant(tmp_path, *TABLES[kind])

    assert_refused(
        f"^{tmp_path}(/2024)?: is a table of {kind}, whose files hold .*; let the program that "
        f"writes it export the rows of today as plain Parquet files to another folder",
        "parquet",
        tmp_path / path,
    )


def test_a_folder_beside_a_table_is_read(tmp_path: Path) -> None:
    plant(tmp_path, "bars/0.parquet", *(f"lake/{name}" for name in TABLES["Hudi"]))
    plant(tmp_path, "0.parquet", "metadata/about.json")

    assert load("parquet", tmp_path).counts["rows"] == 6
    assert load("parquet", tmp_path / "bars").counts["rows"] == 6
    assert load("parquet", tmp_path / "b*" / "*").counts["rows"] == 6


def test_tables_in_an_object_store_are_known() -> None:
    memory = fsspec.filesystem("memory")
    for name in (*TABLES["Iceberg"], "data/x=1/1.parquet"):
        memory.pipe(f"/lake-of-tables/{name}", b"1")

    for path in ("", "/data/instrument=A", "/data/x=1/*", "/**"):
        with pytest.raises(MarketDataError, match=r"^/lake-of-tables: is a table of Iceberg"):
            list_files(f"memory://lake-of-tables{path}", suffixes=SUFFIXES["parquet"])
