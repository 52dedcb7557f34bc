"""Chapters in a real JupyterLab, and the site, in Chromium: what neither papermill nor nbval can see.

Without a browser there is nothing to test, and the tests skip; BROWSER_TESTS=required makes them fail instead.
"""

import functools
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from types import SimpleNamespace

import pytest

from common import CHAPTERS, ROOT, SCREENSHOTS

SITE = ROOT / "build" / "site"
SETTINGS = {"notebook-extension/tracker": {"windowingMode": "none"}}  # cells out of sight would not be in the page
PROMPTS = "[...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(prompt => prompt.textContent)"
IDLE = "document.querySelector('#jp-bottom-panel')?.textContent.includes('| Idle')"  # the toolbar says so before there is a kernel


def lacking(what: str):
    (pytest.fail if os.environ.get("BROWSER_TESTS") == "required" else pytest.skip)(f"the browser tests need {what}")


@pytest.fixture(scope="session")
def browser():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lacking("Playwright: pip install playwright")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        lacking("Chromium, as `chromium`, `chromium-browser` or `google-chrome` on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def jupyterlab(browser, tmp_path_factory):
    """The address of a JupyterLab with no settings but ours, on a copy of the course: it saves what it is shown."""
    home = tmp_path_factory.mktemp("home")
    for folder in ("notebooks", "helpers", "lab", "configs", "tests"):
        shutil.copytree(ROOT / folder, home / "course" / folder, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    for name, values in SETTINGS.items():
        file = home / "config" / "lab" / "user-settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "IPYTHON", "JUPYTER", "XDG_"))}
    ours = {"HOME": home, "JUPYTER_CONFIG_DIR": home / "config", "PYTHONPATH": home / "course", "HF_HUB_OFFLINE": 1}
    ours["JUPYTER_CONFIG_PATH"] = ROOT / "tools" / "jupyter"  # as make jupyter does
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = [
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={home / 'course'}",
    ]
    options += ["--no-browser", "--allow-root", "--ServerApp.token=", "--ServerApp.password="]
    with open(home / "log", "w") as log:
        environment = inherited | {name: str(value) for name, value in ours.items()}
        server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *options], env=environment, stdout=log, stderr=log)
    address, tries = f"http://127.0.0.1:{port}", 0
    while not answers(address):
        tries += 1
        assert server.poll() is None and tries < 120, (home / "log").read_text()
        time.sleep(0.5)
    yield address
    server.terminate()
    server.wait(60)


def answers(address: str) -> bool:
    try:
        return urllib.request.urlopen(f"{address}/api").status == 200
    except urllib.error.URLError:
        return False


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="session")
def site():
    """The site, built and served: its address, pages, seconds and megabytes."""
    made = subprocess.run(["make", "site"], cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    megabytes, seconds = map(float, re.search(r"build/site: (\S+) MB in (\S+) s", made.stdout).groups())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pages = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
    print(made.stdout)
    yield SimpleNamespace(address=f"http://127.0.0.1:{server.server_port}", pages=pages, seconds=seconds, megabytes=megabytes)
    server.shutdown()


@pytest.fixture
def tab(site, browser):
    """Opens pages of the site; its `said` are errors and addresses elsewhere that a page asked for."""
    page = browser.new_page(base_url=site.address, reduced_motion="reduce")
    page.said = []
    page.on("console", lambda message: message.type in ("error", "warning") and page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda sent: sent.url.startswith((site.address, "data:", "blob:")) or page.said.append(sent.url))
    yield page
    page.close()


@pytest.fixture(scope="module", params=CHAPTERS)
def notebook(request, browser, jupyterlab):
    """The page of a chapter after Run All Cells; its `asked` are the addresses that it asked for."""
    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    page.asked = []
    page.on("request", lambda sent: page.asked.append(sent.url))
    page.goto(f"{jupyterlab}/doc/tree/notebooks/{request.param}.ipynb")
    page.wait_for_function(IDLE, timeout=60_000)
    menu(page, "Run", "Run All Cells")
    page.wait_for_function(f"{PROMPTS}.includes('[*]:')")  # until then the prompts are those of the committed notebook
    page.wait_for_function(f"!{PROMPTS}.includes('[*]:') && {IDLE}", timeout=600_000)
    photograph(page, request.param)
    yield page
    menu(page, "Kernel", "Shut Down All Kernels…")  # or its models would stay in memory beside the next chapter's
    page.get_by_role("button", name="Shut Down All").click()
    page.close()


def menu(page, name: str, item: str):
    page.get_by_role("menuitem", name=name, exact=True).click()
    page.get_by_role("menuitem", name=item, exact=True).click()


def photograph(page, name: str):
    """The whole notebook in pages: build/screenshots/NAME-01.png and so on."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for old in SCREENSHOTS.glob(f"{name}-*.png"):
        old.unlink()
    panel = page.locator(".jp-WindowedPanel-outer")
    seen, height = panel.evaluate("panel => [panel.clientHeight, panel.querySelector('.jp-WindowedPanel-viewport').scrollHeight]")
    for number, top in enumerate(range(0, height, seen - 40), 1):
        panel.evaluate("(panel, top) => panel.scrollTo(0, top)", top)
        panel.screenshot(path=SCREENSHOTS / f"{name}-{number:02}.png")
