"""Execute notebooks in place, as they are committed: default parameters, no bars, no clock, no stderr.

python tools/outputs.py notebooks/03_imdb_domain_adaptation.ipynb
"""

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from helpers.results import without_controls

KEPT = ("kernelspec", "language_info", "colab")
CELLS_KEEP = ("tags", "alt", "translates", "jp-MarkdownHeadingCollapsed")  # the last one folds the set-up in JupyterLab
NO_BARS = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}


def refresh(path: Path) -> None:
    """Runs a notebook and keeps what every machine would show; load reports on stderr hold paths."""
    notebook = nbformat.read(path, as_version=4)
    context = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, kernel_name="python3", resources=context, record_timing=False, store_widget_state=False)
    client.execute(env=os.environ | NO_BARS)
    without_controls(notebook)
    notebook.metadata = {name: value for name, value in notebook.metadata.items() if name in KEPT}
    for cell in notebook.cells:
        cell.metadata = {name: value for name, value in cell.metadata.items() if name in CELLS_KEEP}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name)
        refresh(Path(name))
