"""HTML that escapes every text put into it."""

import html


class Markup(str):
    """HTML that is finished: other HTML takes it as it is, and a notebook shows it."""

    def _repr_html_(self) -> str:
        return self


def tag(name: str, *children: str, **attributes: str) -> Markup:
    """Return an HTML element; children that are no `Markup` are escaped, and so are attributes.

    An attribute ``aria_label="…"`` becomes ``aria-label="…"``; None leaves it out.
    """
    written = "".join(f' {key.replace("_", "-")}="{html.escape(str(value))}"' for key, value in attributes.items() if value is not None)
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: str) -> Markup:
    """Return texts and elements one after the other, the texts escaped."""
    return Markup("".join(child if isinstance(child, Markup) else html.escape(str(child)) for child in children))
