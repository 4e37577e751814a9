"""A report as one HTML file that needs nothing else."""

from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from model2_assets.reports._document import Report
from model2_assets.versions import inputs_element


def render(report: Report) -> str:
    """Return a report as HTML.

    Parameters
    ----------
    report : Report
        Its text is escaped; the drawings of its charts are not.

    Returns
    -------
    str
        A document with its style and its drawings inside, without scripts. It forbids the
        browser to fetch anything, whatever it contains.
    """
    template = _environment().get_template("report.html.j2")
    html = template.render(
        report=report, inputs=Markup(inputs_element(report.inputs)), style=Markup(_style())
    )
    return html + "\n"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("model2_assets.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["drawing"] = Markup
    return environment


@cache
def _style() -> str:
    return resources.files(__package__).joinpath("report.css").read_text(encoding="utf-8")
