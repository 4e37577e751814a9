"""What a process and its folders hold at one moment."""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from model2_assets.storage import REJECTED, WORKING
from model2_assets.storage.archive import VERSIONS

PROC = Path("/proc")


@dataclass(frozen=True)
class Folders:
    """Where results, the Dagster instance and temporary files are."""

    store: Path
    home: Path
    temporary: Path


@dataclass(frozen=True)
class Figures:
    """Sizes in bytes; everything else is counted.

    Attributes
    ----------
    rss, anonymous : int
        Memory of the process: resident, and the part of it that no file backs: a leak's.
    open_files, threads : int
        Of the process.
    temporary_files : int
        Files and folders in the folder of temporary files.
    results, versions, rejected, working, models : int
        Files of the store: current results, old versions, candidates put aside, working
        files, fold models.
    store_bytes : int
        All of these; a file under two names counts once.
    log_bytes, log_rows : int
        The event log: files of its databases, events in them.
    run_bytes, run_count : int
        The database of runs, and runs in it.
    compute_log_files : int
        Captured output of steps.
    """

    rss: int
    anonymous: int
    open_files: int
    threads: int
    temporary_files: int
    results: int
    versions: int
    rejected: int
    working: int
    models: int
    store_bytes: int
    log_bytes: int
    log_rows: int
    run_bytes: int
    run_count: int
    compute_log_files: int


NAMES = tuple(field.name for field in fields(Figures))


def take_figures(pid: int, folders: Folders) -> Figures:
    """Count what a process and its folders hold now."""
    memory = _memory(pid)
    kinds = [_kind(path.relative_to(folders.store)) for path in _files(folders.store)]
    databases = list(_files(folders.home / "history" / "runs"))
    runs = folders.home / "history" / "runs.db"
    return Figures(
        rss=memory["Rss"],
        anonymous=memory["Anonymous"],
        open_files=len(list((PROC / str(pid) / "fd").iterdir())),
        threads=len(list((PROC / str(pid) / "task").iterdir())),
        temporary_files=sum(1 for _ in folders.temporary.rglob("*")),
        results=kinds.count("results"),
        versions=kinds.count("versions"),
        rejected=kinds.count("rejected"),
        working=kinds.count("working"),
        models=kinds.count("models"),
        store_bytes=_bytes(_files(folders.store)),
        log_bytes=_bytes(databases),
        log_rows=sum(_rows(path, "event_logs") for path in databases if path.suffix == ".db"),
        run_bytes=runs.stat().st_size if runs.exists() else 0,
        run_count=_rows(runs, "runs") if runs.exists() else 0,
        compute_log_files=sum(1 for _ in _files(folders.home / "storage")),
    )


def _memory(pid: int) -> dict[str, int]:
    lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
    pairs = (line.split()[:2] for line in lines)
    return {name.rstrip(":"): int(kilobytes) * 1024 for name, kilobytes in pairs}


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)


def _kind(path: Path) -> str:
    special = {VERSIONS: "versions", REJECTED: "rejected", WORKING: "working"}
    if path.parts[0] in special:
        return special[path.parts[0]]
    return "models" if "models" in path.parts[1] else "results"


def _bytes(paths: Iterable[Path]) -> int:
    sizes = {}
    for path in paths:
        # SQLite removes its "-shm" and "-wal" when the last connection closes.
        with contextlib.suppress(FileNotFoundError):
            stat = path.stat()
            sizes[stat.st_dev, stat.st_ino] = stat.st_size
    return sum(sizes.values())


def _rows(database: Path, table: str) -> int:
    address = f"file:{database}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, uri=True, timeout=60)) as connection:
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(count)
