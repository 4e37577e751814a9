"""Large tables are folders of parts: the same table and version as in one file."""

import json
from pathlib import Path

import dask.dataframe
import duckdb
import numpy as np
import pandas as pd
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model2_assets import panel
from model2_assets.errors import ContractError, StoreError
from model2_assets.panel import date_parts
from model2_assets.storage import Store
from model2_assets.storage.data_version import data_version_of, facts_of, table_digest
from model2_assets_tests.storage.large_tables import (
    FEATURES,
    LABELS,
    MARKET_DATA,
    ROWS_A_PART,
    rows,
    table,
)

NAMES = [f"part-0000{number}.parquet" for number in range(3)]
TABLES = [FEATURES, LABELS, MARKET_DATA]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(panel, "PART_ROWS", ROWS_A_PART)


@pytest.fixture
def one_file(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def in_parts(tmp_path):
    return Store(tmp_path, dataset_above_mb=0)


def folders(store, address):
    place = Path(store.base.path, *address.parts)
    return {path.name for path in place.iterdir() if path.is_dir()} if place.exists() else set()


def parts(store, address):
    return sorted(Path(store.path(address).path).iterdir())


def assert_same(found, expected):
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert facts_of(found) == facts_of(expected)


@pytest.mark.parametrize("address", TABLES, ids=str)
def test_both_forms_have_the_same_table_and_version(address, in_parts, one_file):
    frame = table(address)
    folder = in_parts.write(address, frame)
    assert [path.name for path in parts(in_parts, address)] == [
        f"part-0000{n}.parquet" for n in range(3)
    ]
    assert folder == in_parts.path(address)
    assert folder.name.startswith(data_version_of(frame)[:12])
    assert_same(one_file.read(address), frame)
    version = in_parts.current_version(address)
    assert version.rows == len(frame)
    assert set(version.files) == {f"{folder.name}/{path.name}" for path in parts(in_parts, address)}
    in_parts.verify(address)
    file = one_file.write(address, frame)
    assert file.name == f"{address.asset}.parquet"
    assert_same(in_parts.read(address), frame)
    assert one_file.current_version(address).data_version == version.data_version
    assert version.data_version == table_digest(frame)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(counts=st.lists(st.integers(1, 9), min_size=1, max_size=8), seed=st.integers(0, 99))
def test_any_table_is_the_same_in_both_forms(tmp_path_factory, counts, seed):
    base = tmp_path_factory.mktemp("base")
    for address in TABLES:
        frame = table(address, seed, rows(counts))
        found = []
        for limit in (0, np.inf):
            store = Store(base, dataset_above_mb=limit)
            store.write(address, frame)
            assert_same(store.read(address), frame)
            assert_same(pd.concat(store.blocks(address)), frame)
            found.append(table_digest(store.read(address)))
        assert found == [data_version_of(frame)] * 2


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of Dask itself
@pytest.mark.parametrize("address", TABLES, ids=str)
def test_others_read_the_folder_as_one_table(address, in_parts):
    frame = table(address)
    folder = str(in_parts.write(address, frame))
    frame.attrs = {}
    pd.testing.assert_frame_equal(pd.read_parquet(folder), frame)
    arrow = pyarrow.dataset.dataset(folder).to_table().to_pandas()
    pd.testing.assert_frame_equal(arrow, frame)
    flat = frame.reset_index()
    by_dask = dask.dataframe.read_parquet(folder).compute(scheduler="synchronous")
    pd.testing.assert_frame_equal(by_dask.reset_index(), flat, check_dtype=False)
    query = f"SELECT * FROM '{folder}/*.parquet' ORDER BY datetime, instrument"
    by_duckdb = duckdb.connect().sql(query).df()[list(flat)]
    pd.testing.assert_frame_equal(by_duckdb, flat, check_dtype=False)


def test_all_parts_have_one_schema_and_whole_dates(in_parts):
    for address in TABLES:
        frame = table(address)
        in_parts.write(address, frame)
        schemas = [pq.read_schema(path) for path in parts(in_parts, address)]
        assert all(schema.equals(schemas[0], check_metadata=True) for schema in schemas)
        sizes = [pq.read_metadata(path).num_rows for path in parts(in_parts, address)]
        assert sizes == [part.stop - part.start for part in date_parts(frame.index)] == [7, 9, 5]
        manifest = json.loads(in_parts.entry_file(address).read_bytes())
        dates = frame.index.get_level_values("datetime").strftime("%Y-%m-%d")
        assert [(part["first_date"], part["last_date"]) for part in manifest["parts"]] == [
            (dates[0], dates[6]),
            (dates[7], dates[15]),
            (dates[16], dates[20]),
        ]


def test_blocks_are_parts_of_whole_dates_in_both_forms(in_parts, one_file):
    for address in TABLES:
        frame = table(address)
        for store in (in_parts, one_file):
            store.write(address, frame)
            blocks = list(store.blocks(address))
            assert [len(block) for block in blocks] == [7, 9, 5]
            assert_same(pd.concat(blocks), frame)


def test_blocks_read_no_part_before_it_is_asked_for(in_parts):
    in_parts.write(LABELS, table(LABELS))
    parts(in_parts, LABELS)[1].write_bytes(b"damaged")
    blocks = in_parts.blocks(LABELS)
    assert len(next(blocks)) == 7
    with pytest.raises(StoreError, match=r"part-00001\.parquet: was changed or cut off"):
        next(blocks)


def test_the_working_matrix_is_the_same_in_both_forms(in_parts, one_file):
    frame = table(FEATURES)
    folder = in_parts.working_files("us").folder
    found = []
    for store in (one_file, in_parts):
        for made in (lambda: None, lambda: [path.unlink() for path in folder.glob("*/*")]):
            store.write(FEATURES, frame)
            made()
            assert_same(store.read(FEATURES), frame)
            found.append({path.name: path.read_bytes() for path in folder.glob("*/*")})
    assert found[1] == found[0]
    assert found[3] == found[2]
    values = {name: data for name, data in found[0].items() if name.endswith(".npy")}
    assert values == {name: data for name, data in found[2].items() if name.endswith(".npy")}


def test_an_object_store_has_parts_too(monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    store = Store("memory://parts", dataset_above_mb=0)
    for address in TABLES:
        for seed in range(3):
            store.write(address, table(address, seed))
            assert_same(store.read(address), table(address, seed))
        store.verify(address)
        assert len(store.path(address).parent.fs.ls(store.path(address).parent.path)) == 3


def test_the_folder_before_stays_for_who_follows_it_and_older_ones_go(in_parts, one_file):
    names = []
    for seed in range(3):
        names.append(in_parts.write(LABELS, table(LABELS, seed)).name)
    assert folders(in_parts, LABELS) == set(names[1:])
    blocks = in_parts.blocks(LABELS)
    first = next(blocks)
    one_file.write(LABELS, table(LABELS, 3))
    assert not (Path(in_parts.base.path) / "us" / "labels" / "manifest.json").exists()
    assert_same(pd.concat([first, *blocks]), table(LABELS, 2))
    assert folders(in_parts, LABELS) == {names[2]}
    one_file.write(LABELS, table(LABELS, 4))
    assert folders(in_parts, LABELS) == set()
    assert_same(in_parts.read(LABELS), table(LABELS, 4))


def test_the_manifest_wins_over_a_file_that_a_kill_left(in_parts, one_file):
    file = Path(str(one_file.write(LABELS, table(LABELS, 0))))
    data = file.read_bytes()
    in_parts.write(LABELS, table(LABELS, 1))
    assert not file.exists()
    file.write_bytes(data)
    assert_same(one_file.read(LABELS), table(LABELS, 1))
    in_parts.write(LABELS, table(LABELS, 2))
    assert not file.exists()


def test_the_same_table_again_is_the_same_folder_and_mends_it(in_parts):
    frame = table(LABELS)
    folder = in_parts.write(LABELS, frame)
    before = {path.name: path.read_bytes() for path in parts(in_parts, LABELS)}
    first, second, third = parts(in_parts, LABELS)
    first.write_bytes(b"damaged")
    third.unlink()
    second.with_name("part-00003.parquet").write_bytes(second.read_bytes())
    assert in_parts.write(LABELS, frame.copy()) == folder
    assert {path.name: path.read_bytes() for path in parts(in_parts, LABELS)} == before


def test_other_facts_or_another_cut_are_another_folder(in_parts, monkeypatch):
    frame = table(LABELS)
    first = in_parts.write(LABELS, frame)
    other = frame.copy()
    other.attrs["provenance"]["inputs"] = {"market_data": "n"}
    second = in_parts.write(LABELS, other)
    monkeypatch.setattr(panel, "PART_ROWS", 2)
    third = in_parts.write(LABELS, table(LABELS))
    assert len({first.name, second.name, third.name}) == 3
    assert first.name[:12] == second.name[:12]


def damage(path: Path, how: str) -> None:
    other = path.with_name("part-00002.parquet")
    data = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(data[:-1])
    elif how == "flipped":
        path.write_bytes(data[:99] + bytes([data[99] ^ 1]) + data[100:])
    elif how == "swapped":
        path.write_bytes(other.read_bytes())
        other.write_bytes(data)
    elif how == "added":
        path.with_name("part-00003.parquet").write_bytes(data)
    elif how == "index":
        pq.write_metadata(pq.read_schema(path), path.with_name("_metadata"))


@pytest.mark.parametrize("address", TABLES, ids=str)
@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("missing", r"part-00001\.parquet: is missing; materialize \w+ again"),
        ("cut", r"part-00001\.parquet: was changed or cut off .*; materialize \w+ again"),
        ("flipped", r"part-00001\.parquet: was changed or cut off .*; materialize \w+ again"),
        ("swapped", r"part-00001\.parquet: has the content of part-00002\.parquet; materialize"),
        ("added", r"part-00003\.parquet: is no part of this table; remove it, or materialize"),
        ("index", r"_metadata: is no part of this table; remove it, or materialize"),
    ],
)
def test_parts_that_are_not_those_published_are_refused_by_name(in_parts, address, how, told):
    in_parts.write(address, table(address))
    damage(parts(in_parts, address)[1], how)
    for path in in_parts.working_files("us").folder.glob("*/*"):
        path.unlink()
    for read in (in_parts.verify, in_parts.read, lambda at: list(in_parts.blocks(at))):
        with pytest.raises(StoreError, match=told):
            read(address)
    in_parts.write(address, table(address))
    in_parts.verify(address)


def test_a_manifest_that_was_changed_or_belongs_elsewhere_is_refused(in_parts):
    for address in (LABELS, MARKET_DATA):
        in_parts.write(address, table(address))
    manifest, other = (Path(str(in_parts.entry_file(at))) for at in (LABELS, MARKET_DATA))
    data = manifest.read_bytes()
    manifest.write_bytes(data.replace(b"2024-01-01", b"2023-01-01"))
    with pytest.raises(StoreError, match=r"manifest\.json: is not what was published here"):
        in_parts.read(LABELS)
    other.write_bytes(data)
    with pytest.raises(StoreError, match=r"manifest\.json: belongs to us/labels\.parquet"):
        in_parts.read(MARKET_DATA)


def test_a_table_that_breaks_its_contract_leaves_no_folder(in_parts):
    in_parts.write(MARKET_DATA, table(MARKET_DATA))
    before = folders(in_parts, MARKET_DATA)
    bad = table(MARKET_DATA, 1)
    bad.iloc[-1, bad.columns.get_loc("close")] = -1.0
    with pytest.raises(ContractError, match=r"column 'close' .* .instrument=S8"):
        in_parts.write(MARKET_DATA, bad)
    assert folders(in_parts, MARKET_DATA) == before
    assert_same(in_parts.read(MARKET_DATA), table(MARKET_DATA))


def test_no_temporary_file_looks_like_a_part(in_parts, monkeypatch):
    seen = set()

    def spied(temporary, path):
        seen.add(temporary.relative_to(in_parts.base.path))
        return original(temporary, path)

    from model2_assets.storage import dataset

    original = dataset.publish
    monkeypatch.setattr(dataset, "publish", spied)
    in_parts.write(LABELS, table(LABELS))
    assert {path.parts[2][:5] for path in seen} == {".tmp-"}
    assert {path.suffix for path in seen} == {".tmp"}
    assert len(seen) == 3
