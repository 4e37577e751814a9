"""Contracts of what is handed to others, read from ``contracts/*.schema.json``.

The contract of a table is a JSON Schema (draft 2020-12) of one row. Annotations beside the standard
keywords say what JSON cannot: ``x-key`` (columns that identify a row), ``x-order`` (sort
order of the rows), ``x-arrow-type`` (type on disk) and ``x-unit``. A schema without
``x-key`` is the contract of a whole JSON document, such as ``GateSummary``.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_PACKAGED = Path(__file__).parent / "_contracts"
FOLDER = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[1] / "contracts"
"""Where the schemas are: within the installed package, or at the root of a checkout."""


@dataclass(frozen=True)
class Column:
    """What a contract says of one column, or of every column whose name fits a pattern."""

    name: str  # or a regular expression of names
    arrow_type: str  # alias on disk, such as double or timestamp[us]
    unit: str
    description: str
    nullable: bool
    required: bool
    schema: Mapping[str, Any]  # of one value


@dataclass(frozen=True)
class Contract:
    """One table's contract, of that name; the description says what a row is."""

    name: str
    description: str
    key: tuple[str, ...]  # columns that identify a row
    order: tuple[str, ...]  # columns that rows are sorted by; empty where that is free
    columns: tuple[Column, ...]  # with fixed names
    patterns: tuple[Column, ...]  # of others, tried in order
    schema: Mapping[str, Any]

    def column(self, name: str) -> Column | None:
        """Return what the contract says of a column; None if it does not allow it."""
        fixed = (column for column in self.columns if column.name == name)
        fitting = (column for column in self.patterns if re.search(column.name, name))
        return next(fixed, None) or next(fitting, None)

    def described(self, names: Iterable[str]) -> tuple[tuple[str, Column], ...]:
        """Return fixed columns and the given others, each name with its column."""
        fixed = [(column.name, column) for column in self.columns]
        known = {name for name, _ in fixed}
        others = [(name, self.column(name)) for name in names if name not in known]
        return (*fixed, *((name, column) for name, column in others if column is not None))


@cache
def load_contract(name: str) -> Contract:
    """Read a contract by name; FileNotFoundError if there is none.

    Examples
    --------
    >>> load_contract("OOFPredictions").key
    ('instrument', 'datetime')
    """
    schema = load_schema(name)
    required = frozenset(schema["required"])
    return Contract(
        name=name,
        description=schema["description"],
        key=tuple(schema["x-key"]),
        order=tuple(schema.get("x-order", ())),
        columns=_columns(schema["properties"], required),
        patterns=_columns(schema.get("patternProperties", {}), required),
        schema=schema,
    )


def load_schema(name: str) -> Mapping[str, Any]:
    """Return the JSON Schema of a table's rows, or of a document such as ``GateSummary``."""
    text = (FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    schema: Mapping[str, Any] = json.loads(text)
    return schema


def _columns(
    properties: Mapping[str, Mapping[str, Any]], required: frozenset[str]
) -> tuple[Column, ...]:
    return tuple(
        Column(
            name=name,
            arrow_type=schema["x-arrow-type"],
            unit=schema["x-unit"],
            description=schema["description"],
            nullable="null" in schema["type"],
            required=name in required,
            schema=schema,
        )
        for name, schema in properties.items()
    )
