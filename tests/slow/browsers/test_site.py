"""The site in Chromium: both editions, at the width of a phone and of a desk. Pictures of all pages: build/site-screens."""

import re

import nbformat
import pytest

from common import CHAPTERS, ROOT

SCREENS = ROOT / "build" / "site-screens"
SCREEN = 2400  # pixels in height; a chapter has ten times as many, more than Chromium draws at once
STICKS_OUT = "[document.documentElement, document.querySelector('.content')].some(part => part.scrollWidth > part.clientWidth)"
NAMELESS = "[...document.images].filter(image => !image.alt.replace(/.*[.](png|svg)$/, '') || !image.naturalWidth).map(image => image.src)"
READ = "name => { const { top } = document.getElementById(name).getBoundingClientRect(); return 0 <= top && top < 300; }"
LOST_IN_PRINT = """() => {
    const seen = selector => [...document.querySelectorAll(selector)].filter(part => part.checkVisibility());
    const furniture = seen('.sidebar-drawer, .toc-drawer, .mobile-header, .content-icon-container, .related-pages, .skip-to-content');
    const sticksOut = part => part.scrollWidth > part.clientWidth + 1 || part.getBoundingClientRect().right > innerWidth + 1;
    const cut = seen('article pre, article table').filter(sticksOut);
    const folded = [...document.querySelectorAll('details pre')].filter(part => !part.checkVisibility() || !part.offsetHeight);
    return [...furniture, ...cut, ...folded].map(part => part.className + ': ' + part.textContent.trim().slice(0, 60));
}"""


def photograph(page, name: str, width: int):
    for number, top in enumerate(range(0, page.evaluate("document.documentElement.scrollHeight"), SCREEN - 60), 1):
        page.evaluate("top => scrollTo({ top, behavior: 'instant' })", top)
        page.screenshot(path=SCREENS / f"{name.removesuffix('.html').replace('/', '-')}-{width}-{number:02}.png")


def test_small_and_quick(site):
    assert site.megabytes <= 40 and site.seconds < 180


@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_opens_quietly_fits_and_names_its_pictures(site, tab, width):
    tab.set_viewport_size({"width": width, "height": SCREEN})
    wrong = {}
    for old in SCREENS.glob(f"*-{width}-*.png"):
        old.unlink()
    for name in site.pages:
        tab.said.clear()
        tab.goto(name)
        found = [*tab.said, *tab.evaluate(NAMELESS), *(["sticks out"] if tab.evaluate(STICKS_OUT) else [])]
        target = tab.locator("a.language").evaluate("link => link.pathname.slice(1)")
        if not tab.locator("a.language").is_visible() or target not in site.pages or target.startswith("zh/") == name.startswith("zh/"):
            found.append(f"leads to {target} in the other language")
        wrong |= {name: found} if found else {}
        photograph(tab, name, width)
    assert not wrong


@pytest.mark.parametrize("folder", ["", "zh/"])
def test_set_up_and_exercises_are_folded_and_open(tab, folder):
    for chapter in CHAPTERS:
        cells = nbformat.read(ROOT / "notebooks" / folder / f"{chapter}.ipynb", as_version=4).cells
        asked = [name for cell in cells for name in re.findall(r"^ex\.(\w+)\.check\(\1\)$", cell.source, re.M)]
        tab.goto(f"{folder}{chapter}.html")
        folds = tab.locator("details.hide", has_text="ex.")
        assert folds.count() == len(asked) > 0 and not folds.locator(".highlight").first.is_visible()
        folds.first.locator("summary").click()
        assert folds.locator(".highlight").first.is_visible()
        setup = tab.locator("details.hide", has_text="open_chapter")
        assert setup.count() == 1 and not setup.locator(".highlight").is_visible()


@pytest.mark.parametrize("width", [390, 1280])
def test_the_switch_lands_on_the_same_section_and_leads_back(tab, width):
    tab.set_viewport_size({"width": width, "height": 900})
    targets = "[...document.querySelectorAll('section[id]')].map(section => section.id)"
    for chapter in CHAPTERS:
        tab.goto(f"zh/{chapter}.html")
        chinese = tab.evaluate(targets)
        tab.goto(f"{chapter}.html")
        english = tab.evaluate(targets)
        assert chinese == english and all(re.fullmatch(r"cell-[0-9a-f]{8}-\d+", name) for name in english)
        section = english[len(english) // 2]
        tab.evaluate("name => document.getElementById(name).scrollIntoView({behavior: 'instant'})", section)
        for folder in ("zh/", ""):
            tab.locator("a.language").click()
            tab.wait_for_url(f"**/{folder}{chapter}.html#{section}")
            tab.wait_for_function(READ, arg=section)


@pytest.mark.parametrize("folder, question", [("", "perplexity"), ("zh/", "perplexity"), ("zh/", "困惑度"), ("zh/", "困惑度的计算")])
def test_search_finds(tab, folder, question):
    tab.goto(f"{folder}02_manual_masking.html")
    tab.locator("input.sidebar-search").fill(question)
    tab.locator("input.sidebar-search").press("Enter")
    hit = tab.locator("#search-results li", has=tab.locator("a[href*='03_imdb_domain_adaptation.html']"))
    hit.first.wait_for()
    assert not tab.said


def test_words_of_the_glossary_are_words_of_the_search(tab):
    tab.goto("zh/search.html")
    words = ["困惑度", "词元", "分词器", "掩码词元", "领域适应", "梯度累积"]
    assert tab.evaluate("words => words.filter(word => !(word in Search._index.terms))", words) == []


def test_the_dark_theme_stays_from_page_to_page(tab):
    tab.emulate_media(color_scheme="light")
    tab.set_viewport_size({"width": 1280, "height": SCREEN})
    tab.goto("index.html")
    background = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(background)
    for _ in range(3):
        if tab.locator("body").get_attribute("data-theme") != "dark":
            tab.locator(".theme-toggle-content button").click()
    assert tab.locator("body").get_attribute("data-theme") == "dark" and tab.evaluate(background) != light
    tab.goto("zh/03_imdb_domain_adaptation.html")
    assert tab.evaluate(background) != light
    photograph(tab, "dark", 1280)


def test_a_printed_page_has_all_the_code_and_no_furniture(site, tab):
    tab.set_viewport_size({"width": 680, "height": 960})  # A4 between margins of 15 mm
    tab.emulate_media(media="print")
    wrong = {}
    for name in site.pages:
        tab.goto(name)
        wrong |= {name: lost} if (lost := tab.evaluate(LOST_IN_PRINT)) else {}
    assert not wrong
