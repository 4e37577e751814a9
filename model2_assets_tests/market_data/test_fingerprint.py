import os
from pathlib import Path

import fsspec
import pytest

from model2_assets.config import MarketDataConfig
from model2_assets.errors import MarketDataError
from model2_assets.market_data.files import InputFingerprint, fingerprint_inputs


def csv(path: str, **settings: str) -> MarketDataConfig:
    return MarketDataConfig(source="csv", path=path, **settings)


def fingerprint(config: MarketDataConfig) -> InputFingerprint:
    found = fingerprint_inputs(config)
    assert found is not None
    return found


def put(path: Path, text: str, *, changed: float = 1_000.0) -> None:
    path.write_text(text, encoding="utf-8")
    os.utime(path, (changed, changed))


@pytest.mark.parametrize("source", ["demo", "synthetic"])
def test_source_without_files_has_none(source: str) -> None:
    assert fingerprint_inputs(MarketDataConfig(source=source)) is None


def test_same_files_have_the_same_fingerprint(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", "1")
    put(tmp_path / "b.csv", "2")

    first = fingerprint(csv(f"{tmp_path}/*.csv"))

    assert first == fingerprint(csv(f"{tmp_path}/*.csv"))
    assert first.n_files == 2


@pytest.mark.parametrize("path", ["a.csv", "", "*.csv"])
@pytest.mark.parametrize(("text", "changed"), [("12", 1_000.0), ("2", 1_001.0)])
def test_size_or_time_of_change_tell(tmp_path: Path, path: str, text: str, changed: float) -> None:
    put(tmp_path / "a.csv", "1")
    config = csv(str(tmp_path / path))
    before = fingerprint(config)

    put(tmp_path / "a.csv", text, changed=changed)

    assert fingerprint(config).digest != before.digest


def test_added_and_renamed_files_tell(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", "1")
    one = fingerprint(csv(str(tmp_path)))
    put(tmp_path / "b.csv", "1")
    two = fingerprint(csv(str(tmp_path)))
    (tmp_path / "a.csv").unlink()
    other = fingerprint(csv(str(tmp_path)))

    assert len({one.digest, two.digest, other.digest}) == 3
    assert (one.n_files, two.n_files, other.n_files) == (1, 2, 1)


def test_files_that_are_not_read_do_not_tell(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", "1")
    before = fingerprint(csv(str(tmp_path)))
    put(tmp_path / "notes.txt", "1")

    assert fingerprint(csv(str(tmp_path))) == before


def test_universe_tells_too(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", "1")
    put(tmp_path / "members.parquet", "1")
    config = csv(str(tmp_path / "a.csv"), universe=str(tmp_path / "members.parquet"))
    before = fingerprint(config)
    put(tmp_path / "members.parquet", "12")

    assert fingerprint(config).digest != before.digest
    assert before.n_files == 2


def test_object_store_is_looked_at_afresh() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/fingerprint/a.csv", b"1")
    config = csv("memory://fingerprint/*.csv")
    before = fingerprint(config)
    memory.pipe("/fingerprint/a.csv", b"2")

    assert fingerprint(config).digest != before.digest


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match=r"a\.csv: no such file"):
        fingerprint_inputs(csv(str(tmp_path / "a.csv")))
    put(tmp_path / "a.csv", "1")
    with pytest.raises(MarketDataError, match=r"correct market_data\.universe"):
        fingerprint_inputs(csv(str(tmp_path / "a.csv"), universe=str(tmp_path / "absent.csv")))
