"""Figures that a notebook records in its outputs, for people and programs to read."""

from collections.abc import Mapping

from helpers.i18n import say
from helpers.markup import tag

KEY = "course_metrics"
CONTROLS = "application/vnd.jupyter.widget-view+json"


def record(**figures: float) -> None:
    """Show figures and leave ``{"course_metrics": {...}}`` as JSON in the cell's output.

    Args:
        **figures: Name to number, such as ``perplexity_before=21.75``.

    Raises:
        TypeError: A figure is not a number.
    """
    from IPython.display import display

    for name, value in figures.items():
        if isinstance(value, bool) or not hasattr(value, "__float__"):
            raise TypeError(say("record({name}=…) takes a number, not {kind}.", name=name, kind=type(value).__name__))
    figures = {name: float(value) for name, value in figures.items()}
    lines = "\n".join(f"{name}: {value:,.4g}" for name, value in figures.items())
    rows = [tag("tr", tag("td", name), tag("td", f"{value:,.4g}", style="text-align:right")) for name, value in figures.items()]
    bundle = {"application/json": {KEY: figures}, "text/plain": lines, "text/html": tag("table", *rows)}
    display(bundle, metadata={"application/json": {"expanded": True}}, raw=True)  # JupyterLab takes the JSON, and would fold it up


def recorded(notebook: Mapping) -> dict[str, float]:
    """Return all figures that an executed notebook recorded, in order; the last of a name wins.

    Args:
        notebook: A notebook as `nbformat.read` gives it.
    """
    figures: dict[str, float] = {}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            figures |= output.get("data", {}).get("application/json", {}).get(KEY, {})
    return {name: float("nan" if value is None else value) for name, value in figures.items()}  # JSON has no infinity


def without_controls(notebook: Mapping) -> None:
    """Remove widgets, which need their kernel, from an executed notebook; pictures in the same output stay.

    Args:
        notebook: A notebook as `nbformat.read` gives it; changed in place.
    """
    notebook["metadata"].pop("widgets", None)
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(CONTROLS, None)
