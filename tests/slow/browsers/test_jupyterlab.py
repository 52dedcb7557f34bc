"""Every chapter runs in JupyterLab; its views answer, and an exercise says what is wrong with an answer.

`-k 01` runs the tests of one chapter.
"""

import pytest

from common import CHAPTERS, SCREENSHOTS
from helpers import exercises

PROMPTS = "[...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(prompt => prompt.textContent)"


def chapter(number: str):
    return pytest.mark.parametrize("notebook", [name for name in CHAPTERS if name.startswith(number)], indirect=True)


def view_with(page, control):
    """The output that holds a control, and its picture."""
    view = page.locator(".jp-OutputArea-output").filter(has=control)
    return view, view.locator(".widget-html-content")


def wait_for_another(picture, before: str) -> str:
    """What a picture shows as soon as it is something else than before."""
    picture.page.wait_for_function("([picture, before]) => picture.innerHTML !== before", arg=[picture.element_handle(), before])
    return picture.inner_html()


def photograph(view, name: str):
    view.screenshot(path=SCREENSHOTS / f"{name}.png")


def test_every_cell_runs_without_errors_and_asks_nobody_outside(notebook):
    assert notebook.locator("[data-mime-type='application/vnd.jupyter.error']").all_text_contents() == []
    prompts = notebook.evaluate(PROMPTS)
    assert prompts == [f"[{number}]:" for number in range(1, len(prompts) + 1)]
    assert notebook.get_by_text("Error displaying widget").count() == 0
    assert notebook.locator(".Toastify__toast, .jp-Dialog").count() == 0  # no question about news, none about anything
    assert [address for address in notebook.asked if not address.startswith(("http://127.0.0.1:", "data:", "blob:"))] == []


@chapter("01")
def test_the_lens_cuts_what_is_typed(notebook):
    line = notebook.get_by_label("Sentence", exact=True)
    view, picture = view_with(notebook, line)
    line.fill("Unbelievably short.")
    picture.get_by_role("columnheader", name="short", exact=True).wait_for()
    tokens = [token for token in picture.get_by_role("columnheader").all_text_contents() if token != "Token"]
    assert tokens[0] == "[CLS]" and tokens.index("[SEP]") > tokens.index("short") and "##" in "".join(tokens)
    photograph(view, "01-lens")


@chapter("01")
def test_an_exercise_names_the_mistake_and_then_says_right(notebook):
    cell = notebook.locator(".jp-CodeCell").filter(has_text="ex.f1_by_hand.check(f1_by_hand)")
    wrong = "def f1_by_hand(predictions, labels):\n    return sum(p == label for p, label in zip(predictions, labels)) / len(labels)"
    right = exercises.chapter("01").f1_by_hand.source()
    for number, (answer, said) in enumerate([(wrong, "Not yet: That is accuracy, the share of right answers."), (right, "Right.")]):
        cell.locator(".cm-content").click()
        notebook.keyboard.press("Control+a")
        notebook.keyboard.insert_text(f"{answer}\n\n\nex.f1_by_hand.check(f1_by_hand)")
        notebook.keyboard.press("Shift+Enter")
        cell.locator(".jp-OutputArea-output").filter(has_text=said).wait_for()
        photograph(cell, f"01-exercise-{number}")


@chapter("02")
def test_the_masking_explorer_follows_its_slider_and_its_button(notebook):
    view, picture = view_with(notebook, notebook.get_by_role("button", name="Draw again"))
    first = picture.inner_html()
    for _ in range(15):
        view.get_by_role("slider").press("ArrowRight")
    picture.get_by_text("Wanted 30%").wait_for()
    more = picture.inner_html()
    assert more.count("<s>") > first.count("<s>")
    view.get_by_role("button", name="Draw again").click()
    again = wait_for_another(picture, more)
    assert "Wanted 30%" in again
    photograph(view, "02-explorer")


@chapter("03")
def test_the_playground_guesses_anew_after_enter(notebook):
    line = notebook.get_by_label("Sentence ⏎", exact=True)
    view, picture = view_with(notebook, line)
    before = picture.inner_html()
    line.fill("I would see this ___ again.")
    line.press("Enter")
    wait_for_another(picture, before)
    assert view.get_by_role("img").count() == 10  # five guesses of two models
    photograph(view, "03-playground")
