"""The Chinese edition cannot drift: whatever changes in the English one is named until it is carried over or translated."""

import copy
import re

import nbformat
import pytest

from tools import zh

CHAPTERS = sorted(path.name for path in zh.ENGLISH.glob("*.ipynb"))
# names and quotations that stay as they are: a run of six or more English words that is no quotation is a sentence left untranslated
QUOTED = re.compile(r"```.*?```|^>[^\n]*|`[^`]*`|\]\([^)]*\)|\*[^*\n]+\*|“[^”]*”|\([^)]*\)|（[^）]*）|<!--.*?-->|https?://\S+", re.S | re.M)
SENTENCE = re.compile(r"(?:[A-Za-z][A-Za-z'’-]*[ ,;:]+){5,}[A-Za-z]+")
ALLOWED = ("Machine Learning for the Humanities",)


def pair(name):
    """English and Chinese notebook of one chapter."""
    return nbformat.read(zh.ENGLISH / name, as_version=4), nbformat.read(zh.CHINESE / name, as_version=4)


def untranslated(text: str) -> list[str]:
    """English sentences outside code and quotations."""
    return [run for run in SENTENCE.findall(QUOTED.sub(" ", text)) if not any(name in run for name in ALLOWED)]


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_chinese_edition_is_up_to_date(name):
    assert zh.drift(*pair(name)) == []


def test_the_chinese_readme_is_up_to_date():
    assert zh.readme_drift(zh.README.read_text(encoding="utf-8"), zh.READ_ME.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_editions_differ_in_one_literal_of_code(name):
    english, chinese = pair(name)
    differ = [(a.source, b.source) for a, b in zip(english.cells, chinese.cells) if a.cell_type == "code" and a.source != b.source]
    ((ours, theirs),) = differ
    lines = [(a, b) for a, b in zip(ours.splitlines(), theirs.splitlines(), strict=True) if a != b]
    assert [(a.replace('"en"', '"zh"', 1), b) for a, b in lines] == [(lines[0][1], lines[0][1])] and len(lines) == 1


def change(book, kind, edit):
    """Edits the third cell of a kind, and returns its id."""
    cell = [cell for cell in book.cells if cell.cell_type == kind][2]
    edit(cell)
    return cell.id


@pytest.mark.parametrize(
    "kind, edit, said",
    [
        ("markdown", lambda cell: cell.update(source=cell.source + " One more."), "to be translated anew"),
        ("code", lambda cell: cell.update(source=cell.source + "\n1"), "code differs"),
        ("code", lambda cell: cell.metadata.update(tags=["nbval-skip"]), "tags differ"),
    ],
    ids=["prose", "code", "tag"],
)
def test_one_changed_cell_is_named_and_no_other(kind, edit, said):
    english, chinese = pair(CHAPTERS[2])
    name = change(english, kind, edit)
    (line,) = zh.drift(english, chinese)
    assert line.startswith(f"{name}: {said}")


def test_a_changed_alt_text_a_new_cell_and_another_order_are_named():
    english, chinese = pair(CHAPTERS[2])
    drawn = next(cell for cell in english.cells if "alt" in cell.metadata)
    drawn.metadata["alt"] += " And a line."
    assert [line[:8] for line in zh.drift(english, chinese)] == [drawn.id]
    english, chinese = pair(CHAPTERS[2])
    english.cells.insert(4, nbformat.v4.new_markdown_cell("New.", id="abcdef01"))
    assert zh.drift(english, chinese) == ["abcdef01: cells are missing, new or in another order"]
    english.cells.pop(4)
    english.cells[7], english.cells[8] = english.cells[8], english.cells[7]
    assert len(zh.drift(english, chinese)) == 1


def test_code_is_carried_over_and_prose_waits_for_its_translator():
    english, chinese = pair(CHAPTERS[2])
    before = copy.deepcopy(chinese)
    prose = change(english, "markdown", lambda cell: cell.update(source="Other words."))
    program = change(english, "code", lambda cell: cell.update(source="1 + 1"))
    english.cells.append(nbformat.v4.new_markdown_cell("A new end.", id="abcdef01"))
    book = zh.carried(english, chinese)
    cells, old = {cell.id: cell for cell in book.cells}, {cell.id: cell for cell in before.cells}
    assert cells[program].source == "1 + 1" and cells[program].outputs == [] and cells[program].execution_count is None
    assert cells[prose].source == old[prose].source
    assert [line[:8] for line in zh.drift(english, book)] == [prose, "abcdef01"]
    zh.accept(book, english, {prose})
    assert [line[:8] for line in zh.drift(english, book)] == ["abcdef01"]
    untouched = [cell for cell in book.cells if cell.cell_type == "code" and cell.id != program]
    assert all(cell.outputs == old[cell.id].outputs for cell in untouched)


def test_a_changed_section_of_the_readme_is_named():
    english, chinese = "# A\n\n## B\nb\n\n## C\nc\n", "## 乙\n"
    assert len(zh.readme_drift(english, chinese)) == 3
    chinese += f"<!-- translates {' '.join(zh.sections(english).values())} -->\n"
    assert zh.readme_drift(english, chinese) == []
    assert zh.readme_drift(english.replace("c\n", "d\n"), chinese) == ["README.zh-CN.md: to be translated anew: C"]


@pytest.mark.parametrize("name", [*CHAPTERS, "README"])
def test_no_english_sentence_is_left(name):
    if name == "README":
        prose = [zh.READ_ME.read_text(encoding="utf-8")]
    else:
        prose = [zh.translatable(cell) for cell in pair(name)[1].cells]
    found = [run for text in prose if text for run in untranslated(text)]
    assert not found, f"{name}: {found}"
    paragraphs = [
        part for text in prose if text for part in QUOTED.sub(" ", text).split("\n\n") if len(re.findall(r"[A-Za-z]+", part)) > 12
    ]
    assert all(re.search(r"[\u4e00-\u9fff]", part) for part in paragraphs), name


def test_script_detection_sees_an_english_sentence():
    assert untranslated("这里 we forgot to translate this whole sentence 了。") and not untranslated(
        "*We read it, as it was.* 与 `a b c d e f g h`"
    )


def test_the_glossarys_terms_are_used():
    text = "".join(cell.source for name in CHAPTERS for cell in pair(name)[1].cells if cell.cell_type == "markdown")
    glossary = (zh.CHINESE / "GLOSSARY.md").read_text(encoding="utf-8")
    for term in ("领域适应", "困惑度", "全词掩码", "数据整理器", "掩码语言模型", "词元", "预训练", "批次"):
        assert term in glossary and term in text, term
