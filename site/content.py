"""What Sphinx reads: notebooks and pages of both editions, copied, with what only a site needs.

Targets, folds, links and views that answer are added to the copy; the notebooks know nothing of them.
"""

import base64
import json
import re
import shutil
import sys
import tomllib
from html import escape
from pathlib import Path
from urllib.parse import unquote

import nbformat

from helpers import i18n
from helpers.views.html import view_labels

SITE = Path(__file__).resolve().parent
ROOT = SITE.parent
COPY = ROOT / "build" / "site-src"
URL = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
GLOSSARY = ROOT / "notebooks" / "zh" / "GLOSSARY.md"

BOOKS = [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
CHAPTERS = tomllib.loads((SITE / "chapters.toml").read_text(encoding="utf-8"))
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "helpers").rglob("*.py")
    if path.stem != "__main__" and (path.parent.name != "exercises" or path.stem == "__init__") and path.read_text(encoding="utf-8").strip()
)
PAGES = {  # of each edition: a file of the repository to its page
    "en": {"README.md": "readme", "INSTRUCTORS.md": "instructors", "lab/README.md": "lab"}
    | {f"notebooks/{name}.ipynb": name for name in BOOKS},
    "zh": {"README.zh-CN.md": "readme"} | {f"notebooks/zh/{name}.ipynb": name for name in BOOKS},
}
FOLDED = {
    "en": {"exercise": "Exercise: solve it in the notebook", "setup": "Imports, parameters and settings"},
    "zh": {"exercise": "练习：请在笔记本中完成", "setup": "导入、参数与设置"},
}
WORDS = tomllib.loads((SITE / "words.toml").read_text(encoding="utf-8"))
EXERCISE = re.compile(r"^ex\.(\w+)\.check\(\1\)\s*\Z", re.M)
PROGRESS = re.compile(r"\s*\d+%\|.*\[.*\]\s*")  # a bar as it stood when the notebook was saved
CHAPTER = re.compile(r"^\| (\d\d · [^|]+?) \|(?=.*/blob/main/(\S+\.ipynb)\))", re.M)  # a row of the README's table


def anchored(parts: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """A page with a target before each heading, the same in both editions: a translation keeps the order of the headings.

    A second title ("Going further") becomes a section, since a page has one.

    Args:
        parts: Markdown by a name that it has in both editions.

    Returns:
        The parts, and the targets by the names that Jupyter gives the headings.
    """
    made, targets, titles = {}, {}, 0
    for key, markdown in parts.items():
        lines, fenced, number = [], False, 0
        for line in markdown.splitlines():
            fenced ^= line.startswith("```")
            heading = None if fenced else re.match(r"(#+) (.*)", line)
            if heading:
                number += 1
                titles += heading[1] == "#"
                targets[heading[2].replace(" ", "-")] = f"{key}-{number}"
                lines += [f"({key}-{number})=", "#" * (titles > 1) + line]
            else:
                lines.append(line)
        made[key] = "\n".join(lines) + "\n"
    return made, targets


def linked(markdown: str, source: str, language: str, targets: dict[str, str]) -> str:
    """Markdown whose links lead to the site's pages, or to the repository where the site has none.

    Args:
        markdown: A page or a part of one.
        source: The file that it is from, counted from the repository's root.
        language: Of the edition.
        targets: Those of its page.
    """

    def to(link):
        path, _, anchor = link[1].partition("#")
        if re.match(r"[a-z]+:", path):
            return link[0]
        if not path:
            return f"](#{targets.get(unquote(anchor), anchor)})"
        file = (ROOT / source).parent.joinpath(path).resolve()
        name, anchor = file.relative_to(ROOT).as_posix(), anchor and f"#{anchor}"
        if file.suffix in (".png", ".svg"):
            copy = COPY / language / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
            return f"](/{name})"
        if name in PAGES[language]:
            return f"](/{PAGES[language][name]}{file.suffix}{anchor})"
        for edition, pages in PAGES.items():
            if name in pages:
                return f"]({edition}:{pages[name]}.html{anchor})"
        return f"]({URL}/{'tree' if file.is_dir() else 'blob'}/main/{name}{anchor})"

    return re.sub(r"\]\(([^()\s]+)\)", to, markdown)


def fold(cell, summary: str) -> None:
    """Hides a cell behind one line."""
    cell.metadata.setdefault("tags", []).append("hide-cell")
    cell.metadata.setdefault("mystnb", {}).update(code_prompt_show=summary, code_prompt_hide=summary)


def fold_setup(notebook, summary: str) -> None:
    """Makes one folded cell of a chapter's set-up cells, which are tagged `hide-input`."""
    first, *others = [cell for cell in notebook.cells if "hide-input" in cell.metadata.get("tags", [])]
    first.source = "\n\n".join(cell.source for cell in (first, *others))
    first.outputs = [output for cell in (first, *others) for output in cell.outputs]
    first.metadata.tags = []
    fold(first, summary)
    notebook.cells = [cell for cell in notebook.cells if cell not in others]


def add_view(cell, view: dict, files: dict) -> None:
    """Puts a view that answers in the page around its static picture, or below a cell that has none."""
    models = [["before", view["base"]]] if view["kind"] == "guesses" else []
    if view.get("adapted") in files:
        models.append(["after" if models else "trained", view["adapted"]])
    if view["kind"] == "verdict" and not models:
        return  # nothing there could judge
    spec = {name: value for name, value in view.items() if name not in ("cell", "adapted")} | {"models": models}
    pictures = [output for output in cell.outputs if "text/html" in output.get("data", {})]
    if not pictures:
        pictures = [nbformat.v4.new_output("display_data", {"text/html": ""})]
        cell.outputs += pictures
    data = pictures[-1]["data"]
    data["text/html"] = f'<div data-view="{escape(json.dumps(spec))}">{data["text/html"]}</div>'


def book(source: str, language: str, files: dict) -> str:
    """A notebook as the site shows it: alt texts with their pictures, exercises and set-up folded, views that answer."""
    notebook = nbformat.read(ROOT / source, as_version=4)
    views = CHAPTERS[Path(source).stem]["view"] if files else []
    prose, targets = anchored({f"cell-{cell.id}": cell.source for cell in notebook.cells if cell.cell_type == "markdown"})
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = linked(prose[f"cell-{cell.id}"], source, language, targets)
            continue
        cell.outputs = [output for output in cell.outputs if not PROGRESS.fullmatch(output.get("data", {}).get("text/plain", ""))]
        for output in cell.outputs:
            output.get("data", {}).pop("application/json", None)  # recorded figures, which stand in the table beside
        for view in [view for view in views if re.search(view["cell"], cell.source)][:1]:
            add_view(cell, view, files)
            views = [other for other in views if other is not view]
        if "alt" in cell.metadata:
            cell.metadata["mystnb"] = {"image": {"alt": cell.metadata["alt"]}}
        if EXERCISE.search(cell.source):
            fold(cell, FOLDED[language]["exercise"])
    fold_setup(notebook, FOLDED[language]["setup"])
    for view in views:
        print(f"{source}: no cell for the view {view['kind']!r}; site/chapters.toml says which", file=sys.stderr)
    return nbformat.writes(notebook)


def card(name: str, language: str, pictures: Path) -> str:
    """Return a chapter as the front page shows it: its title, what one learns, and its picture.

    The picture is what one of its cells shows, or else the table that the chapter opens with.
    """
    notebook = nbformat.read(ROOT / "notebooks" / ("zh" if language == "zh" else "") / f"{name}.ipynb", as_version=4)
    title = re.search(r"^# (.+)$", notebook.cells[0].source, re.M)[1]
    opening = re.search(r"^(?:\|.*(?:\n|\Z))+", notebook.cells[0].source, re.M)
    shown = opening[0] if opening else ""
    pattern = CHAPTERS[name].get("picture")
    cells = [cell for cell in notebook.cells if pattern and cell.cell_type == "code" and re.search(pattern, cell.source)]
    outputs = [(cell, output.get("data", {})) for cell in cells for output in cell.outputs]
    for cell, data in outputs:
        if "image/png" in data:
            (pictures / f"{name}.png").write_bytes(base64.b64decode(data["image/png"]))
            shown = f'<img src="pictures/{name}.png" alt="{escape(cell.metadata.get("alt", title))}">'
        elif "text/html" in data and "application/json" not in data:
            shown = data["text/html"].replace("\n", " ")
    link = f'<a href="{name}.html">{escape(title)}</a>'
    about = escape(CHAPTERS[name][language])
    return f'<section class="card">\n<h2>{link}</h2>\n<p>{about}</p>\n<div class="picture">\n\n{shown}\n\n</div>\n</section>\n'


def front(language: str, pictures: Path, files: dict) -> str:
    """The first page of an edition."""
    pictures.mkdir(parents=True)
    cards = "\n".join(card(name, language, pictures) for name in BOOKS)
    text = (SITE / "pages" / f"index.{language}.md").read_text(encoding="utf-8")
    return text.replace("ANSWERS", WORDS[language]["answers"] if files else "").replace("CARDS", f'<div class="cards">\n\n{cards}\n</div>')


def page(source: str, language: str) -> str:
    """A Markdown file as the site shows it."""
    text = CHAPTER.sub(r"| [\1](\2) |", (ROOT / source).read_text(encoding="utf-8"))
    parts, targets = anchored({PAGES[language][source]: text})
    return linked(*parts.values(), source, language, targets)


def prepare(language: str, files: dict) -> None:
    """Writes what Sphinx reads for one edition; what it only copies stands in `extra`.

    Args:
        language: Of the edition.
        files: Those that the views load; none for a site without views.
    """
    folder = COPY / language
    shutil.copytree(SITE / "locale", folder / "locale")
    (folder / "index.md").write_text(front(language, folder / "extra" / "pictures", files), encoding="utf-8")
    for source, name in PAGES[language].items():
        suffix, text = (".ipynb", book(source, language, files)) if source.endswith(".ipynb") else (".md", page(source, language))
        (folder / f"{name}{suffix}").write_text(text, encoding="utf-8")
    i18n.set_language(language)
    root = "" if language == "en" else "../"
    course = {"labels": view_labels() | WORDS[language], "root": f"{root}models/", "worker": f"{root}worker.js", "files": files}
    (folder / "course.json").write_text(json.dumps(course, ensure_ascii=False).replace("</", "<\\/"), encoding="utf-8")
    if language == "en":
        api = (SITE / "pages" / "api.md").read_text(encoding="utf-8")
        (folder / "api.md").write_text(api.replace("MODULES", "\n   ".join(MODULES)), encoding="utf-8")
        shutil.copytree(SITE / "extra", folder / "extra", dirs_exist_ok=True)
        shutil.copy(ROOT / "LICENSE", folder / "extra" / "LICENSE.txt")


def terms() -> str:
    """The glossary's Chinese words in the form that jieba reads: a search must not take them apart."""
    rows = re.findall(r"^\|[^|]+\|([^|]+)\|(.*)", GLOSSARY.read_text(encoding="utf-8"), re.M)
    words = {
        word for term, note in rows for word in re.findall(r"[\u4e00-\u9fff]{2,}", term) + re.findall(r"：([\u4e00-\u9fff]{2,})", note)
    }
    return "".join(f"{word} 1000\n" for word in sorted(words))
