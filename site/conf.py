"""Sphinx' settings, for both editions; build.py hands over the language and the title."""

import logging
from pathlib import Path

import jieba
from sphinx.search.zh import SearchChinese

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
exclude_patterns = ["locale"]
locale_dirs = ["locale"]
templates_path = [str(Path(__file__).parent / "templates")]  # autosummary would look beside the pages
jieba.setLogLevel(logging.WARNING)
SearchChinese.language_name = "English"  # whose stemmer it uses; Sphinx 9.0 names one that does not exist (sphinx-doc/sphinx#14229)

nb_execution_mode = "off"
nb_merge_streams = True
nb_ipywidgets_js = {}  # would come from another server
myst_heading_anchors = 3
myst_url_schemes = {"http": None, "https": None, "en": "../{{path}}#{{fragment}}", "zh": "zh/{{path}}#{{fragment}}"}

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
default_role = "code"
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_theme_options = {"top_of_page_buttons": []}
html_sidebars = {"**": [f"sidebar/{part}.html" for part in "brand language search scroll-start navigation scroll-end".split()]}
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_favicon = "static/icon.svg"
html_copy_source = False
html_domain_indices = False  # the page of the API is one
html_show_copyright = False


def shared_targets_first(app, document):
    """Makes the target that both editions have the one that contents and permalinks name."""
    for section in document.findall(lambda node: node.tagname == "section"):
        section["ids"].sort(key=lambda name: not name.startswith(("cell-", "index-")))


def other_language(app, name, template, context, document):
    """Tells the templates where the page is in the other edition; a page that only one has leads to the start of the other."""
    other = Path(app.srcdir).parent / ("en" if app.config.language == "zh_CN" else "zh")
    there = name if name == "search" or any(other.glob(f"{name}.*")) else "index"
    folder = "../" if other.name == "en" else "zh/"
    context |= {"other": f"{context['content_root']}{folder}{there}.html", "other_language": other.name}


def commands_as_typed(app, what, name, member, options, lines):
    """Makes code of the command lines that stand indented below a module's first sentence."""
    if what == "module" and len(lines) > 2 and lines[2].startswith("    "):
        lines[2:2] = ["::", ""]


def skip_fields(app, what, name, member, skip, options):
    """Leaves a named tuple's fields to its docstring."""
    return True if type(member).__name__ == "_tuplegetter" else None


def setup(app):
    app.connect("autodoc-process-docstring", commands_as_typed)
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("doctree-read", shared_targets_first, priority=1)
    app.connect("html-page-context", other_language)
