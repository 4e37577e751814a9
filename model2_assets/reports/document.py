"""What a report consists of, and how it becomes one HTML file."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from model2_assets.evaluation.metrics import MISSING, Metric
from model2_assets.reports.canvas import Draw, png, svg
from model2_assets.storage.codecs import inputs_element

FULL_PX = 1080
HALF_PX = 526


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


def columns(*shown: str | Metric | Column) -> tuple[Column, ...]:
    """Return columns of a table: of text by their headings, of metrics, and others as they are."""
    return tuple(
        Column(each, is_text=True)
        if isinstance(each, str)
        else Column(each.title, each.unit)
        if isinstance(each, Metric)
        else each
        for each in shown
    )


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


@dataclass(frozen=True, eq=False)
class Chart:
    """Data and how to draw them, with a title above and a note below.

    A page takes it as SVG, an asset's page in Dagster as PNG. A tall one has two others beside it.
    """

    id: str
    title: str
    draw: Draw
    data: Any
    note: str = ""
    width: Literal["full", "half", "tall"] = "full"
    height_px: int = 280
    kind: ClassVar[str] = "chart"

    @property
    def svg(self) -> str:
        """The drawing as an element of a page."""
        width_px = FULL_PX if self.width == "full" else HALF_PX
        return svg(self.draw, self.data, width_px=width_px, height_px=self.height_px)

    @property
    def png(self) -> bytes:
        """The drawing as a picture."""
        return png(self.draw, self.data, height_px=self.height_px)


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

    `home` is text and relative target of a link to the report above this one, `caveats` what the
    numbers are not (a keyword and a sentence each), `inputs` the data versions of what it was
    made from.
    """

    title: str
    subtitle: str
    figures: tuple[KeyFigure, ...]
    caveats: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    inputs: Mapping[str, str]
    home: tuple[str, str] | None = None


def render(report: Report) -> str:
    """Return a report as HTML with its style and drawings inside, without scripts.

    Text is escaped; the drawings of charts are not. It forbids the browser to fetch anything.
    """
    inputs = Markup(inputs_element(report.inputs))
    return _template().render(report=report, inputs=inputs) + "\n"


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("model2_assets.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def report_digest(html: str) -> str:
    """Return the first 32 hexadecimal digits of the SHA-256 of a report's text.

    A report has no table of values to digest; its text holds no time and no ids by chance, so
    equal input gives equal text.
    """
    return hashlib.sha256(html.encode()).hexdigest()[:32]


def date(value: pd.Timestamp) -> str:
    """Return a date as ``2024-01-02``."""
    return MISSING if pd.isna(value) else f"{value:%Y-%m-%d}"


def period(dates: pd.DatetimeIndex) -> str:
    """Return the first and the last of ascending dates."""
    return f"{date(dates[0])} to {date(dates[-1])}"
