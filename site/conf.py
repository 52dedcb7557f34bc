"""Sphinx' settings, for both editions; build.py hands over the language and the title."""

import logging
import re
import tomllib
from html import escape
from pathlib import Path

import jieba
from sphinx.search.zh import SearchChinese

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
exclude_patterns = ["locale", "extra"]
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
ABOUT = {
    "en": "Five notebooks that teach how to fine-tune Transformers, and run anywhere: no account, no GPU, no network.",
    "zh": "五个教人微调 Transformer 的笔记本，哪里都能运行：不需要账号、GPU 和网络。",
}
CHAPTERS = tomllib.loads((Path(__file__).parent / "chapters.toml").read_text(encoding="utf-8"))
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


def views_that_answer(app, name, template, context, document):
    """Gives a page with views what they need: the scripts, and a list of files and words."""
    if "data-view=" in context.get("body", ""):
        course = (Path(app.srcdir) / "course.json").read_text(encoding="utf-8")
        app.add_js_file(None, body=course, type="application/json", id="course")
        for script in ("models.js", "views.js"):
            app.add_js_file(script, loading_method="defer")


def for_other_sites(app, name, template, context, document):
    """Tells networks and searches what to show of a page: a title, a sentence, a picture, and where it is in the other language."""
    if document is None:
        return  # a search, an index
    language, base = ("zh" if app.config.language == "zh_CN" else "en"), app.config.html_baseurl
    home = base.removesuffix("zh/")
    sentence = CHAPTERS.get(name, {}).get(language) or ABOUT[language]
    tags = {"og:title": context["title"] if name != "index" else context["docstitle"], "og:description": sentence, "og:type": "website"}
    tags |= {"og:url": f"{base}{name}.html", "og:image": f"{home}card.{language}.png", "twitter:card": "summary_large_image"}
    text = lambda value: escape(re.sub("<[^>]*>", "", value))  # noqa: E731
    context["metatags"] += f'<meta name="description" content="{text(sentence)}">'
    context["metatags"] += "".join(f'<meta property="{key}" content="{text(value)}">' for key, value in tags.items())
    other = Path(app.srcdir).parent / ("en" if language == "zh" else "zh")
    if any(other.glob(f"{name}.*")):
        pages = {"en": f"{home}{name}.html", "zh": f"{home}zh/{name}.html"}
        context["metatags"] += "".join(f'<link rel="alternate" hreflang="{key}" href="{page}">' for key, page in pages.items())


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
    app.connect("html-page-context", views_that_answer)
    app.connect("html-page-context", for_other_sites)
