"""The page in a real browser, from disk and without a network: what people do there works, and nothing else runs."""

import itertools
import json
import re

import numpy as np
import pytest
from pages import browser, clipboard, drawn, opened, written_page
from written_pruning import write

NAMES = {'"><img src=x onerror=alert(1)>': 5, "<script>alert(2)</script>": 6, "${alert(3)}": 4, "a/b#c?d%": 7}
VIEWS = [
    "",
    "#toy",
    "#toy/site/2",
    "#toy/site/2/map/3",
    "#sets",
    "#criterion/perfect",
    "#trust",
    "#figures",
    "#pruning",
    "#toy/pruning",
]
TEXTS = "texts => [...document.querySelectorAll(texts)].map(one => one.textContent)"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    root = tmp_path_factory.mktemp("page")
    for seed in (0, 1):
        write(root, seed=seed, last=[0.95])
    return written_page(root, ["toy", "other"], seeds=(0, 1), studied=["toy"], names=["rose", "tulip", "lily"])


@pytest.fixture(scope="module")
def hostile_file(tmp_path_factory):
    root = tmp_path_factory.mktemp("hostile")
    write(root, sites=list(NAMES)[:2], settings={"criterion": next(iter(NAMES))})
    return written_page(root, ["toy"], sites=NAMES, names=list(NAMES)[:3])


@pytest.fixture(scope="module")
def chromium():
    with browser() as found:
        yield found


def centred(page, selector):
    """Where an element is on the screen after it was brought to its middle."""
    page.eval_on_selector(selector, "one => one.scrollIntoView({block: 'center'})")
    return page.locator(selector).bounding_box()


def titled(page, end):
    """Waits until the page's title ends so, as it does soon after a click on a link."""
    page.wait_for_function("end => document.querySelector('h1').textContent.trim().endsWith(end)", arg=end, timeout=10_000)


def names(page):
    return page.evaluate(TEXTS, "[data-section=criteria] tbody th a")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("link", VIEWS)
def test_every_view_opens_by_its_link(chromium, page_file, link, theme):
    with opened(chromium, page_file, link, theme=theme) as page:
        drawn(page)
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        assert len(page.query_selector_all("h1")) == 1
        assert not page.evaluate("document.querySelector('[role=alert]')")


@pytest.mark.parametrize("width", [390, 2560])
def test_nothing_is_cut_at_the_edge(chromium, page_file, width):
    with opened(chromium, page_file, width=width) as page:
        for link in VIEWS:
            page.evaluate("link => location.hash = link", link)
            drawn(page)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), link


def test_a_link_to_a_section_opens_it(chromium, page_file):
    with opened(chromium, page_file, "#toy/alike") as page:
        assert page.evaluate("document.querySelector('[data-section=alike]').getBoundingClientRect().top < innerHeight")
        link = page.get_attribute("[data-section=heat-map] .anchor", "href")
        assert link == "#toy/heat-map"


def test_a_link_names_the_seed_of_its_maps(chromium, page_file):
    with opened(chromium, page_file, "#toy/site/2/map/3") as page:
        first = page.inner_text(".lead")
        page.select_option("main select", label="1")
        page.wait_for_function("() => location.hash === '#toy@1/site/2/map/3'")
        titled(page, "Map 3 of second")
        assert page.inner_text(".lead") != first
        assert page.input_value("main select") == "1"
        page.go_back()
        page.wait_for_function("first => document.querySelector('.lead').innerText === first", arg=first)


def test_sorting_by_a_header_with_the_keyboard(chromium, page_file):
    with opened(chromium, page_file) as page:
        assert names(page) == ["perfect", "opposite", "constant"]
        head = page.locator("[data-section=criteria] thead tr:first-child th").first
        head.locator(".dt-column-order").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("[data-section=criteria] thead tr:first-child th:first-child[aria-sort=ascending]")
        assert names(page) == ["constant", "opposite", "perfect"]


def test_filters_leave_the_controls_in_sight(chromium, page_file):
    with opened(chromium, page_file) as page:
        page.fill("input[type=search]", "OPP")
        assert names(page) == ["opposite"]
        assert "1 of 3 criteria" in page.inner_text(".found")
        assert "noise ceiling" in page.inner_text("tfoot")
        page.fill("input[type=search]", "")
        page.fill("input[type=number]", "1.5")
        assert names(page) == []
        page.fill("input[type=number]", "2")
        assert len(names(page)) == 3
        page.select_option("[aria-label='Filter the table'] label:nth-of-type(3) select", "other")
        assert page.evaluate(TEXTS, "[data-section=criteria] thead .group") == ["other"]


def test_a_click_opens_the_criterion_and_the_way_back(chromium, page_file):
    with opened(chromium, page_file) as page:
        page.click("text=opposite")
        assert page.evaluate("location.hash") == "#criterion/opposite"
        titled(page, "opposite")
        assert page.evaluate("document.activeElement.id") == "main"
        page.go_back()
        titled(page, "knows?")
        assert names(page)[0] == "perfect"


def test_hovering_names_a_map_and_clicking_opens_it(chromium, page_file):
    with opened(chromium, page_file, "#criterion/perfect") as page:
        drawn(page)
        box = centred(page, "[data-section=scatter] canvas")
        for x, y in itertools.product(range(2, 40, 3), range(2, 30, 3)):  # at the top right: the most important map
            page.mouse.move(box["x"] + box["width"] - x, box["y"] + y)
            if page.query_selector("#vg-tooltip-element.visible"):
                break
        assert re.search(r"site.*map", page.inner_text("#vg-tooltip-element"), re.DOTALL)
        page.mouse.down()
        page.mouse.up()
        page.wait_for_function("() => location.hash.includes('/map/')")
        titled(page, "first" if "/site/1/" in page.url else "second")
        assert page.inner_text("h1").startswith("Map ")


def test_brushed_maps_are_listed(chromium, page_file):
    with opened(chromium, page_file, "#toy") as page:
        drawn(page)
        box = centred(page, "[data-section=maps] canvas")
        page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 10)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.98 * box["width"], box["y"] + 180, steps=5)
        page.mouse.up()
        page.wait_for_selector("[data-section=maps] tbody th")
        listed = page.evaluate(TEXTS, "[data-section=maps] tbody th")
        assert listed
        assert all("second" in name for name in listed)


def test_the_maps_of_a_chosen_site_are_listed_without_a_mouse(chromium, page_file):
    with opened(chromium, page_file, "#toy") as page:
        drawn(page)
        page.focus("[data-section=maps] label:has-text('Maps of') select")
        page.keyboard.press("End")
        page.wait_for_selector("[data-section=maps] tbody th a")
        listed = page.evaluate(TEXTS, "[data-section=maps] tbody th")
        assert listed
        assert all("second" in name for name in listed)
        page.focus("[data-section=maps] tbody th a")
        page.keyboard.press("Enter")
        page.wait_for_function("() => location.hash.includes('site/2/map')")


def test_a_number_is_cited_with_interval_examples_commit_and_bibtex(chromium, page_file):
    with opened(chromium, page_file, "#criterion/perfect") as page:
        page.click("[data-section=agreement] tbody button")
        said = clipboard(page)
        assert re.search(r"Spearman 1\.000 \(.* to .*\) of perfect with oracle_abs on toy", said)
        assert "n = 200 oracle and 200 fresh examples" in said
        assert "commit abc" in said
        assert "@misc{pruning-oracle" in said
        assert "\nindex.html#criterion/perfect\n" in said  # without the folder, which is nobody's business
        assert page.inner_text("[data-section=agreement] tbody tr:first-child button") == "Copied"
        page.wait_for_function("() => document.querySelector('[data-section=agreement] tbody button').textContent === 'Cite'")


def test_a_table_is_copied_in_three_ways(chromium, page_file):
    with opened(chromium, page_file) as page:
        texts = {}
        for way in ("CSV", "Markdown", "LaTeX"):
            page.click(f"[data-section=criteria] >> text=Copy {way}")
            texts[way] = clipboard(page)
        assert texts["CSV"].splitlines()[0].startswith("criterion,family,toy: agreement,")
        assert "\nopposite,Your criteria,'-1.00 (-1.00 to" in texts["CSV"]
        assert texts["Markdown"].splitlines()[1].startswith("|:--|")
        assert texts["LaTeX"].startswith("\\begin{tabular}{ll")
        assert "noise ceiling" in texts["LaTeX"]


def test_figures_and_data_are_saved(chromium, page_file, tmp_path):
    with opened(chromium, page_file, "#toy") as page:
        for way, start in (("SVG", b"<svg"), ("PNG", b"\x89PNG")):
            with page.expect_download() as download:
                page.click(f"[data-section=heat-map] >> text=Save {way}")
            download.value.save_as(tmp_path / way)
            assert (tmp_path / way).read_bytes().startswith(start)
        page.evaluate("location.hash = '#trust'")
        with page.expect_download() as download:
            page.click("text=Save all data")
        download.value.save_as(tmp_path / "data.json")
        data = json.loads((tmp_path / "data.json").read_text())
        assert data["columns"]["0/0/change"]["shape"] == [15, 3]
        assert [one["name"] for one in data["networks"]] == ["toy", "other"]


def test_the_theme_and_the_order_are_the_readers_choice(chromium, page_file):
    with opened(chromium, page_file, "#toy") as page:
        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.evaluate("scrollTo(0, 500)")
        page.click("#theme")
        assert page.evaluate("scrollY") == 500
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
        page.select_option("#order", "name")
        options = page.evaluate(TEXTS, "[data-section=maps] label:first-of-type option")
        assert options[2:] == sorted(options[2:])


def test_the_data_are_checked(chromium, page_file, tmp_path):
    text = page_file.read_text()
    damaged = tmp_path / "index.html"
    damaged.write_text(re.sub(r'data-sha256="....', 'data-sha256="0000', text))
    page = chromium.new_page()
    page.goto(damaged.as_uri())
    assert "checksum differs" in page.inner_text("[role=alert]")
    page.close()


def test_no_script_runs_that_is_not_the_pages_own(chromium, page_file, tmp_path):
    added = tmp_path / "index.html"
    added.write_text(
        page_file.read_text().replace("</body>", "<script>window.ran = 1</script><img src=x onerror='ran=1'></body>")
    )
    page = chromium.new_page()
    page.goto(added.as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    assert page.evaluate("window.ran") is None
    page.close()


@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_names_from_data_are_text(chromium, hostile_file, place):
    said = []
    with opened(chromium, hostile_file, "#toy") as page:
        page.on("dialog", lambda dialog: said.append(dialog.message))
        drawn(page)
        page.click(f"[data-section=sites] tbody tr:nth-child({place}) a")
        titled(page, list(NAMES)[place - 1])
        page.click("[data-section=maps] tbody a")
        titled(page, f" of {list(NAMES)[place - 1]}")
        drawn(page)
        assert not page.query_selector_all("main b:not(figcaption b), main img:not(.picture), main script")
        assert {image.get_attribute("alt").split(", class ", 1)[1] for image in page.query_selector_all(".picture")} <= {*NAMES}
        page.evaluate("location.hash = '#toy/pruning'")
        titled(page, "when maps are pruned")
        drawn(page)
        assert not page.query_selector_all("main b:not(figcaption b), main img, main script")
    assert not said


def test_three_questions_are_answered_on_the_page(chromium, page_file):
    with opened(chromium, page_file) as page:  # which criterion for this network at the price of two passes, and how sure?
        page.select_option("[aria-label='Filter the table'] label:nth-of-type(3) select", "other")
        page.fill("input[type=number]", "2")
        first = page.locator("[data-section=criteria] tbody tr").first
        assert first.inner_text().split()[:4] == ["●", "perfect", "≈", "1.00"] or "≈ 1.00" in first.inner_text()
        assert first.locator("td.tied").get_attribute("title") == "the best of these"
        assert page.inner_text("[data-section=criteria] .lead").startswith("On other the best of these is perfect, 1.00 (")
        page.fill("input[type=search]", "opposite")  # whoever is left is held against the best of those who are
        page.wait_for_function("() => document.querySelector('[data-section=criteria] tbody td.tied').title.includes('best')")
        assert page.inner_text("[data-section=criteria] .lead").startswith("On other the best of these is opposite, −1.00 (")
        page.click("[data-section=criteria] tbody >> text=opposite")
        titled(page, "opposite")
        page.go_back()
        titled(page, "criterion knows?")
        order = "[data-section=criteria] thead [aria-sort=descending]"
        assert page.locator(order).count() == 1, "the order in which the reader left the table is kept"
        assert page.evaluate(f"getComputedStyle(document.querySelector('{order}')).display") != "none"
    with opened(chromium, page_file) as page:  # which examples does map 7 of the second site serve?
        page.click("header nav >> text=toy")
        page.click("[data-section=sites] tbody tr:nth-child(2) a")
        titled(page, "second")
        page.click("text='map 7'")
        titled(page, "Map 7 of second")
        assert re.search(r"\d+\s+[\d.]+\s+(rose|tulip|lily)", page.inner_text("[data-section=examples] tbody"))
    with opened(chromium, page_file) as page:  # cite the agreement of a criterion on a network
        page.click("[data-section=criteria] tbody >> text=opposite")
        titled(page, "opposite")
        page.locator("[data-section=agreement] tbody tr", has_text="other").locator("button").click()
        assert re.match(r"Spearman −?[\d.]+ \(.*\) of opposite with oracle_abs on other", clipboard(page))


def test_the_examples_that_need_a_map_most_are_pictured(chromium, page_file):
    with opened(chromium, page_file, "#toy@1/site/2/map/7") as page:
        pictures = page.query_selector_all(".gallery img")
        first = page.inner_text("[data-section=examples] tbody tr:first-child").split()
        assert len(pictures) == 8
        assert all(picture.evaluate("one => one.naturalWidth === 8") for picture in pictures)  # it was decoded
        assert pictures[0].get_attribute("alt") == f"training example {first[0]}, class {first[2]}"
        assert page.inner_text(".gallery li:first-child").split() == [first[2], first[1], "nats"]
    alone = written_page(page_file.parent / "alone", ["toy"])
    with opened(chromium, alone, "#toy/site/2/map/7") as page:  # without pictures and names the table says it all
        assert not page.query_selector_all(".gallery")
        assert re.search(r"\d+\s+[\d.]+\s+class \d", page.inner_text("[data-section=examples] tbody"))


def test_classes_have_their_numbers_of_examples(chromium, page_file):
    with opened(chromium, page_file, "#toy/site/2/map/7") as page:
        rows = page.evaluate(TEXTS, "[data-section=classes] tbody tr")
        assert len(rows) == 3
        assert re.match(r"rose67−?[\d.]+[\d.]+ to [\d.]+", next(row for row in rows if row.startswith("rose")))


def test_what_is_undefined_is_said_and_breaks_nothing(chromium, tmp_path):
    scores = {"flat": ("mean", {"one": np.ones((1, 1)), "two": np.ones((1, 2)), "three": np.ones((1, 3))})}
    path = written_page(tmp_path, ["toy"], sites={"one": 1, "two": 2, "three": 3}, examples=5, scores=scores, labels=False)
    for link in ("", "#toy", "#toy/site/1", "#toy/site/1/map/0", "#criterion/flat", "#sets", "#trust"):
        with opened(chromium, path, link) as page:
            drawn(page)
            assert "NaN" not in page.inner_text("main")
            assert link in {"#trust", "#sets"} or "undefined" in page.inner_text("main") or "site/1/map" in link


def test_figures_are_drawn_without_being_seen(chromium, page_file):
    with opened(chromium, page_file, "#toy/site/2/map/3") as page:  # as printing needs them
        page.wait_for_function(
            "() => document.querySelectorAll('figure').length === document.querySelectorAll('canvas').length"
        )
        assert page.evaluate("scrollY") == 0
        page.emulate_media(media="print")
        assert not page.is_visible("header")
        assert not page.is_visible("main button >> nth=0")


@pytest.mark.slow
def test_axe_finds_nothing_serious(chromium, page_file):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    for theme in ("light", "dark"):
        with opened(chromium, page_file, theme=theme) as page:
            for link in VIEWS:
                page.evaluate("link => location.hash = link", link)
                drawn(page)
                found = axe.Axe().run(page).response["violations"]
                serious = {
                    one["id"]: one["nodes"][0]["html"][:200] for one in found if one["impact"] in ("serious", "critical")
                }
                assert not serious, (link, theme)


@pytest.mark.slow
def test_twelve_networks_at_once(chromium, tmp_path):
    """How soon they are ready and how smoothly they scroll is measured by `tests/timings/test_page.py`."""
    sites = {f"site {place}": 64 for place in range(8)}
    names = [f"n{place}" for place in range(12)]
    with opened(chromium, written_page(tmp_path, names, sites=sites, examples=60)) as page:
        assert page.evaluate("document.querySelectorAll('*').length") < 5000
        assert page.evaluate(TEXTS, "[data-section=criteria] thead a")[: len(names)] == names
