"""The view of pruning: a slider reads every run where so much is left, and draws the smaller network there."""

import csv
import re

import pytest
from pages import browser, clipboard, drawn, opened, written_page
from written_pruning import write

from pruning_oracle.reports.inputs.pruning_runs import found_studies
from pruning_oracle.reports.page.assemble import write_page_file
from pruning_oracle.reports.page.content.contents import contents

ROWS = """() => [...document.querySelectorAll('[data-section=values] tbody tr')].map(
    row => [...row.cells].map(cell => cell.innerText))"""
SLIDER = "input[type=range]"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two runs at two seeds, of networks with 10, 8 and 6 maps and so many squared FLOPs; and one without learning."""
    root = tmp_path_factory.mktemp("pruned")
    for seed in (0, 1):
        write(root, seed=seed, accuracies=(1.0, 0.9 - seed / 10, 0.7), last=[0.95], settings={"criterion": "taylor"})
        write(root, seed=seed, name="bad", accuracies=(1.0, 0.6, 0.5), settings={"criterion": "oracle_abs"})
    repaired = {"removed_loss": 4.5, "batchnorm_loss": 2.5}
    write(root, name="mended", folder="pruning-still-batchnorm", steps=repaired, settings={"updates": 0, "tested": 40})
    return root


@pytest.fixture(scope="module")
def page_file(root):
    return written_page(root, ["toy", "other"], seeds=(0, 1))


@pytest.fixture(scope="module")
def chromium():
    with browser() as found:
        yield found


def values(page):
    """The cells of every run by its name: what the table beside the slider says."""
    rows = page.evaluate(ROWS)
    return {row[0].lstrip("●■▲◆ "): [cell.removesuffix("Cite").strip() for cell in row[1:]] for row in rows}


def reads(page, name, text):
    """Waits until the table says so of a run's accuracy, or whatever judges."""
    page.wait_for_function(
        "([name, text]) => [...document.querySelectorAll('[data-section=values] tbody tr')].some("
        "row => row.cells[0].innerText.endsWith(name) && row.cells[1].innerText.startsWith(text))",
        arg=[name, text],
        timeout=10_000,
    )


def test_the_slider_reads_the_networks_of_the_run_files(chromium, page_file):
    with opened(chromium, page_file, "#toy/pruning/maps/80") as page:
        assert page.input_value(SLIDER) == "80"
        assert list(values(page)) == ["good", "bad"]
        assert values(page)["good"] == ["0.850 (0.800 to 0.900)", "1.15 (1.10 to 1.20)", "80", "64", "80", "2"]
        assert values(page)["bad"][:2] == ["0.600", "1.40"]
        page.focus(SLIDER)
        page.keyboard.press("ArrowRight")  # 79 %: the next network has 60 %
        reads(page, "good", "0.700")
        assert values(page)["good"] == ["0.700", "1.30", "0.950", "60", "36", "60", "2"]  # the third was fine-tuned at the end
        said = page.get_attribute(SLIDER, "aria-valuetext")
        close = "(≈ 1 of 1 others: so few test examples cannot tell them apart)"
        assert said == f"With at most 79 % of the maps left, test accuracy: good has 0.700 {close}; the worst, bad has 0.500."
        assert page.url.endswith("#toy/pruning/maps/79")
        page.keyboard.press("End")  # the whole network
        reads(page, "bad", "1.000")


def test_what_is_left_and_what_judges_are_the_readers_choice(chromium, page_file):
    with opened(chromium, page_file, "#toy/pruning/maps/70") as page:
        drawn(page)
        page.select_option("label:has-text('Against what is left of') select", "flops")
        reads(page, "bad", "0.600")  # 70 % of FLOPs: 8 maps have 64 %
        page.select_option("label:has-text('Judged by') select", "loss")
        page.wait_for_function(
            "() => document.querySelector('[data-section=curves] p').innerText.includes('test loss, nats: good has 1.15')"
        )
        drawn(page)
        assert "test loss, nats against FLOPs left" in page.inner_text("[data-section=curves] figcaption")


def test_the_smaller_network_is_that_of_the_run_that_stands_out(chromium, page_file):
    with opened(chromium, page_file, "#toy/pruning/maps/80") as page:
        drawn(page)
        assert "good has 80 % of all maps left; of 1 a<b> it keeps least, 6 of 8" in page.inner_text("[data-section=smaller]")
        page.select_option("label:has-text('Run that stands out') select", "bad")
        page.wait_for_selector("[data-section=smaller] figcaption:has-text('toy pruned by bad')")
        drawn(page)
        page.focus(SLIDER)
        page.keyboard.press("ArrowRight")
        page.wait_for_selector("[data-section=smaller] figcaption:has-text('bad has 60 %')")
        page.click("[data-section=smaller] >> text=Copy data >> nth=0")
        rows = list(csv.DictReader(clipboard(page).splitlines()))
        assert [(row["site"], row["whole"], row["kept"]) for row in rows] == [("1 a<b>", "8", "4"), ("2 b", "2", "2")]


def test_other_runs_fade_behind_the_one_that_stands_out(chromium, page_file, tmp_path):
    with opened(chromium, page_file, "#toy/pruning/maps/80") as page:

        def faded():
            with page.expect_download() as download:
                page.click("[data-section=curves] >> text=Save SVG")
            download.value.save_as(tmp_path / "curves.svg")
            return 'opacity="0.1"' in (tmp_path / "curves.svg").read_text()

        assert not faded()
        page.select_option("label:has-text('Run that stands out') select", "bad")
        assert faded()


def test_repairs_are_beside_what_the_removal_left(chromium, page_file):
    with opened(chromium, page_file, "#toy/pruning-still-batchnorm/maps/80/values") as page:
        assert values(page)["mended"] == ["0.900", "1.10", "4.50", "2.50", "80", "64", "80", "1"]
        assert "n = 40 test examples" in page.inner_text("[data-section=values]")
        assert "`pruning-oracle latency runs/toy/SEED/pruning-still-batchnorm/mended.network`" in page.inner_text("main")
        page.select_option("label:has-text('Runs') select", "pruning")
        page.wait_for_function("() => location.hash === '#toy/pruning'")


def test_a_value_is_cited_and_the_table_copied(chromium, page_file):
    with opened(chromium, page_file, "#toy/pruning/maps/80") as page:
        page.click("[data-section=values] tbody button")
        said = clipboard(page)
        assert said.startswith(
            "test accuracy 0.850 (0.800 to 0.900) of toy pruned by taylor (run good) to at most 80 % of its maps"
        )
        assert "median and range over 2 seeds, n = 3 test examples" in said
        assert "commit abc" in said
        assert "#toy/pruning/maps/80" in said
        assert "@misc{pruning-oracle" in said
        page.click("[data-section=values] >> text=Copy CSV")
        assert clipboard(page).splitlines()[1].startswith("good,0.850 (0.800 to 0.900),1.15")


def test_every_case_has_its_runs_or_says_how_they_are_made(chromium, page_file):
    with opened(chromium, page_file, "#pruning") as page:
        first = page.inner_text("[data-section=studies] tbody tr")
        assert re.search(r"toy: Rankings compared\s+2\s+2\s+1.000\s+none got there", first)
        assert "`pruning-oracle prune other --criterion taylor` makes one" in page.inner_text("main")
        page.click("text=Without learning, with batch norms estimated again")
        page.wait_for_selector("[data-section=curves]")
    with opened(chromium, page_file, "#other/pruning") as page:
        assert "No pruning run of other was found" in page.inner_text("main")
    with opened(chromium, page_file, "#toy") as page:
        page.click("text=What is left when its maps are pruned")
        page.wait_for_selector("[data-section=curves]")


def test_a_page_of_pruning_alone_opens_at_its_runs(chromium, root, tmp_path):
    write_page_file(*contents([], [], {}, [found_studies("toy", [0], root)]), tmp_path / "index.html")
    for link in ("", "#toy/pruning", "#trust"):
        with opened(chromium, tmp_path / "index.html", link) as page:
            drawn(page)
            assert not page.query_selector("header nav >> text=Criteria")
            assert "NaN" not in page.inner_text("main")
