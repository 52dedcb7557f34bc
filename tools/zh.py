"""The Chinese edition: code, tags and cell ids are the English notebook's; prose is its own, and remembers what it translates.

    python tools/zh.py                        # carries code over, lists prose to redo, executes what changed
    python tools/zh.py --accept 786a4b9b …    # the prose of these cells is up to date again

A translated cell keeps ``translates`` in its metadata: the fingerprint of the English text (of a figure's alt text in a code cell).
README.zh-CN.md keeps those of README.md's sections in its last line.
"""

import argparse
import hashlib
import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
ENGLISH, CHINESE = ROOT / "notebooks", ROOT / "notebooks" / "zh"
README, READ_ME = ROOT / "README.md", ROOT / "README.zh-CN.md"
OWN = re.compile(r'^language: str = "(en|zh)"', re.M)  # the one literal in which the editions differ


def fingerprint(text: str) -> str:
    """Of an English text: what a translation of it remembers."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def translatable(cell) -> str | None:
    """A cell's text for people: its prose, or its figure's alt text; None where it has none."""
    return cell.source if cell.cell_type == "markdown" else cell.metadata.get("alt")


def chinese_code(source: str) -> str:
    """The English code with the Chinese edition's language."""
    return OWN.sub('language: str = "zh"', source)


def carried(english, chinese):
    """A Chinese notebook with the English one's cells: their code and tags, and the prose that there is; English prose where none is.

    Args:
        english: The notebook to follow.
        chinese: The edition as it is. Outputs of code that has not changed are kept.
    """
    known = {cell.id: cell for cell in chinese.cells}
    book = nbformat.from_dict(english)
    for cell in book.cells:
        old = known.get(cell.id)
        if old is not None and old.cell_type == cell.cell_type and old.metadata.get("translates"):
            cell.metadata["translates"] = old.metadata["translates"]
            if cell.cell_type == "markdown":
                cell.source = old.source
            elif "alt" in cell.metadata:
                cell.metadata["alt"] = old.metadata["alt"]
        if cell.cell_type == "code":
            cell.source = chinese_code(cell.source)
            same = old is not None and old.source == cell.source
            cell.outputs, cell.execution_count = (old.outputs, old.execution_count) if same else ([], None)
    return book


def drift(english, chinese) -> list[str]:
    """Where a Chinese notebook is not what its English one makes it; each line begins with the cell's id."""
    ours, theirs = [cell.id for cell in chinese.cells], [cell.id for cell in english.cells]
    if ours != theirs:
        first = next((a or b for a, b in zip(theirs + [""], ours + [""]) if a != b), theirs[-1])
        return [f"{first}: cells are missing, new or in another order"]
    differences = []
    for source, cell in zip(english.cells, chinese.cells):
        if cell.cell_type != source.cell_type:
            differences.append(f"{cell.id}: is {cell.cell_type}, not {source.cell_type}")
        elif cell.cell_type == "code" and cell.source != chinese_code(source.source):
            differences.append(f"{cell.id}: code differs")
        if cell.metadata.get("tags") != source.metadata.get("tags"):
            differences.append(f"{cell.id}: tags differ")
        text = translatable(source)
        if text is not None and cell.metadata.get("translates") != fingerprint(text):
            differences.append(f"{cell.id}: to be translated anew: {text.strip().splitlines()[0][:70]}")
    return differences


def sections(markdown: str) -> dict[str, str]:
    """Headings of the second level to the fingerprints of the text below them."""
    parts = re.split(r"^(?=## )", markdown, flags=re.M)
    return {part.splitlines()[0].lstrip("# "): fingerprint(part) for part in parts if part.strip()}


def readme_drift(english: str, chinese: str) -> list[str]:
    """Sections of the English README that the Chinese one does not translate as they stand."""
    remembered = re.search(r"<!-- translates (.*) -->\s*$", chinese)
    known = remembered[1].split() if remembered else []
    return [f"README.zh-CN.md: to be translated anew: {name}" for name, value in sections(english).items() if value not in known]


def accept(book, english, ids: set[str]) -> None:
    """Marks prose as up to date."""
    texts = {cell.id: translatable(cell) for cell in english.cells}
    for cell in book.cells:
        if cell.id in ids and texts.get(cell.id) is not None:
            cell.metadata["translates"] = fingerprint(texts[cell.id])


def main() -> int:
    """Brings the edition up to date as far as a program can; 1 if prose is left to do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accept", nargs="*", default=[], metavar="CELL", help="cells whose prose is up to date; README for that")
    accepted = set(parser.parse_args().accept)
    todo = []
    for path in sorted(ENGLISH.glob("*.ipynb")):
        target, english = CHINESE / path.name, nbformat.read(path, as_version=4)
        before = nbformat.read(target, as_version=4) if target.exists() else nbformat.v4.new_notebook()
        book = carried(english, before)
        accept(book, english, accepted)
        nbformat.write(book, target)
        left = drift(english, book)
        todo += [f"{path.stem} {line}" for line in left]
        if any(cell.cell_type == "code" and cell.execution_count is None for cell in book.cells):
            from outputs import refresh

            print(f"Executing {target.relative_to(ROOT)} …", flush=True)
            refresh(target)
    english, chinese = README.read_text(encoding="utf-8"), READ_ME.read_text(encoding="utf-8")
    if "README" in accepted:
        body = re.sub(r"\n*<!-- translates .* -->\s*$", "", chinese).rstrip()
        chinese = f"{body}\n\n<!-- translates {' '.join(sections(english).values())} -->\n"
        READ_ME.write_text(chinese, encoding="utf-8")
    todo += readme_drift(english, chinese)
    print(*(todo or ["The Chinese edition is up to date."]), sep="\n")
    if todo:
        print("Translate these cells in notebooks/zh, then: make zh ACCEPT='CELL …' (or README).")
    return int(bool(todo))


if __name__ == "__main__":
    sys.exit(main())
