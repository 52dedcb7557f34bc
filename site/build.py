"""The course as a site: both editions with the outputs they keep, views that answer in the page, and the API of `helpers`.

    python site/build.py    # build/site, from a copy in build/site-src

Runs no notebook; asks the network for two packages alone (site/package.json), and does without the views where npm is missing.
"""

import re
import shutil
import subprocess
import sys
import time

from content import COPY, ROOT, SITE, URL, prepare, terms

OUT = ROOT / "build" / "site"
ADDRESS = re.sub(r"https://github\.com/([^/]+)/(.+)", r"https://\1.github.io/\2/", URL)  # where a workflow publishes it
MOST = 40_000_000  # bytes that a site may take
OF_NO_USE = ("jupyter_execute", "_sources", "*.map", ".buildinfo")  # to a page
SPHINX = {
    "en": {"language": "en", "html_title": "Fine-tuning Transformers"},
    "zh": {"language": "zh_CN", "html_title": "微调 Transformer", "html_use_index": 0, "html_search_options.dict": COPY / "terms.txt"},
}


def packages() -> str:
    """Fetches the packages of site/package.json into build/npm; says why not, where they cannot be had."""
    folder, names = ROOT / "build" / "npm", ("package.json", "package-lock.json", ".npmrc")
    wanted = [(SITE / name).read_bytes() for name in names]
    if (folder / "node_modules").is_dir() and [(folder / name).read_bytes() for name in names] == wanted:
        return ""
    if not shutil.which("npm"):
        return "there is no npm on the PATH (it comes with Node.js)"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in zip(names, wanted):
        (folder / name).write_bytes(content)
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        shutil.rmtree(folder)
        return f"npm ci failed: {done.stderr.strip().splitlines()[0] if done.stderr.strip() else done.returncode}"
    return ""


def main() -> int:
    """Builds the site; 1 if anything in it is wrong."""
    began = time.perf_counter()
    for folder in (OUT, COPY):
        shutil.rmtree(folder, ignore_errors=True)
    files = {}
    if missing := packages():
        print(f"The site is built without views that answer: {missing}.")
    else:
        import models  # slow to import, and of no use without the packages

        files = models.build(COPY / "en" / "extra" / "models")
    for language in SPHINX:
        prepare(language, files)
    (COPY / "terms.txt").write_text(terms(), encoding="utf-8")
    builds = []
    for language, options in SPHINX.items():
        folder, out, url = COPY / language, OUT if language == "en" else OUT / language, ADDRESS if language == "en" else f"{ADDRESS}zh/"
        command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "-c", SITE, "-d", COPY / f"read-{language}"]
        options = options | {"html_extra_path": folder / "extra", "html_baseurl": url}
        command += [word for name, value in options.items() for word in ("-D", f"{name}={value}")]
        builds.append(subprocess.Popen([*command, folder, out]))
    failed = [build for build in builds if build.wait()]
    for rest in [path for pattern in OF_NO_USE for path in OUT.rglob(pattern)]:
        shutil.rmtree(rest) if rest.is_dir() else rest.unlink()
    pages = sorted(path.relative_to(OUT).as_posix() for path in OUT.rglob("*.html") if path.stem not in ("search", "genindex"))
    addresses = "".join(f"<url><loc>{ADDRESS}{path.removesuffix('index.html')}</loc></url>\n" for path in pages)
    (OUT / "sitemap.xml").write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{addresses}</urlset>\n'
    )
    size = sum(file.stat().st_size for file in OUT.rglob("*") if file.is_file())
    print(f"{OUT.relative_to(ROOT)}: {size / 1e6:.1f} MB in {time.perf_counter() - began:.0f} s")
    if size > MOST:
        print(f"That is more than {MOST / 1e6:.0f} MB: a coarser STEP in site/export.py makes the models smaller.", file=sys.stderr)
    return int(bool(failed) or size > MOST)


if __name__ == "__main__":
    sys.exit(main())
