"""Pages of reports, and a browser that opens them without a network."""

import io
import re
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image
from set_studies import write_foretold, write_studies
from written_runs import write_run

from pruning_oracle.bench import runs
from pruning_oracle.bench.runs import pictures
from pruning_oracle.reports.inputs.pruning_runs import found_studies
from pruning_oracle.reports.page.assemble import write_page_file
from pruning_oracle.reports.page.content.contents import contents
from pruning_oracle.reports.page.content.networks import network
from pruning_oracle.reports.page.content.pack import unpack
from pruning_oracle.reports.report import grade_run, read_case_study

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CLASSES = 3


def written_page(root, cases, seeds=(0,), labels=True, names=None, studied=(), **given):
    """The path of a page of toy runs of these cases, with what was pruned, without what is drawn beside it.

    With `names` of classes the examples that need a map most have pictures, too; cases of `studied` have studies of sets.
    """
    for case in cases:
        for seed in seeds:
            folder = write_run(root, case=case, seed=seed, **given)
            if labels:
                with_labels(folder / "oracle.safetensors", names)
            if names:
                with_pictures(folder)
            if case in studied:
                write_studies(root, case, seed, shift=0.1 * seed, sites=given.get("sites"))
            grade_run(case, seed, root)
    if studied:
        write_foretold(root / "foretell.csv", studied, len(seeds))
    studies = [read_case_study(case, list(seeds), root, root) for case in cases]
    pruned = [found_studies(case, list(seeds), root) for case in cases]
    write_page_file(*contents(studies, [network(study) for study in studies], {}, pruned), root / "index.html")
    return root / "index.html"


def facts_of(path):
    """What a page says: the facts in its block."""
    return unpack(re.search(r'<script type="text/plain"[^>]*>([^<]*)<', path.read_text("utf-8"))[1])[0]


def with_labels(path, names=None):
    """Adds to an oracle's file what a measured one holds: the examples' rows in the data, their classes and their names."""
    file = runs.load(path, "oracle")
    count = file.facts["examples"]
    more = {"rows": 7 + 3 * np.arange(count), "labels": np.arange(count) % CLASSES}
    runs.save(path, "oracle", file.arrays | more, file.facts | ({"class names": names} if names else {}))


def with_pictures(folder):
    """Writes pictures, grey squares, of the examples of a run that need a map most."""
    oracle = runs.load(folder / "oracle.safetensors", "oracle")
    changes = [oracle.arrays[f"change/{site['name']}"] for site in oracle.facts["sites"]]
    found = {example: square(example) for example in pictures.worth_showing(changes, 600)}
    runs.save(folder / pictures.FILE, pictures.KIND, pictures.packed(found), {"oracle": oracle.checksum})


def square(grey):
    """A picture of one grey, as WebP."""
    encoded = io.BytesIO()
    Image.new("RGB", (8, 8), (grey % 256,) * 3).save(encoded, "WEBP")
    return encoded.getvalue()


@contextmanager
def browser():
    """Chromium without a network; a test that needs it skips where it is not installed, and says so."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    if not CHROMIUM:
        pytest.skip("no Chromium on the PATH: on Debian run apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield chromium
        finally:
            chromium.close()


@contextmanager
def opened(chromium, path, link="", width=1400, height=900, theme="light"):
    """A page that is ready, at a link; fails if the browser's console said anything."""
    context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=theme, offline=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{path.as_uri()}{link}")
    try:
        try:
            page.wait_for_selector("html[data-ready]", state="attached", timeout=30_000)
        except Exception as error:
            raise AssertionError(f"the page is not ready, and the console said {said}") from error
        yield page
        if said:
            raise AssertionError(f"the console said {said}")
    finally:
        context.close()


def drawn(page):
    """Brings every figure into sight, and waits until all are drawn."""
    for figure in page.query_selector_all("figure"):
        figure.evaluate("one => one.scrollIntoView({block: 'center'})")
        figure.wait_for_selector("canvas", timeout=20_000)


def clipboard(page):
    """What was copied last."""
    return page.evaluate("navigator.clipboard.readText()")
