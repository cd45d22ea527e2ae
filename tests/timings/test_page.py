"""How large the report's page is, how soon after opening it from disk one can work with it, and how smoothly it scrolls."""

from pathlib import Path

import pytest
from pages import browser, opened, written_page

THREE = {f"site {place}": maps for place, maps in enumerate([8, 8, 16, 16, 32, 32, 32, *[64] * 6])}  # as vgg-digits has them
EIGHT = {f"site {place}": 64 for place in range(8)}
SCROLLED = """() => new Promise(done => {
    let last = performance.now(), longest = 0, steps = 0;
    const step = now => {
        longest = Math.max(longest, now - last);
        last = now;
        scrollBy(0, 60);
        ++steps < 40 ? requestAnimationFrame(step) : done(longest);
    };
    requestAnimationFrame(step);
})"""  # the longest time between two frames, in milliseconds


def three_networks(root):
    return written_page(root, ["one", "two", "three"], seeds=(0, 1, 2), sites=THREE, examples=512)


def twelve_networks(root):
    return written_page(root, [f"n{place}" for place in range(12)], sites=EIGHT, examples=60)


def this_report(root):
    """The page that `make report` wrote, of whatever cases."""
    if not Path("report/index.html").is_file():
        pytest.skip("there is no report/index.html: make report")
    return Path("report/index.html").resolve()


@pytest.mark.benchmark(group="page")
@pytest.mark.parametrize("made", [three_networks, twelve_networks, this_report])
def test_open_page(benchmark, tmp_path, made):
    page_file, ready, longest = made(tmp_path), [], []

    def open_page():
        with opened(chromium, page_file) as page:
            ready.append(int(page.evaluate("document.documentElement.dataset.ready")))
            longest.append(round(page.evaluate(SCROLLED)))
            benchmark.extra_info["elements"] = page.evaluate("document.querySelectorAll('*').length")

    with browser() as chromium:
        benchmark.pedantic(open_page, rounds=5, warmup_rounds=1)
        benchmark.extra_info |= {"browser": chromium.version, "bytes": page_file.stat().st_size}
    benchmark.extra_info["milliseconds until it is ready"] = sorted(ready)
    benchmark.extra_info["longest milliseconds between frames while scrolling"] = sorted(longest)
