"""Checks of reports: whole, self-contained, and small enough to be sent."""

import re
from collections.abc import Sequence
from html.parser import HTMLParser

from model2_assets.checks.outcome import CheckOutcome

REPORT_MB = 5
"""Largest report, 10^6 bytes: what any mail system takes."""

_FETCHED = frozenset(
    {"src", "srcset", "href", "xlink:href", "data", "poster", "action", "formaction", "background"}
)
_FETCHING_TAGS = frozenset(
    {
        "script",
        "link",
        "iframe",
        "frame",
        "object",
        "embed",
        "base",
        "img",
        "audio",
        "video",
        "form",
    }
)
_STYLE_REFERENCE = re.compile(r"@import|url\(\s*['\"]?(?!#)", re.IGNORECASE)
_SCHEME = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)


def check_report_complete(html: str, parts: Sequence[str]) -> CheckOutcome:
    """Check that every part of a report is there, once.

    Parameters
    ----------
    html : str
        The report.
    parts : sequence of str
        Ids of its sections, tables and charts.

    Returns
    -------
    CheckOutcome
        Named ``complete``.
    """
    found = _read(html).ids
    missing = [part for part in parts if part not in found]
    repeated = sorted({part for part in found if found.count(part) > 1})
    problems = [f"{part} is missing" for part in missing]
    problems += [f"{part} is there more than once" for part in repeated]
    return CheckOutcome(
        "complete",
        passed=not problems,
        description="; ".join(problems) + "; correct the report's template"
        if problems
        else f"all {len(parts)} parts",
        values={"parts": len(parts), "missing": len(missing), "repeated": len(repeated)},
    )


def check_self_contained(html: str) -> CheckOutcome:
    """Check that a report opens offline: it fetches nothing and runs nothing.

    Parameters
    ----------
    html : str
        The report.

    Returns
    -------
    CheckOutcome
        Named ``self_contained``. Links between reports are relative and no fetches.
    """
    problems = _read(html).problems
    return CheckOutcome(
        "self_contained",
        passed=not problems,
        description=f"it would fetch or run {problems[0]} and {len(problems) - 1} others; correct "
        f"the report's template"
        if problems
        else "fetches nothing, runs nothing",
        values={"external_references": len(problems)},
    )


def check_report_size(html: str, *, limit_mb: float = REPORT_MB) -> CheckOutcome:
    """Check that a report is small enough to be sent.

    Parameters
    ----------
    html : str
        The report.
    limit_mb : float, default 5
        Limit in 10^6 bytes of UTF-8, exclusive.

    Returns
    -------
    CheckOutcome
        Named ``size``.
    """
    megabytes = len(html.encode()) / 1e6
    return CheckOutcome(
        "size",
        passed=megabytes < limit_mb,
        description=f"{megabytes:.2f} MB, limit {limit_mb:g} MB",
        values={"size_mb": megabytes, "limit_mb": limit_mb},
    )


def check_report(html: str, parts: Sequence[str]) -> list[CheckOutcome]:
    """Return all checks of a report.

    Parameters
    ----------
    html : str
        The report.
    parts : sequence of str
        Ids of its sections, tables and charts.

    Returns
    -------
    list of CheckOutcome
        ``complete``, ``self_contained`` and ``size``.
    """
    return [
        check_report_complete(html, parts),
        check_self_contained(html),
        check_report_size(html),
    ]


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


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader
