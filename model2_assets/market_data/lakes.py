"""Tables of lakes: a log beside their files says which rows still count, so these alone mislead."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from model2_assets.errors import MarketDataError
from model2_assets.market_data.bars import reason

if TYPE_CHECKING:
    from deltalake import DeltaTable

_MARKS = {
    "_delta_log": "Delta",
    ".hoodie": "Hudi",
    ".hoodie_partition_metadata": "Hudi",
    "metadata": "Iceberg",
    "_spark_metadata": "Spark streaming",
}
"""What lies in a table's folder, by name, and the table's format."""


def refuse_parts(file_system: Any, base: str, listed: Iterable[str], parts: Sequence[str]) -> None:
    """Refuse files of a table, among which are those of rows that were removed or replaced.

    `listed` is what lies below `base`; folders above are looked at where they may be a table's.
    """
    names = list(listed)
    above, _, last = base.rpartition("/")
    while "=" in last or last == "data":
        with suppress(Exception):  # rights may end at the base
            names += file_system.ls(above or "/", detail=False)
        above, _, last = above.rpartition("/")
    for name in names:
        folder, _, mark = name.rstrip("/").rpartition("/")
        is_part = mark in _MARKS and any(part.startswith(f"{folder}/") for part in parts)
        if is_part and mark == "metadata":  # a name that others use too
            inside = file_system.ls(name, detail=False)
            is_part = any(entry.endswith(".metadata.json") for entry in inside)
        if is_part:
            remedy = "name that folder itself, and its log is followed"
            if mark != "_delta_log":
                remedy = (
                    "let the program that writes it export the rows of today as plain Parquet "
                    "files to another folder, and name that"
                )
            raise MarketDataError(
                f"{folder}: is a table of {_MARKS[mark]}, whose files hold rows that were removed "
                f"or replaced as well; {remedy}"
            )


def delta_rows(table: "DeltaTable", columns: Sequence[str]) -> pa.Table:
    """Return columns of the rows that a Delta table's log says are there, in no certain order."""
    from deltalake import QueryBuilder

    listed = ", ".join('"{}"'.format(name.replace('"', '""')) for name in columns)
    rows = QueryBuilder().register("bars", table).execute(f"SELECT {listed} FROM bars")
    return pa.table(rows)


def open_delta(path: str) -> "DeltaTable":
    """Open a Delta table at its newest version; MarketDataError where that cannot be."""
    try:
        from deltalake import DeltaTable
    except ImportError as error:
        raise MarketDataError(
            f"{path}: is a Delta table, which needs the library deltalake ({error}); install the "
            f'extra: pip install "model2-assets[delta]"'
        ) from error
    try:
        return DeltaTable(path)
    except Exception as error:  # its own, and those of its object stores
        raise MarketDataError(
            f"{path}: the Delta table cannot be read ({reason(error)}); mend its log or "
            f"the access rights, or export its rows as plain Parquet files"
        ) from error
