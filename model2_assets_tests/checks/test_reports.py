"""Checks of reports."""

import pytest

from model2_assets_tests.checks.builders import (
    check_report,
)

GOOD = """<!DOCTYPE html><html><head><style>p { color: var(--ink); mask: url(#m) }</style></head>
<body><a href="#a">a</a><a href="../b/report.html">b</a>
<svg xmlns="http://www.w3.org/2000/svg"><use href="#m"/><path style="clip-path: url(#m)"/></svg>
<p id="a">http://example.invalid is text, not a reference</p><p id="b"></p></body></html>"""


def test_a_good_report_passes_all():
    assert [(o.name, o.passed) for o in check_report(GOOD, ["a", "b"])] == [
        ("complete", True),
        ("self_contained", True),
        ("size", True),
    ]


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ("<script>1</script>", "<script>"),
        ("<link rel=stylesheet href=x.css>", "<link>"),
        ("<img src='data:image/png;base64,AA'>", "<img>"),
        ("<iframe></iframe>", "<iframe>"),
        ("<a href='https://example.invalid/'>x</a>", "href='https://example.invalid/' of <a>"),
        ("<a href='//example.invalid/'>x</a>", "href='//example.invalid/' of <a>"),
        ("<a href='javascript:alert(1)'>x</a>", "href='javascript:alert(1)' of <a>"),
        ("<svg><use href='x.svg#a'/></svg>", "href='x.svg#a' of <use>"),
        ("<svg><image xlink:href='a.png'/></svg>", "<image>"),
        ("<p onclick='f()'>x</p>", "onclick of <p>"),
        ("<p style='background: URL( \"a.png\")'>x</p>", "style="),
        ("<style>@import 'a.css';</style>", "@import in its style"),
        ("<style>p { background: url(a.png) }</style>", "url( in its style"),
        ("<meta http-equiv=refresh content='0; url=x'>", "a refresh"),
    ],
)
def test_whatever_would_be_fetched_or_run_is_found(fault, named):
    outcome = check_report(GOOD.replace("</body>", f"{fault}</body>"), ["a", "b"])[1]
    assert not outcome.passed
    assert outcome.severity == "error"
    assert named in outcome.description
    assert outcome.values["external_references"] >= 1


def test_missing_and_repeated_parts_are_named():
    outcome = check_report(GOOD.replace('id="b"', 'id="a"'), ["a", "b"])[0]
    assert not outcome.passed
    assert outcome.description.startswith("b is missing; a is there more than once; ")
    assert outcome.values == {"parts": 2, "missing": 1, "repeated": 1}


def test_size_is_that_of_the_encoded_text():
    assert not check_report("−" * 10, [], limit_mb=30e-6)[2].passed
    outcome = check_report("−" * 10, [], limit_mb=31e-6)[2]
    assert outcome.passed
    assert outcome.values["size_mb"] == pytest.approx(30e-6)
