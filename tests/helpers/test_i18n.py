"""What a learner meets in a notebook is said in the notebook's language: every text has a Chinese entry that fits it."""

import ast
import json
import re
from collections.abc import Iterator

import answers
import pytest

from common import ROOT
from helpers import budget, chunking, exercises, i18n, validation, views
from helpers.exercises import engine
from helpers.memory import Memory
from helpers.settings import resolve
from helpers.views import html

CHAPTERS = ("01", "02", "03", "04", "05")
TERMINAL = ("cli.py", "loop.py")  # programs for a terminal, in English
FILES = [path for path in sorted((ROOT / "helpers").rglob("*.py")) if path.name not in TERMINAL]
SPEAKERS = {"say": 0, "translated": 0, "Wrong": 0, "require": 1}  # functions and the place of the text among their arguments
PLACEHOLDER = r"\{+[^{}]*\}+"
CODE = re.compile(rf"{PLACEHOLDER}|`[^`]*`|<[^>]*>|\w+(?:[._=(\[]+['\w]+)+|\w*_\w+|(?<!\w)--?\w+", re.ASCII)
HAN, ENGLISH = re.compile(r"[\u3001-\u303f\u4e00-\u9fff]"), re.compile(r"[A-Za-z']+(?: [A-Za-z']+){4,}")


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Calls by a plain name or of a method, with that name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield getattr(node.func, "id", getattr(node.func, "attr", "")), node


def said_in(file) -> Iterator[str]:
    """The texts in the calls that say something, and those that are first named `message`."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    texts = [call.args[SPEAKERS[name]] for name, call in calls(tree) if name in SPEAKERS and call.args]
    texts += [node.value for node in ast.walk(tree) if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "message"]
    yield from (text.value for text in texts if isinstance(text, ast.Constant))


def utterances() -> dict[str, str]:
    """Every English text that a learner can meet, with the file that says it."""
    found = [(text, file) for file in FILES for text in said_in(file)]
    found += [(text, ROOT / "helpers" / "views" / "html.py") for text in html.LABELS.values()]
    found += [(heading, ROOT / "helpers" / "exercises" / "engine.py") for _, _, heading in engine.KINDS.values()]
    for number in CHAPTERS:
        for exercise in exercises.chapter(number):
            said = [exercise.hint_text, *filter(None, [exercise.otherwise]), *answers.messages(exercise)]
            found += [(text, ROOT / "helpers" / "exercises" / f"chapter_{number}.py") for text in said]
    return {text: str(file.relative_to(ROOT)) for text, file in sorted(found, key=lambda pair: pair[1], reverse=True)}


def faults(table: dict[str, str]) -> list[str]:
    """What a Chinese table lacks, has too much or says otherwise than the English, one line each."""
    said = utterances()
    found = [f"{file}: no Chinese for {text!r}" for text, file in said.items() if text not in table]
    found += [f"i18n_zh.json: nobody says {text!r}" for text in table if text not in said]
    for english, chinese in table.items():
        if differ := set(CODE.findall(english)) ^ set(CODE.findall(chinese)):
            found.append(f"i18n_zh.json: {english!r} and its Chinese differ in {sorted(differ)}")
        if not HAN.search(CODE.sub("", chinese)) or ENGLISH.search(CODE.sub("", chinese)):
            found.append(f"i18n_zh.json: {english!r} is not all Chinese: {chinese!r}")
    return found


def test_every_text_has_one_chinese_entry_that_fits_it():
    assert faults(i18n.translation_table()) == []


def test_the_table_has_one_entry_a_line():
    text = (ROOT / "helpers" / "i18n_zh.json").read_text(encoding="utf-8")
    assert text == json.dumps(i18n.translation_table(), ensure_ascii=False, indent=1) + "\n"  # so no text stands twice either


def test_a_changed_message_is_named(monkeypatch):
    exercise = exercises.chapter("01").pad
    mistakes, (first, *_) = exercise.mistakes, answers.messages(exercise)
    changed = {first: "You fill with zeros."}
    monkeypatch.setattr(exercise, "hint_text", "Begin at the end.")
    monkeypatch.setattr(exercise, "mistakes", lambda *case: {changed.get(text, text): result for text, result in mistakes(*case).items()})
    lines = faults(i18n.translation_table())
    assert "helpers/exercises/chapter_01.py: no Chinese for 'Begin at the end.'" in lines
    assert "helpers/exercises/chapter_01.py: no Chinese for 'You fill with zeros.'" in lines
    assert len(lines) == 4 and all("nobody says" in line for line in lines[2:])  # the entries of the old ones


@pytest.mark.parametrize(
    "english, chinese, fault",
    [
        ("The model was never called.", "The model was never asked.", "is not all Chinese"),
        ("The model was never called.", "模型 the model was never called", "is not all Chinese"),
        ("Labels should be whole numbers, and yours are floats.", "标签应是整数，而 `x` 是浮点数。", "differ in ['`x`']"),
        ("blank {}", "空", "differ in ['{}']"),
        ("You count two special tokens in each text: add_special_tokens=False.", "多数了两个。", "differ in ['add_special_tokens=False']"),
    ],
)
def test_a_chinese_entry_that_does_not_fit_is_named(english, chinese, fault):
    (line,) = faults(i18n.translation_table() | {english: chinese})
    assert repr(english) in line and fault in line


def test_texts_are_written_out_where_they_are_said():
    for file in FILES:
        for name, call in calls(ast.parse(file.read_text(encoding="utf-8"))):
            if name in ("say", "Wrong", "require"):
                text = ast.unparse(call.args[SPEAKERS[name]])
                handed_on = {"say": "sentence", "Wrong": "message", "require": "name["}[name]  # "require" says LABELS too
                assert text[0] in "'\"" or text.startswith((handed_on, "self.otherwise")), f"{file.name}, line {call.lineno}"


def test_errors_are_said_in_the_learners_language():
    """Raised with a text of their own, they would stay English; solutions, which learners read as code, may."""
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and not file.name.startswith("chapter_"):
                mute = [text for text in node.exc.args if isinstance(text, ast.Constant | ast.JoinedStr)]
                assert not mute or node.exc.func.id == "Wrong", f"{file.name}, line {node.lineno}"


@pytest.mark.parametrize(
    "language, message", [("zh", "不够一个 128 词元的文本块"), ("zh-CN", "不够一个"), ("en", "shorter than one chunk")]
)
def test_errors_speak_the_language_that_is_set(language, message):
    i18n.set_language(language)
    with pytest.raises(ValueError, match=message):
        validation.check_chunks([], 128)


def test_settings_errors_and_page_are_chinese_too(tmp_path):
    i18n.set_language("zh")
    with pytest.raises(ValueError, match="batch_size 必须是大于 0 的整数，不能是 0。"):
        resolve("01_mrpc_classification", batch_size=0)
    assert "在 hub 配置下，同样的单元格会加载：" in resolve("01_mrpc_classification")._repr_html_()


def test_an_unknown_language_is_an_error_and_changes_nothing():
    i18n.set_language("zh")
    with pytest.raises(ValueError, match="未知的语言 'xx'：可选 'en', 'zh'。"):
        i18n.set_language("xx")
    assert i18n.translated("Right.") != "Right."
    i18n.set_language("en")
    with pytest.raises(ValueError, match="Unknown language 'xx': choose one of 'en', 'zh'."):
        i18n.set_language("xx")
    assert i18n.translated("Right.") == "Right."


def test_a_mistake_is_told_in_chinese():
    i18n.set_language("zh")
    note = exercises.chapter("01").pad.check(lambda rows, pad_token_id: exercises.chapter("01").pad.right_answer(rows, 0))
    assert repr(note).startswith("✗ 还不对： 你用 0 填充。")


@pytest.mark.parametrize("number", CHAPTERS)
def test_exercises_utter_no_english(number):
    def raises(*arguments):
        raise KeyError("own")

    i18n.set_language("zh")
    for exercise in exercises.chapter(number):
        for note in [exercise.hint(), *map(exercise.check, (..., 3, raises, sum))]:
            assert HAN.search(note.heading) and HAN.search(CODE.sub("", note.text)), note
        assert HAN.search(exercise.solution().heading)


def test_views_and_plans_are_chinese(tokenizer):
    with pytest.raises(ValueError, match="Slow 是慢速分词器，不提供单词编号"):
        i18n.set_language("zh")
        chunking.tokenizing(type("Slow", (), {"is_fast": False})())
    need = Memory(0, 0, 0, 0, peak=2**30)
    assert str(budget.Plan(1377, 3900, need, 15 * 2**30)) == "1,377 步，约 1 小时 5 分钟；峰值 1 GiB，可用 15 GiB"
    assert views.tokenizer_lens(tokenizer, "One.")._repr_mimebundle_()["text/plain"].startswith("分词器透镜：")
