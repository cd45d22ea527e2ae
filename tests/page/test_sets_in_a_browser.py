"""Studies of sets in a real browser: a network's own, networks side by side, and what a map interacts with."""

import re

import pytest
from pages import browser, clipboard, drawn, opened, written_page

NAMES = {'"><img src=x onerror=alert(1)>': 6, "<script>alert(2)</script>": 9, "a/b#c?d%": 7}
STUDIES = ("better", "lds", "additivity", "sensitivity", "interactions", "foretold")


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    return written_page(tmp_path_factory.mktemp("page"), ["toy", "other", "bare"], seeds=(0, 1), studied=["toy", "other"])


@pytest.fixture(scope="module")
def chromium():
    with browser() as found:
        yield found


def sections(page):
    return page.evaluate("[...document.querySelectorAll('[data-section]')].map(one => one.dataset.section)")


def cells(page, section):
    rows = f"[data-section={section}] tbody tr"
    return page.evaluate("rows => [...document.querySelectorAll(rows)].map(row => row.innerText.split('\\t'))", rows)


def alternative(page, section):
    """What a screen reader is told of a section's figure."""
    return page.get_attribute(f"[data-section={section}] [role=graphics-document]", "aria-label")


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_has_a_link_a_figure_its_finding_and_a_table(chromium, page_file, name):
    with opened(chromium, page_file, f"#toy/{name}") as page:
        drawn(page)
        assert page.evaluate("name => document.querySelector(`[data-section=${name}]`).getBoundingClientRect().top < 900", name)
        finding = page.inner_text(f"[data-section={name}] figcaption")
        assert alternative(page, name) in finding
        assert len(cells(page, name)) > 1
        page.click(f"[data-section={name}] > .note button")
        said = clipboard(page)
        assert said.startswith("toy: ")
        assert "n = 6" in said or name == "foretold"
        assert "@misc{pruning-oracle" in said


def test_a_network_without_studies_has_none_of_their_sections(chromium, page_file):
    with opened(chromium, page_file, "#bare") as page:
        assert not set(sections(page)) & set(STUDIES)


def test_what_the_reader_chooses_is_shown_and_said(chromium, page_file):
    with opened(chromium, page_file, "#toy/lds") as page:
        drawn(page)
        assert cells(page, "lds")[0] == ["▲perfect", "0.95 (0.90 to 1.00)", "0.95"]
        page.select_option("[data-section=lds] select >> nth=0", label="20 % of all maps")
        drawn(page)
        assert cells(page, "lds")[0][1] == "0.45 (0.40 to 0.50)"
        assert "highest perfect with 0.45 (0.40 to 0.50), lowest opposite with −1.25" in alternative(page, "lds")
        page.select_option("#order", "name")
        assert [re.sub("^\\W", "", row[0]) for row in cells(page, "lds")] == sorted(
            re.sub("^\\W", "", row[0]) for row in cells(page, "lds")
        )


def test_a_site_can_be_highlighted(chromium, page_file):
    with opened(chromium, page_file, "#toy/sensitivity") as page:
        page.select_option("[data-section=sensitivity] select >> nth=1", label="second")
        drawn(page)
        with page.expect_download() as download:
            page.click("[data-section=sensitivity] >> text=Save SVG")
        text = download.value.path().read_text()
        assert 'opacity="0.12"' in text
        assert 'opacity="1"' in text


def test_networks_are_held_side_by_side(chromium, page_file):
    with opened(chromium, page_file) as page:
        page.click("header nav >> text=Sets")
        page.wait_for_function("() => document.querySelector('h1').textContent.startsWith('Sets')")
        drawn(page)
        assert sections(page) == list(STUDIES)
        assert page.evaluate(
            "[...document.querySelectorAll('[data-section=additivity] li a')].map(one => one.textContent)"
        ) == [*("toy", "other")]
        assert cells(page, "additivity")[0] == ["a random 10 % of all maps", "2.05 (2.00 to 2.10)", "2.05 (2.00 to 2.10)"]
        assert "toy, highest a random" in alternative(page, "additivity")
        page.click("[data-section=sensitivity] li a >> text=other")
        page.wait_for_function("() => location.hash === '#other/sensitivity'")


def test_where_nothing_was_measured_the_command_is_said(chromium, tmp_path):
    path = written_page(tmp_path, ["toy"])
    with opened(chromium, path, "#sets") as page:
        assert "pruning-oracle sets-study toy" in page.inner_text("main")
        page.evaluate("location.hash = '#toy/site/2/map/3'")
        page.wait_for_selector("[data-section=partners]")
        assert "pruning-oracle interactions toy --seed 0" in page.inner_text("[data-section=partners]")


def test_a_map_names_its_partners_and_links_to_them(chromium, page_file):
    with opened(chromium, page_file, "#toy@1/site/2/map/2") as page:
        first, second = cells(page, "partners")
        assert first == ["map 8 of second", "0.500", "0.400 to 0.600", "0.500", "0.250"]
        assert second[:2] == ["map 0 of first", "−0.100"]
        page.click("[data-section=partners] >> text=map 0 of first")
        page.wait_for_function("() => location.hash === '#toy@1/site/1/map/0'")
        page.wait_for_function("() => document.querySelectorAll('[data-section=partners] tbody tr').length === 2")
        page.evaluate("location.hash = '#toy@1/site/2/map/3'")
        page.wait_for_function("() => document.querySelector('h1').textContent.startsWith('Map 3')")
        assert "None of the 3 pairs" in page.inner_text("[data-section=partners]")


def test_a_site_shows_the_pairs_of_its_maps(chromium, page_file):
    with opened(chromium, page_file, "#toy/site/2/pairs") as page:
        drawn(page)
        assert "1 pairs of its maps were drawn" in alternative(page, "pairs")
        assert "maps 2 and 8, 0.400 [0.300, 0.500] nats" in alternative(page, "pairs")


def test_names_of_sites_are_text(chromium, tmp_path):
    path, said = written_page(tmp_path, ["toy"], sites=NAMES, studied=["toy"]), []
    with opened(chromium, path, "#toy") as page:
        page.on("dialog", lambda dialog: said.append(dialog.message))
        for link in ("#sets", "#toy", "#toy/site/2", "#toy/site/2/map/2"):
            page.evaluate("link => location.hash = link", link)
            drawn(page)
            assert "<script>alert(2)</script>" in page.inner_text("main")
            assert not page.query_selector_all("main img, main script")
    assert not said
