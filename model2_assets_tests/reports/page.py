"""What tests look at in a report: its text and tables, read by Python's own parser."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "br", "path", "use", "rect"}


@dataclass
class Table:
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)

    def column(self, heading: str) -> list[str]:
        return [row[self.header.index(heading)] for row in self.rows]


class Page(HTMLParser):
    """A report's ids, tags, links, headings, tables by id, and visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.tables: dict[str, Table] = {}
        self.text_of: dict[str, str] = {}
        self._path: list[str] = []
        self._owner = ""
        self.feed(html)
        self.close()
        assert self._path == []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.add(tag)
        if tag not in VOID:
            self._path.append(tag)
        if "id" in values:
            self.ids.append(values["id"])
            if tag in ("figure", "section", "aside", "dl"):
                self._owner = values["id"]
        if tag == "a":
            self.links.append(values["href"])
        if tag == "table":
            self.tables[self._owner] = Table()
        if tag == "tr" and "tbody" in self._path:
            self.tables[self._owner].rows.append([])
        if tag in ("th", "td"):
            self._cells().append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self._path.pop() == tag

    def handle_data(self, data):
        if {"th", "td"} & set(self._path[-3:]):
            cells = self._cells()
            cells[-1] = (cells[-1] + data).strip()
        if "style" not in self._path:
            self.text_of[self._owner] = self.text_of.get(self._owner, "") + data

    @property
    def text(self) -> str:
        return " ".join(self.text_of.values())

    def _cells(self) -> list[str]:
        table = self.tables[self._owner]
        return table.rows[-1] if "tbody" in self._path else table.header


def value(text: str) -> float:
    """Return a displayed number."""
    plain = text.replace("−", "-").replace(",", "").removesuffix(" bps")
    return float(plain.removesuffix("%")) / 100 if plain.endswith("%") else float(plain)


def digits(text: str) -> int:
    """Return how many decimals a number is displayed with."""
    return len(text.removesuffix("%").partition(".")[2])
