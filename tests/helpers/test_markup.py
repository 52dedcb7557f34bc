"""HTML that escapes: whatever a text holds, a browser shows it as it is."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from helpers.markup import Markup, join, tag

NASTY = st.text(alphabet="<>&\"' =ab;/", max_size=20)


class Reader(HTMLParser):
    """Elements with their attributes, and all text, as a browser would read them."""

    def __init__(self, page: str):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(page)
        self.close()

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))

    def handle_data(self, data):
        self.text += data


@given(NASTY, NASTY, NASTY)
def test_texts_and_attributes_come_back_as_they_went_in(outside, inside, title):
    read = Reader(join(outside, tag("b", inside, aria_label=title)))
    assert read.elements == [("b", {"aria-label": title})]
    assert read.text == outside + inside


def test_finished_html_is_not_escaped_again_and_none_leaves_an_attribute_out():
    assert tag("p", tag("b", "x"), "&", title=None) == "<p><b>x</b>&amp;</p>"
    assert join("<", Markup("<br>")) == "&lt;<br>"
    assert tag("b", "x")._repr_html_() == "<b>x</b>"
