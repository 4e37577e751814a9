"""Paths to what is no file, or no file of ours."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from model2_assets_tests.bad_inputs.bars import GOOD, table
from model2_assets_tests.bad_inputs.case import Case, Content, Handled, Refused, region_config

_SUFFIXES = ".csv, .csv.gz, .csv.bz2, .csv.xz, .csv.zst, .csv.zip"


def _case(
    identifier: str,
    planted: str,
    path: str,
    outcome: Refused | Handled,
    *,
    source: str = "csv",
    files: Mapping[str, Content] | None = None,
    prepare: Callable[[Path], None] | None = None,
    is_nobody: bool = False,
    enters: str = "path",
    **market_data: Any,
) -> Case:
    return Case(
        id=f"{enters}-{identifier}",
        planted=planted,
        enters=enters,
        files=files or {},
        config=region_config({"source": source, "path": f"{{folder}}/{path}", **market_data}),
        outcome=outcome,
        prepare=prepare,
        is_nobody=is_nobody,
    )


def _no_such(path: str, key: str = "path") -> Refused:
    return Refused(
        f"{{folder}}/{path}: no such file; correct market_data.{key} (a relative path starts at "
        f"the working directory)"
    )


def _loop(folder: Path) -> None:
    (folder / "bars.csv").symlink_to(folder / "bars.csv")


def _lock(folder: Path) -> None:
    (folder / "bars.csv").chmod(0)


def _universe(identifier: str, planted: str, content: Content, outcome: Refused | Handled) -> Case:
    name = "members.csv" if isinstance(content, str) else "members.parquet"
    return _case(
        identifier,
        planted,
        "bars.csv",
        outcome,
        files={"bars.csv": GOOD, name: content},
        enters="universe",
        universe=f"{{folder}}/{name}",
    )


_FROM_TO = "instrument,from,to\n"
_MEMBERS = "{folder}/members.csv"


def _of_table(kind: str, remedy: str) -> Refused:
    return Refused(
        f"{{folder}}/lake: is a table of {kind}, whose files hold rows that were removed or "
        f"replaced as well; {remedy}"
    )


_EXPORT = (
    "let the program that writes it export the rows of today as plain Parquet files to another "
    "folder, and name that"
)
_PLAIN = "datetime,close\n2024-01-02,1\n"


def _link_to_nothing(folder: Path) -> None:
    (folder / "b.csv").symlink_to(folder / "absent.csv")


CASES = (
    _case("missing", "no file", "bars.csv", _no_such("bars.csv")),
    _case("empty-glob", "a glob that matches nothing", "*.csv", _no_such("*.csv")),
    _case(
        "brackets",
        "brackets that no folder has",
        "* [1].csv",
        Refused(
            "{folder}/* [1].csv: no such file; correct market_data.path (a relative path starts "
            "at the working directory; in a glob, [[] stands for a bracket)"
        ),
        files={"bars [1].csv": GOOD},
    ),
    _case(
        "variable",
        "a variable in the path",
        "$DATA/bars.csv",
        Refused(
            "{folder}/$DATA/bars.csv: no such file; correct market_data.path (a relative path "
            "starts at the working directory; of variables, $HOME alone is expanded)"
        ),
    ),
    _case(
        "link-to-nothing",
        "a link to a file that was not fetched",
        "*.csv",
        Refused(
            "{folder}/b.csv: is a link to a file that is not there; fetch it, such as by git "
            "annex get or dvc pull, or remove the link"
        ),
        files={"a.csv": GOOD},
        prepare=_link_to_nothing,
    ),
    _case(
        "hidden",
        "copies of a notebook, of macOS and of an unfinished job beside the bars",
        "**/*.csv",
        Handled({"rows": 15}),
        files={
            "bars.csv": GOOD,
            ".ipynb_checkpoints/bars-checkpoint.csv": GOOD.replace("A,", "B,"),
            "__MACOSX/._bars.csv": b"\0\5\x16\7",
            "_temporary/0/part-0.csv": GOOD.replace("A,", "C,"),
        },
    ),
    _case(
        "folders-of-files",
        "a folder whose folders have the files",
        "bars",
        Refused(
            f"{{folder}}/bars: the folder has no file that ends in {_SUFFIXES}; correct "
            f"market_data.path, or write /**/*.csv after it for files of its folders"
        ),
        files={"bars/2024/bars.csv": GOOD},
    ),
    _case(
        "folder-among-files",
        "a folder of parts named like a file, among files",
        "*.csv",
        Refused(
            "{folder}/b.csv: is a folder among files; move it, or name the files of folders too "
            "by a glob such as **/*.csv"
        ),
        files={"a.csv": GOOD, "b.csv/part-0.csv": GOOD.replace("A,", "D,")},
    ),
    _case(
        "hive-by-file-name",
        "instruments named by Hive folders, and by files that are all called alike",
        "lake",
        Refused(
            "{folder}/lake/ticker=A/part-0.csv: its folder names the instrument (ticker=A), not "
            "the file; write `columns: {instrument: ticker}` in place of instrument_from_filename"
        ),
        files={"lake/ticker=A/part-0.csv": _PLAIN},
        instrument_from_filename=True,
    ),
    _case(
        "folders-by-file-name",
        "instruments named by plain folders, and files that are all called alike",
        "lake/*/bars.csv",
        Refused(
            "{folder}/lake/A/bars.csv: this and 1 other files are all called bars, which would be "
            "one instrument; call their folders instrument=NAME, and remove "
            "instrument_from_filename"
        ),
        files={
            "lake/A/bars.csv": _PLAIN,
            "lake/B/bars.csv": _PLAIN.replace("2024", "2023"),
        },
        instrument_from_filename=True,
    ),
    _case(
        "hive-other-name",
        "a file in the Hive folder of another instrument",
        "lake",
        Refused(
            "{folder}/lake/instrument=B/0.csv: column 'instrument' has 'A', which is not "
            "what its folder says; move the file, or correct the column"
        ),
        files={"lake/instrument=B/0.csv": GOOD},
    ),
    _case(
        "delta-file",
        "files of a Delta table",
        "lake/*.parquet",
        _of_table("Delta", "name that folder itself, and its log is followed"),
        files={"lake/0.parquet": table(), "lake/_delta_log/00000000000000000000.json": "{}"},
        source="parquet",
    ),
    _case(
        "delta-below",
        "a Delta table in a Hive folder",
        "lake",
        Refused(
            "{folder}/lake/instrument=A: is a table of Delta, whose files hold rows that were "
            "removed or replaced as well; name that folder itself, and its log is followed"
        ),
        files={
            "lake/instrument=A/0.parquet": table(),
            "lake/instrument=A/_delta_log/00000000000000000000.json": "{}",
        },
        source="parquet",
    ),
    _case(
        "delta-log",
        "a Delta table without a log",
        "lake",
        Refused(
            "{folder}/lake: the Delta table cannot be read (Generic delta kernel error: No files "
            "in log segment); mend its log or the access rights, or export its rows as plain "
            "Parquet files"
        ),
        files={"lake/0.parquet": table(), "lake/_delta_log/.crc": ""},
        source="parquet",
    ),
    _case(
        "iceberg",
        "an Iceberg table",
        "lake/data",
        _of_table("Iceberg", _EXPORT),
        files={"lake/data/0.parquet": table(), "lake/metadata/v1.metadata.json": "{}"},
        source="parquet",
    ),
    _case(
        "hudi",
        "a Hudi table",
        "lake",
        _of_table("Hudi", _EXPORT),
        files={"lake/0.parquet": table(), "lake/.hoodie/hoodie.properties": ""},
        source="parquet",
    ),
    _case("loop", "a link to itself", "bars.csv", _no_such("bars.csv"), prepare=_loop),
    _case(
        "folder",
        "a folder without data",
        "bars",
        Refused(
            f"{{folder}}/bars: the folder has no file that ends in {_SUFFIXES}; correct "
            f"market_data.path, or write /**/*.csv after it for files of its folders, "
            "or /*.txt after it for those that end in .txt"
        ),
        files={"bars/README.txt": "none\n"},
    ),
    _case(
        "folder-named-like-a-file",
        "a folder in place of the file",
        "bars.parquet",
        Refused(
            "{folder}/bars.parquet: the folder has no file that ends in .parquet, .pq; correct "
            "market_data.path, or write /**/*.parquet after it for files of its folders, "
            "or source: csv for those that end in .csv"
        ),
        files={"bars.parquet/part-0.csv": GOOD},
        source="parquet",
    ),
    _case(
        "unreadable",
        "no right to read the file",
        "bars.csv",
        Refused(
            "{folder}/bars.csv: cannot be read as comma-separated UTF-8 text ([Errno 13] "
            "Permission denied: '{folder}/bars.csv'); correct the path or write the file again"
        ),
        files={"bars.csv": GOOD},
        prepare=_lock,
        is_nobody=True,
    ),
    _case(
        "differing-columns",
        "two files that differ in their columns",
        "*.csv",
        Refused(
            "{folder}/b.csv: no column 'volume', which {folder}/a.csv has; give all files the "
            "same columns or load them as separate regions"
        ),
        files={
            "a.csv": "instrument,datetime,close,volume\nA,2024-01-02,1,5\n",
            "b.csv": "instrument,datetime,close\nB,2024-01-02,1\n",
        },
    ),
    _case(
        "one-bad-of-many",
        "one bad file of many",
        "*.parquet",
        Refused("{folder}/b.parquet: is empty; write the file again"),
        files={"a.parquet": table(), "b.parquet": b""},
        source="parquet",
    ),
    _universe(
        "empty",
        "no stint",
        _FROM_TO,
        Refused(
            f"{_MEMBERS}: has no stint; name at least one instrument, or leave "
            f"market_data.universe out"
        ),
    ),
    _universe(
        "ends-first",
        "a stint that ends before it begins",
        _FROM_TO + "A,2024-01-05,2024-01-02\n",
        Refused(
            f"{_MEMBERS}: the stint in data row 1 (instrument A) ends before it begins; correct "
            f"the universe file"
        ),
    ),
    _universe(
        "other-names",
        "other names than the data",
        _FROM_TO + "A.US,2024-01-02,\n",
        Refused(
            f"{_MEMBERS}: no bar falls into any stint of the universe (its first instrument is "
            f"A.US, the first of the data A); give both the same names and dates"
        ),
    ),
    _universe(
        "no-date",
        "a member since no date",
        _FROM_TO + "A,,\n",
        Refused(f"{_MEMBERS}: column 'from' is empty in data row 1; date the row or remove it"),
    ),
    _universe(
        "name-in-spaces",
        "a member's name in spaces",
        _FROM_TO + "A ,2024-01-02,\n",
        Refused(
            f"{_MEMBERS}: column 'instrument', data row 1: the name 'A ' has white space around "
            f"it; correct it in the source"
        ),
    ),
    _universe(
        "leavers",
        "members that leave and never had data",
        _FROM_TO + "A,2024-01-02,2024-01-04\nB,2024-01-02,\nZ,2024-01-02,\n",
        Handled(
            {"outsider_rows": 7, "outsider_instruments": 1, "universe_instruments_without_data": 1}
        ),
    ),
)
