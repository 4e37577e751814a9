"""Checks of reports: whole, self-contained, and small enough to be sent."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html.parser import HTMLParser

from model2_assets.checks.catalogue import Finding

REPORT_MB = 5
"""Largest report, 10^6 bytes: what any mail system takes."""

_REMEDY = "correct the report's template"

_FETCHED = frozenset(
    {"src", "srcset", "href", "xlink:href", "data", "poster", "action", "formaction", "background"}
)
_FETCHING_TAGS = frozenset({"script", "link", "iframe", "frame", "object", "embed", "base"}) | {
    *("img", "audio", "video", "form")
}
_STYLE_REFERENCE = re.compile(r"@import|url\(\s*['\"]?(?!#)", re.IGNORECASE)
_SCHEME = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)


class _Reader(HTMLParser):
    """Collects ids, and whatever would be fetched or run."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.problems: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        if tag in _FETCHING_TAGS:
            self.problems.append(f"<{tag}>")
        for name, value in attrs:
            self._look_at(tag, name, value or "")

    def handle_endtag(self, tag: str) -> None:
        self._in_style = self._in_style and tag != "style"

    def handle_data(self, data: str) -> None:
        if self._in_style and (found := _STYLE_REFERENCE.search(data)):
            self.problems.append(f"{found[0]} in its style")

    def _look_at(self, tag: str, name: str, value: str) -> None:
        if name == "id":
            self.ids.append(value)
        elif name.startswith("on"):
            self.problems.append(f"{name} of <{tag}>")
        elif name in _FETCHED and (
            _SCHEME.match(value) if tag == "a" else not value.startswith("#")
        ):
            self.problems.append(f"{name}={value!r} of <{tag}>")
        elif name == "http-equiv" and value.lower() == "refresh":
            self.problems.append("a refresh")
        elif _STYLE_REFERENCE.search(value):
            self.problems.append(f"{name}={value!r} of <{tag}>")


@dataclass(frozen=True)
class ReportChecks:
    """A report, and the ids of the sections, tables and charts that it has to have."""

    html: str
    parts: Sequence[str]
    limit_mb: float = REPORT_MB

    @cached_property
    def _read(self) -> _Reader:
        reader = _Reader()
        reader.feed(self.html)
        reader.close()
        return reader

    def complete(self) -> Finding:
        """Look for every part, once."""
        found = self._read.ids
        missing = [part for part in self.parts if part not in found]
        repeated = sorted({part for part in found if found.count(part) > 1})
        problems = [f"{part} is missing" for part in missing]
        problems += [f"{part} is there more than once" for part in repeated]
        counts = {"parts": len(self.parts), "missing": len(missing), "repeated": len(repeated)}
        return Finding.of(problems, f"all {len(self.parts)} parts", counts, remedy=_REMEDY)

    def self_contained(self) -> Finding:
        """Look for what it would fetch or run; links between reports are relative, no fetches."""
        found = self._read.problems
        named = [f"it would fetch or run {found[0]} and {len(found) - 1} others"] if found else []
        values = {"external_references": len(found)}
        return Finding.of(named, "fetches nothing, runs nothing", values, remedy=_REMEDY)

    def size(self) -> Finding:
        """Compare its size in 10^6 bytes of UTF-8 with the limit, which is exclusive."""
        megabytes = len(self.html.encode()) / 1e6
        text = f"{megabytes:.2f} MB, limit {self.limit_mb:g} MB"
        values = {"size_mb": megabytes, "limit_mb": self.limit_mb}
        return Finding(megabytes < self.limit_mb, text, values)
