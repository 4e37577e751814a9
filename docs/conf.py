"""Settings of the documentation site; `make docs` builds it."""

import sys
from importlib import metadata
from pathlib import Path

from matplotlib.sphinxext import mathmpl
from sphinx.application import Sphinx

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_ext"))

project = "model2_assets"
author = "the authors of model2_assets"
release = metadata.version("model2-assets")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_design",
    "reference_pages",
    "concept_pictures",
]

myst_enable_extensions = ["attrs_inline", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120

napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
default_role = "code"  # single backticks of docstrings
autodoc_typehints = "none"  # numpydoc states types with shapes and units
autodoc_member_order = "bysource"
autosummary_generate = False
toc_object_entries = False
exclude_patterns = ["_build", "_ext", "*.yml"]

html_theme = "pydata_sphinx_theme"
html_title = "model2_assets"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_sidebars = dict.fromkeys(("concepts", "getting_started"), ())  # pages without others below
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}


def setup(app: Sphinx) -> None:
    """Have matplotlib draw formulas, so that pages fetch nothing."""
    mathmpl.setup(app)
    app.add_role("math", mathmpl.math_role, override=True)
    app.add_directive("math", mathmpl.MathDirective, override=True)
