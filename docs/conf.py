"""Sphinx configuration; build with ``sphinx-build -W --keep-going docs build/docs``."""

import importlib.metadata

project = "factorate"
author = copyright = "The factorate developers"  # noqa: A001
version = release = importlib.metadata.version("factorate")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "matplotlib.sphinxext.plot_directive",
]
exclude_patterns = ["build"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

default_role = "py:obj"  # single backticks in docstrings are links
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

copybutton_exclude = ".linenos, .gp, .go"  # do not copy prompts and output

plot_formats = [("svg", 96)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = True
plot_apply_rcparams = True  # to plots with :context: too
plot_rcparams = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.figsize": (6.4, 3.4),
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "savefig.transparent": False,
}

html_theme = "furo"
html_title = "factorate"
html_static_path = ["_static"]
html_css_files = ["factorate.css"]
html_copy_source = False
html_show_sphinx = False
