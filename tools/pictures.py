"""Make the READMEs' pictures: a result of chapter 03, out of its outputs, and an exercise that answers, drawn by Chromium.

python tools/pictures.py
"""

import base64
import shutil
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from playwright.sync_api import sync_playwright

from helpers.paths import ROOT

BOOKS = ROOT / "notebooks"
ASSETS = BOOKS / "assets"
RESULT = "plots.plot_guesses_before_and_after("
SET_UP = """import torch

from helpers import exercises
from helpers.i18n import set_language

ex = exercises.chapter("01")
set_language("{language}")"""
ANSWER = """def pad(rows, pad_token_id):
    texts = [row["input_ids"] for row in rows]
    longest = max(len(text) for text in texts)
    ids = torch.tensor([text + [pad_token_id] * (longest - len(text)) for text in texts])
    return {"input_ids": ids, "attention_mask": (ids != pad_token_id).long()}


ex.pad.check(pad)"""


def picture_of(notebook, call: str) -> bytes:
    """Return the picture that the cell with a call has left in the notebook."""
    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and call in cell.source]
    (picture,) = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
    return base64.b64decode(picture)


def answered(language: str):
    """Return a notebook of one executed cell, an answer and what the exercise says of it."""
    cells = [nbformat.v4.new_code_cell(text) for text in (SET_UP.format(language=language), ANSWER)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    del notebook.cells[0]
    notebook.cells[0].execution_count = 1
    return notebook


def screenshot(notebook, path: Path) -> None:
    """Write how JupyterLab shows the notebook's first cell."""
    page, _ = HTMLExporter(template_name="lab").from_notebook_node(notebook)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        tab = browser.new_page(viewport={"width": 900, "height": 600}, device_scale_factor=2)
        tab.set_content(page)
        tab.locator(".jp-Cell").first.screenshot(path=path)
        browser.close()


def main() -> None:
    for language, folder, suffix in (("en", BOOKS, ""), ("zh", BOOKS / "zh", ".zh")):
        chapter = nbformat.read(folder / "03_imdb_domain_adaptation.ipynb", as_version=4)
        (ASSETS / f"result{suffix}.png").write_bytes(picture_of(chapter, RESULT))
        screenshot(answered(language), ASSETS / f"exercise{suffix}.png")


if __name__ == "__main__":
    main()
