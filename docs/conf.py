"""Sphinx: MyST pages, furo theme. The build runs with warnings as errors (`make docs`)."""

from importlib.metadata import version as installed_version

project = "Headrace"
author = "The Headrace authors"
project_copyright = "The Headrace authors"
release = version = installed_version("headrace")

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}

html_theme = "furo"
html_title = "Headrace"
html_show_sourcelink = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
