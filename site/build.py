"""The course as a site: both editions with the outputs they keep, and the API of `helpers`. Runs no notebook and asks no network.

    python site/build.py    # build/site, from a copy in build/site-src

What only a page needs (targets, folds, links) is added to the copy; the notebooks know nothing of it.
"""

import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from urllib.parse import unquote

import nbformat

SITE = Path(__file__).resolve().parent
ROOT = SITE.parent
OUT, COPY = ROOT / "build" / "site", ROOT / "build" / "site-src"
URL = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
GLOSSARY = ROOT / "notebooks" / "zh" / "GLOSSARY.md"

BOOKS = [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
MODULES = sorted(f"helpers.{path.stem}" for path in (ROOT / "helpers").iterdir() if re.fullmatch(r"[a-z]+(\.py)?", path.name))
PAGES = {  # of each edition: a file of the repository to its page
    "en": {"README.md": "index", "INSTRUCTORS.md": "instructors", "lab/README.md": "lab"}
    | {f"notebooks/{name}.ipynb": name for name in BOOKS},
    "zh": {"README.zh-CN.md": "index"} | {f"notebooks/zh/{name}.ipynb": name for name in BOOKS},
}
SPHINX = {
    "en": {"language": "en", "html_title": "Fine-tuning Transformers"},
    "zh": {"language": "zh_CN", "html_title": "微调 Transformer", "html_use_index": 0, "html_search_options.dict": COPY / "terms.txt"},
}
FOLDED = {
    "en": {"exercise": "Exercise: solve it in the notebook", "colab": "Setup, for Colab alone"},
    "zh": {"exercise": "练习：请在笔记本中完成", "colab": "仅供 Colab 使用的准备步骤"},
}
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


def book(source: str, language: str) -> str:
    """A notebook as the site shows it: alt texts with their pictures, exercises and Colab's setup folded."""
    notebook = nbformat.read(ROOT / source, as_version=4)
    prose, targets = anchored({f"cell-{cell.id}": cell.source for cell in notebook.cells if cell.cell_type == "markdown"})
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = linked(prose[f"cell-{cell.id}"], source, language, targets)
            continue
        cell.outputs = [output for output in cell.outputs if not PROGRESS.fullmatch(output.get("data", {}).get("text/plain", ""))]
        for output in cell.outputs:
            output.get("data", {}).pop("application/json", None)  # recorded figures, which stand in the table beside
        if "alt" in cell.metadata:
            cell.metadata["mystnb"] = {"image": {"alt": cell.metadata["alt"]}}
        if EXERCISE.search(cell.source):
            fold(cell, FOLDED[language]["exercise"])
        elif '"google.colab" in sys.modules' in cell.source:
            fold(cell, FOLDED[language]["colab"])
    return nbformat.writes(notebook)


def page(source: str, language: str) -> str:
    """A Markdown file as the site shows it."""
    text = CHAPTER.sub(r"| [\1](\2) |", (ROOT / source).read_text(encoding="utf-8"))
    parts, targets = anchored({PAGES[language][source]: text})
    return linked(*parts.values(), source, language, targets)


def prepare(language: str) -> None:
    """Writes what Sphinx reads for one edition."""
    folder = COPY / language
    shutil.copytree(SITE / "locale", folder / "locale")
    for source, name in PAGES[language].items():
        suffix, text = (".ipynb", book(source, language)) if source.endswith(".ipynb") else (".md", page(source, language))
        if name == "index":
            text += (SITE / "pages" / f"contents.{language}.md").read_text(encoding="utf-8")
        (folder / f"{name}{suffix}").write_text(text, encoding="utf-8")
    if language == "en":
        api = (SITE / "pages" / "api.md").read_text(encoding="utf-8")
        (folder / "api.md").write_text(api.replace("MODULES", "\n   ".join(MODULES)), encoding="utf-8")


def terms() -> str:
    """The glossary's Chinese words in the form that jieba reads: a search must not take them apart."""
    rows = re.findall(r"^\|[^|]+\|([^|]+)\|(.*)", GLOSSARY.read_text(encoding="utf-8"), re.M)
    words = {
        word for term, note in rows for word in re.findall(r"[\u4e00-\u9fff]{2,}", term) + re.findall(r"：([\u4e00-\u9fff]{2,})", note)
    }
    return "".join(f"{word} 1000\n" for word in sorted(words))


def main() -> int:
    """Builds the site; 1 if anything in it is wrong."""
    began = time.perf_counter()
    for folder in (OUT, COPY):
        shutil.rmtree(folder, ignore_errors=True)
    for language in SPHINX:
        prepare(language)
    (COPY / "terms.txt").write_text(terms(), encoding="utf-8")
    builds = []
    for language, options in SPHINX.items():
        command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "-c", SITE, "-d", COPY / f"read-{language}"]
        command += [word for name, value in options.items() for word in ("-D", f"{name}={value}")]
        builds.append(subprocess.Popen([*command, COPY / language, OUT if language == "en" else OUT / language]))
    failed = [build for build in builds if build.wait()]
    for rest in [*OUT.rglob("jupyter_execute"), *OUT.rglob("_sources")]:  # of no use to a page
        shutil.rmtree(rest)
    size = sum(file.stat().st_size for file in OUT.rglob("*") if file.is_file())
    print(f"{OUT.relative_to(ROOT)}: {size / 1e6:.1f} MB in {time.perf_counter() - began:.0f} s")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
