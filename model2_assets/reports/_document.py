"""What a report consists of, before it is HTML.

All text is plain: the template escapes it. Only the ``svg`` of a chart is markup, drawn by
`model2_assets.charts`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True)
class KeyFigure:
    """One number at the top of a report, with what it needs beside it to be judged."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table; text is set left, numbers right."""

    heading: str
    unit: str = ""
    is_text: bool = False


@dataclass(frozen=True)
class Row:
    """Cells of a table, by column; `link` is where the first one leads."""

    cells: tuple[str, ...]
    is_total: bool = False
    link: str | None = None


@dataclass(frozen=True)
class Table:
    """A table with a caption above it and a note below."""

    id: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Chart:
    """A drawing with a title above it and a note below; a tall one has two others beside it."""

    id: str
    title: str
    svg: str
    note: str = ""
    width: Literal["full", "half", "tall"] = "full"
    kind: ClassVar[str] = "chart"


@dataclass(frozen=True)
class Facts:
    """Names and values, one pair a line."""

    id: str
    pairs: tuple[tuple[str, str], ...]
    kind: ClassVar[str] = "facts"


Block = Table | Chart | Facts


@dataclass(frozen=True)
class Section:
    """A part of a report with a heading of its own."""

    id: str
    heading: str
    blocks: tuple[Block, ...]
    text: str = ""


@dataclass(frozen=True)
class Report:
    """A whole report.

    Attributes
    ----------
    title, subtitle : str
        Heading, and what it is of.
    home : tuple of str and str, or None
        Text and relative target of a link to the report above this one.
    figures : tuple of KeyFigure
        What a reader sees first.
    caveats : tuple of tuple of str and str
        What the numbers are not: a keyword and a sentence each.
    sections : tuple of Section
        The rest, in order.
    inputs : mapping of str to str
        Data versions of the assets that it was made from.
    """

    title: str
    subtitle: str
    figures: tuple[KeyFigure, ...]
    caveats: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    inputs: Mapping[str, str]
    home: tuple[str, str] | None = None
