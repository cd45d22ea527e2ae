"""How large the report's page is, and how soon after opening it from disk one can work with it."""

import pytest
from pages import browser, opened, written_page

SITES = {f"site {place}": maps for place, maps in enumerate([8, 8, 16, 16, 32, 32, 32, *[64] * 6])}  # as vgg-digits has them


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    return written_page(tmp_path_factory.mktemp("page"), ["one", "two", "three"], seeds=(0, 1, 2), sites=SITES, examples=512)


@pytest.mark.benchmark(group="page")
def test_open_page(benchmark, page_file):
    ready = []

    def open_page():
        with opened(chromium, page_file) as page:
            ready.append(int(page.evaluate("document.documentElement.dataset.ready")))
            benchmark.extra_info["elements"] = page.evaluate("document.querySelectorAll('*').length")

    with browser() as chromium:
        benchmark.pedantic(open_page, rounds=5, warmup_rounds=1)
        benchmark.extra_info |= {"browser": chromium.version, "bytes": page_file.stat().st_size}
    benchmark.extra_info["milliseconds until it is ready"] = sorted(ready)[len(ready) // 2]
    assert sorted(ready)[len(ready) // 2] <= 1500
    assert page_file.stat().st_size <= 5_000_000
