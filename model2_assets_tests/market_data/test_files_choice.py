"""Which files of a folder or glob are read."""

import logging
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import fsspec
import pytest

from model2_assets.errors import MarketDataError
from model2_assets.market_data.files import SUFFIXES, list_files

DATA = ("A.csv", "B.csv.gz")

OTHERS = (
    *(".ipynb_checkpoints/A-checkpoint.csv", ".A.csv.swp", ".~lock.A.csv#", "._A.csv", "#A.csv#"),
    *("~$A.csv", ".#A.csv", "_tmp_A.csv", "_SUCCESS", "_metadata", ".B.csv.gz.crc", ".DS_Store"),
    *("__MACOSX/._A.csv", "_temporary/0/A.csv", "#recycle/A.csv", "~snapshot/nightly.0/A.csv"),
)
"""What other programs leave beside data; most would be taken for data by the ending alone."""

ENDINGS = ("A.csv.md5", "B.csv.gz.sha256", "SHA256SUMS", "A.csv.part", "A.csv.bak", "A.csv~")


def plant(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("instrument,datetime,close\n")


def found(path: object, source: str = "csv") -> list[str]:
    files = list_files(str(path), suffixes=SUFFIXES[source])
    return [Path(file.name).name for file in files]


@pytest.mark.parametrize("glob", ["", "*", "**", "**/*", "*.csv*", "**/*.csv*", "[A-B]*", "?.*"])
def test_hidden_files_checksums_and_copies_are_no_data(tmp_path: Path, glob: str) -> None:
    plant(tmp_path, [*DATA, *OTHERS, *ENDINGS])

    assert found(tmp_path / glob) == list(DATA)


@pytest.mark.parametrize("name", OTHERS)
def test_a_path_that_names_what_is_hidden_reads_it(tmp_path: Path, name: str) -> None:
    plant(tmp_path, [name, "A.csv"])

    assert found(tmp_path / name) == [Path(name).name]


@pytest.mark.parametrize("glob", ["_raw/*.csv", "*/_raw/*.csv", "**/_raw/*.csv", "**/_r*/[A]*"])
def test_a_glob_that_names_a_hidden_folder_looks_into_it(tmp_path: Path, glob: str) -> None:
    folder = tmp_path / "lake" if glob.startswith("*") else tmp_path
    plant(folder, ["_raw/A.csv", "_raw/.A.csv", "_other/A.csv"])

    assert found(tmp_path / glob) == ["A.csv"]


def test_hidden_names_that_could_be_data_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plant(tmp_path, ["A.csv", "_SPX.csv", "_SUCCESS"])
    with caplog.at_level(logging.INFO):
        found(tmp_path)

    assert caplog.messages == ["not read, since hidden: _SPX.csv"]


@pytest.mark.parametrize("glob", ["*.txt", "*.us.txt", "*/*.txt"])
def test_a_glob_with_an_ending_of_its_own_reads_it(tmp_path: Path, glob: str) -> None:
    plant(tmp_path / "a" if "/" in glob else tmp_path, ["a.us.txt", "b.us.csv"])

    assert found(tmp_path / glob) == ["a.us.txt"]


def test_files_without_any_ending_are_read_by_a_glob(tmp_path: Path) -> None:
    plant(tmp_path, ["part-00000", "part-00001", "_SUCCESS"])

    assert found(tmp_path / "part-*") == ["part-00000", "part-00001"]
    assert found(tmp_path / "*") == ["part-00000", "part-00001"]


@pytest.mark.parametrize("url", ["memory://hidden", "memory://hidden/*", "memory://hidden/**"])
def test_object_stores_are_looked_at_alike(url: str) -> None:
    memory = fsspec.filesystem("memory")
    for name in ("A.csv", ".cache/A.csv", "_B.csv", "A.csv.md5"):
        memory.pipe(f"/hidden/{name}", b"1")

    files = list_files(url, suffixes=SUFFIXES["csv"])

    assert [file.name for file in files] == ["memory:///hidden/A.csv"]


@pytest.mark.parametrize("name", ["prices [2024]", "what?", "*", "[a-c]/b [1]", "[", "a]"])
def test_a_folder_of_any_name_begins_a_glob(tmp_path: Path, name: str) -> None:
    plant(tmp_path, [f"{name}/A.csv", f"{name}/deep/B.csv", "other/C.csv", "b 1/D.csv"])

    assert found(tmp_path / name) == ["A.csv"]
    assert found(tmp_path / name / "*.csv") == ["A.csv"]
    assert found(tmp_path / name / "**/*.csv") == ["A.csv", "B.csv"]
    assert found(tmp_path / name / "*" / "[A-B].csv") == ["B.csv"]


def test_brackets_that_no_folder_has_are_a_pattern_and_the_remedy_says_how(tmp_path: Path) -> None:
    plant(tmp_path, ["y1/A.csv", "y2/B.csv", "y3/C.csv", "D [x].csv"])

    assert found(tmp_path / "y[12]/*.csv") == ["A.csv", "B.csv"]
    assert found(tmp_path / "* [[]x].csv") == ["D [x].csv"]
    with pytest.raises(MarketDataError, match=r"; in a glob, \[\[\] stands for a bracket\)$"):
        found(tmp_path / "* [x].csv")


def test_a_variable_in_a_path_is_named_by_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match=r"; of variables, \$HOME alone is expanded\)$"):
        found(tmp_path / "$DATA/*.csv")


def test_folders_without_files_of_their_own_are_told_how_to_name_these(tmp_path: Path) -> None:
    plant(tmp_path, ["2024/A.csv"])

    remedy = r"or write /\*\*/\*\.csv after it for files of its folders$"
    for path in (tmp_path, tmp_path / "*"):
        with pytest.raises(MarketDataError, match=rf"the folder has no file that .*, {remedy}"):
            found(path)
    assert found(f"{tmp_path}/**/*.csv") == found(f"{tmp_path}/*/**/*.csv") == ["A.csv"]


@pytest.mark.parametrize(
    ("names", "remedy"),
    [
        (["A.txt", "B.txt", "README.md", ".c.x", ".d.x", ".e.x"], r"/\*\.txt after it .* \.txt"),
        (["A.parquet", "_SUCCESS", "README"], r"source: parquet for those that end in \.parquet"),
    ],
)
def test_the_remedy_names_the_ending_that_is_there(
    tmp_path: Path, names: list[str], remedy: str
) -> None:
    plant(tmp_path, names)

    with pytest.raises(MarketDataError, match=rf"files of its folders, or {remedy}$"):
        found(tmp_path)


def test_a_folder_named_like_a_file_is_not_passed_over(tmp_path: Path) -> None:
    """Spark and Dask write a folder where one file is asked for."""
    plant(tmp_path, ["A.csv", "B.csv/part-0.csv", "_C.csv/part-0.csv"])

    for path in (tmp_path, tmp_path / "*.csv", tmp_path / "*"):
        with pytest.raises(
            MarketDataError, match=r"/B\.csv: is a folder among files; move it, or "
        ):
            found(path)
    assert found(tmp_path / "**/*.csv") == ["A.csv", "part-0.csv"]
    assert found(tmp_path / "B.csv") == ["part-0.csv"]


def test_links_to_files_are_read_and_tell_of_changes(tmp_path: Path) -> None:
    plant(tmp_path, ["store/1", "links/A.csv"])
    (tmp_path / "links/B.csv").symlink_to(tmp_path / "store/1")
    (tmp_path / "links/latest").symlink_to(tmp_path / "store")

    before = list_files(f"{tmp_path}/links", suffixes=SUFFIXES["csv"])
    os.utime(tmp_path / "store/1", (1, 1))
    after = list_files(f"{tmp_path}/links", suffixes=SUFFIXES["csv"])

    assert [Path(file.name).name for file in after] == ["A.csv", "B.csv"]
    assert before[1].stamp != after[1].stamp
    assert found(tmp_path / "links/*") == ["A.csv", "B.csv"]


@pytest.mark.parametrize("path", ["", "*.csv", "**"])
def test_a_link_to_nothing_is_named(tmp_path: Path, path: str) -> None:
    plant(tmp_path, ["A.csv"])
    (tmp_path / "B.csv").symlink_to(tmp_path / ".git/annex/objects/1")
    (tmp_path / ".#A.csv").symlink_to("me@here.1")

    with pytest.raises(MarketDataError, match=r"B\.csv: is a link to a file that is not there; fe"):
        found(tmp_path / path)


@pytest.mark.parametrize("path", ["**/*.csv", "*/*.csv", "*.csv"])
def test_a_folder_that_may_not_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    plant(tmp_path, ["A.csv", "b/B.csv", "lost+found/C.csv", ".d/D.csv"])
    closed = [str(tmp_path / name) for name in ("b", "lost+found", ".d")]
    monkeypatch.setattr(os, "access", lambda name, mode: name not in closed)

    if path == "*.csv":
        assert found(tmp_path / path) == ["A.csv"]
    else:
        with pytest.raises(MarketDataError, match=r"cannot be reached \(no right to list .*/b\)"):
            found(tmp_path / path)


def test_an_archive_made_on_macos_holds_one_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "A.csv.zip", "w") as archive:
        archive.writestr("A.csv", "x")
        archive.writestr("__MACOSX/._A.csv", "y")

    (file,) = list_files(f"{tmp_path}/*", suffixes=SUFFIXES["csv"])

    with file.open() as handle:
        assert handle.read() == b"x"


@pytest.mark.parametrize(
    "glob",
    ["*.csv", "*/*.csv", "**/*.csv", "a/**", "**", "a/*", "?/b/*", "**/b/*.csv", "[ab]/**/*.csv"],
)
def test_a_glob_finds_what_that_of_python_does(tmp_path: Path, glob: str) -> None:
    folders = ["", *"abc", *(f"{one}/{two}" for one in "abc" for two in "ab"), "a/a/b", "a/b/b"]
    plant(tmp_path, [f"{folder}/{n}.csv".strip("/") for n, folder in enumerate(folders)])

    expected = {path for path in tmp_path.glob(glob) if path.is_file()}
    if glob.endswith("**"):  # of pathlib before Python 3.13, folders alone
        expected = {path for path in tmp_path.glob(f"{glob}/*") if path.is_file()}

    files = list_files(f"{tmp_path}/{glob}", suffixes=SUFFIXES["csv"])
    assert {Path(file.name) for file in files} == expected
    assert expected
