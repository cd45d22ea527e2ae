"""The documentation: its figures are the records', its formulas are set, its first lines and its code are run."""

import re
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="pip install 'pruning-oracle[docs]'")
import pandas as pd
import typer
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort, PluginError
from typer.main import get_command

from pruning_oracle.bench.runs import load
from pruning_oracle.criteria.criterion import discover
from pruning_oracle.docs.build import (
    agreement,
    cards,
    chosen_sets,
    commands,
    first_oracle,
    foretelling,
    paper_points,
    pictures,
    pruning,
    set_studies,
    small_records,
)
from pruning_oracle.docs.build.formulas import mathml
from pruning_oracle.reports.inputs import records
from pruning_oracle.reports.sections.curves import table

README = Path("README.md").read_text("utf-8")


def suites_own():
    return [found for found in discover().values() if found.saliency.__module__.startswith("pruning_oracle.")]


def test_the_readme_fits_a_screen_or_two_and_its_links_lead_somewhere():
    assert len(README.splitlines()) <= 120
    for target in re.findall(r"\]\(([^)#]+)", README):
        assert target.startswith("https://") or Path(target).exists(), target


def test_the_readmes_first_table_is_the_records():
    assert chosen_sets.short_table() in README
    path = sorted(records.ROOT.glob("*/foretell.csv"))[-1]
    taus = (
        pd.read_csv(path).query("predictor == 'agreement with oracle_abs, mean over sites'").set_index(["case", "outcome"]).tau
    )
    one = taus.xs("joint loss, one site, mean over shares", level="outcome")[list(agreement.EMBEDDED)]
    before, after = (
        taus["resnet-digits", f"joint loss, each site{kind}, mean over shares"] for kind in ("", ", after batchnorm")
    )
    text = " ".join(README.split())
    assert f"Kendall's τ over criteria {one.min():.2f} to {one.max():.2f})" in text
    assert f"({before:.2f}, then {after:.2f})" in text


def test_the_readmes_table_is_the_records():
    lines = README.split("## Which criterion knows?")[1].split("\n## ")[0].splitlines()
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert len(rows) == 10
    names = {"the oracle of 64 examples (control)": "oracle of 64 examples"}
    for name, *figures in rows:
        criterion = names.get(name, re.sub(r" of five.*| \(control\)|`", "", name))
        assert figures == [agreement.spearman(case, criterion).split(" ")[0] for case in head[1:]], name


def test_the_readmes_surprises_are_the_records():
    def said(case, name, column=agreement.FRESH):
        return agreement.spearman(case, name, column).split(" ")[0]

    resnets = [f"resnet{layers}-cifar10" for layers in (20, 32, 44)]
    pairs = [f"{said(case, 'weight_l2')} to {said(case, 'taylor')} on ResNet-{case[6:8]}" for case in resnets]
    ceilings = "{}, {} and {}".format(*(said(case, "noise ceiling") for case in resnets))
    names = ("oracle of 64 examples", "taylor", "gauss_newton", "taylor_second")
    prices = {name: [float(said(case, name, "cost, forward passes")) for case in agreement.EMBEDDED] for name in names}
    costs, second = prices["oracle of 64 examples"], prices["gauss_newton"] + prices["taylor_second"]
    text = " ".join(README.split())
    for expected in (
        *(f"`weight_l2` has {said('vgg-digits', 'weight_l2')} where `taylor` has {said('vgg-digits', 'taylor')}", *pairs),
        f"under ceilings of {ceilings}",
        f"falls from {said('vgg-digits', 'taylor_second_signed')} to {said(resnets[2], 'taylor_second_signed')}",
        f"costs {min(costs):.0f} to {max(costs):.0f} forward passes",
        f"`taylor` {min(prices['taylor']):.0f} to {max(prices['taylor']):.0f}",
        f"second order {min(second):.0f} to {max(second):.0f}",
        *(f"`{case}` ({said(case, 'oracle of 64 examples')})" for case in agreement.EMBEDDED[:2]),
        f"with {said(resnets[2], 'taylor', 'shared, per site')} to the weights' {said(resnets[2], 'weight_l2')}",
        f"it is behind, {said(resnets[2], 'taylor')} to {said(resnets[2], 'weight_l2')}",
    ):
        assert expected in text
    for case in agreement.EMBEDDED[:2]:
        best = max(agreement.number(said(case, name)) for name in discover())
        assert best <= agreement.number(said(case, "oracle of 64 examples"))


@pytest.mark.parametrize("criterion", suites_own(), ids=lambda found: found.name)
def test_every_criterion_has_a_formula_and_a_card(criterion):
    latex = cards.formula(criterion)
    assert latex.startswith(r"\Theta")
    set_one = mathml(f'<div class="arithmatex">\\[{latex}\\]</div>')
    assert "<math" in set_one
    assert "arithmatex" not in set_one
    card = cards.card(criterion)
    assert f"### {criterion.name}\n" in card
    assert "$$" not in cards.says(criterion)
    assert "| place |" in card


def test_formulas_in_a_line_are_set_and_other_text_is_left():
    page = '<p>a <span class="arithmatex">\\(a &lt; b\\)</span> b</p>'
    assert mathml(page).startswith('<p>a <span class="formula"><math')
    assert "<mo>&#x0003C;</mo>" in mathml(page)
    assert mathml("<p>plain $5</p>") == "<p>plain $5</p>"


def test_entries_of_the_records():
    assert agreement.spearman("vgg-digits", "taylor") == "0.92 (0.92 to 0.92)"
    assert agreement.spearman("vgg-digits", "norm_gamma") == "unavailable"
    assert "taylor" in agreement.criteria()[:8]
    with pytest.raises(ValueError, match="no record speaks of 'nowhere'; there are vgg-digits, "):
        agreement.spearman("nowhere", "taylor")
    assert cards.place("vgg-digits", "taylor_second_signed") == "1 of 59"
    assert "commit d09af9024ef4" in agreement.provenance("vgg-digits")
    assert agreement.spearman("vgg-digits", "wanda") == "0.77 (0.75 to 0.79)"  # of a later record, which leaves the others
    assert agreement.provenance("vgg-digits").endswith("11 criteria from reports/records/2026-11-26-criteria-epyc-2-cores")
    assert pruning.entry("vgg-digits", "pruning", "taylor", "area, FLOPs left") == "0.975 (0.971 to 0.976)"
    assert "| **AlexNet, ImageNet (the paper)** |" in paper_points.paper_table("all sites")


def test_the_curves_are_the_records_tables(monkeypatch):
    """The runs put together from the record's rows have the areas that the stage printed when it made them."""
    for case in agreement.EMBEDDED:
        drawn = table(pruning.recorded_study(case)).set_index("run")
        for run in drawn.index:
            assert drawn.loc[run, "area, FLOPs left"] == pruning.entry(case, "pruning", run, "area, FLOPs left")
    monkeypatch.setattr(pictures, "drawn", {})
    assert "(../figures/vgg-digits-pruning-curves.svg)" in pruning.pruning_curves("vgg-digits")
    assert b"<svg" in pictures.drawn["figures/vgg-digits-pruning-curves.svg"]
    assert (
        "Kendall's τ of the loss before retraining with the test accuracy after it is −0.52 [−0.63, −0.37]"
        in pruning.loss_and_accuracy("vgg-digits")
    )


def test_the_smaller_records():
    assert small_records.times_as_long("scoring.json", "plain updates, s").startswith("1.23 (`vgg-digits`), ")
    assert (
        "| vgg-digits      | 0.05             | 512        | 279                          | 2.4"
        in small_records.equal_quality()
    )
    assert small_records.kills().startswith("200 kills of all stages' commands, 2,849 pieces")
    assert "5,300 random networks" in small_records.random_networks()
    assert "| 2.14 (1.22 to 3.85) " in small_records.repairs()
    assert "| −0.16 (−0.43 to −0.04) | — " in small_records.repairs()
    assert "| `taylor`       | 40%         | 0.815 → 0.598   | 2.3 " in pruning.ends_of_squeezenet()


def test_ranges_stay_on_a_line():
    row = "| a b | 0.92 (0.91 to 0.93) | 0.5 [−0.1, 0.6] |"
    assert agreement.unbroken(row) == "| a b | 0.92&nbsp;(0.91&nbsp;to&nbsp;0.93) | 0.5&nbsp;[−0.1,&nbsp;0.6] |"


def test_commands_come_from_the_program():
    app = typer.Typer(help="All of it.")

    @app.command()
    def measure(case: str, seed: int = typer.Option(0, help="which [one]")):
        """Measures a case."""

    @app.command()
    def other():
        """Another."""

    text = commands.described(get_command(app), "tool")
    assert text.startswith("## tool\n\nAll of it.")
    assert "### tool measure\n\nMeasures a case." in text
    assert "| `--seed <int>` | which \\[one] " in text
    assert "### tool other" in text


def test_the_readme_shows_the_first_pages_lines():
    (readmes,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    without = [re.sub(r" +#.*", "", text) for text in (readmes, first_oracle.first_lines())]
    assert without[0] == without[1]


def test_run_files_are_read_without_the_suite(tmp_path, monkeypatch, capsys):
    """The page's blocks, run in order: they give the agreement that the suite's own files hold."""
    page = Path("docs/how-to/run-files.md").read_text("utf-8")
    setup = re.search(r"<!--- invisible-code-block: python\n(.*?)-->", page, re.DOTALL)[1]
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert not any("pruning_oracle" in block for block in blocks)
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in (setup, *blocks):
        exec(block, names)  # noqa: S102 (the page's own lines)
    oracle = load(tmp_path / "runs/vgg-digits/0/oracle.safetensors", "oracle")
    assert sorted(names["changes"]) == sorted(site["name"] for site in oracle.facts["sites"])
    assert re.search(r"^taylor: 0\.\d\d over 13 sites$", capsys.readouterr().out, re.MULTILINE)


def test_what_builds_the_documentation_is_no_part_of_the_wheel():
    packages = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert not [name for name in packages if "docs" in name]


@pytest.mark.parametrize(
    "text", ["[gone](gone.md)", "[no such place](index.md#gone)", "![gone](gone.svg)", "::: pruning_oracle.gone"]
)
def test_what_leads_nowhere_fails(text, tmp_path, caplog):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text(f"# Page\n\n{text}\n")
    given = {"docs_dir": str(tmp_path / "docs"), "site_dir": str(tmp_path / "site"), "nav": [{"Page": "index.md"}]}
    config = load_config("mkdocs.yml", **given, extra_css=[], extra={})
    config.plugins.on_startup(command="build", dirty=False)
    with pytest.raises((Abort, PluginError)):
        build(config)
    assert "mkdocs build\n" in Path("Makefile").read_text()  # with --quiet it would count no warnings


@pytest.mark.slow
def test_the_site_is_built_strictly_and_asks_nothing_of_the_network(tmp_path):
    config = load_config("mkdocs.yml", site_dir=str(tmp_path), strict=True)
    config.plugins.on_startup(command="build", dirty=False)
    build(config)
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        text = page.read_text("utf-8")
        assert not re.findall(r'(?:src|<link[^>]*href)="https?://[^"]+', text), page
        assert "arithmatex" not in text, page
        assert not re.search(r"(?<!\$)\{\{", text), page  # `${{ … }}` is a workflow's
    assert (tmp_path / "figures/order-of-criteria.svg").is_file()


def test_the_table_of_chosen_sets_is_the_records():
    table = chosen_sets.chosen_sets("each site", "none")
    path = sorted(records.ROOT.glob("*/chosen-sets.csv"))[-1]
    rows = pd.read_csv(path).query("share == 0.25 and scope == 'each site' and chooser == 'oracle_abs'")
    for case, repair in (("vgg-digits", "none"), ("resnet-digits", "none"), ("resnet-digits", "batchnorm")):
        costs = rows[(rows.case == case) & (rows.repair == repair)].joint_loss
        assert len(costs) == 3
        assert f"{costs.median():.2f} ({costs.min():.2f} to {costs.max():.2f})" in table
    assert "resnet-digits, after the repair batchnorm" in table
    assert table.index("`oracle_mean_abs`") < table.index("`oracle_abs`")


def test_what_random_sets_and_foretelling_say_is_the_records():
    folder = sorted(records.ROOT.glob("*/foretell.csv"))[-1].parent
    scores = pd.read_csv(folder / "reference-sets.csv").query("chooser == 'taylor' and scaling == 'none' and share == 0.2")
    line = next(line for line in foretelling.scores_of_random_sets().splitlines() if line.startswith("| `taylor`"))
    assert f"{scores[scores.case == 'vgg-digits'].lds.median():.2f}" in line
    adding = pd.read_csv(folder / "additivity.csv").query("scope == 'all sites' and case == 'resnet-digits' and share == 0.1")
    assert f"{adding.ratio.median():.2f} ({adding.ratio.min():.2f} to {adding.ratio.max():.2f})" in foretelling.ratios()
    taus = pd.read_csv(folder / "foretell.csv").query(
        "case == 'vgg-digits' and outcome == 'joint loss, one site, mean over shares' and predictor == 'LDS, 10%'"
    )
    assert f"{taus.tau.item():.2f} [{taus.low.item():.2f}, {taus.high.item():.2f}]" in foretelling.foretold()


def test_the_tables_of_better_sets_and_interactions_are_the_records():
    path = sorted(records.ROOT.glob("*/better-sets.csv"))[-1]
    rows = pd.read_csv(path).query("share == 0.25 and scope == 'all sites' and case == 'resnet-digits' and scaling == 'none'")
    costs = rows[rows.chooser == "oracle_abs"].joint_loss
    text = f"{costs.median():.2f} ({costs.min():.2f} to {costs.max():.2f})"
    assert text in set_studies.better_sets("all sites", 0.25)
    assert text in set_studies.reductions(0.25)
    assert "`oracle_abs, l2`" in set_studies.reductions(0.25)
    best = pd.read_csv(path).query("share == 0.25 and scope == 'all sites' and case == 'resnet-digits'")
    best = best[(best.chooser == best.best_criterion) & (best.over_criterion == 0)].drop_duplicates("seed").joint_loss
    assert "| best criterion    |" in set_studies.better_sets("all sites", 0.25)
    assert f"{best.median():.2f} ({best.min():.2f} to {best.max():.2f})" in set_studies.better_sets("all sites", 0.25)
    apart = rows[rows.chooser == "oracle_abs"][["joint_loss", "singles", "within_sites", "across_sites"]].median()
    shown = [line for line in set_studies.apart("all sites").splitlines() if "resnet-digits" in line and "`oracle_abs`" in line]
    assert [f"{value:.2f}".replace("-", "−") for value in apart] == shown[0].replace("|", " ").split()[2:6]
    adding = pd.read_csv(path.parent / "adding.csv").iloc[0]
    assert f"{adding.pairs:.2f} ({adding.pairs_low:.2f} to {adding.pairs_high:.2f})".replace("-", "−") in set_studies.adding()
    grade = pd.read_csv(path.parent / "interaction-grades.csv").iloc[0]
    assert f"{grade.spearman:.2f} ({grade.low:.2f} to {grade.high:.2f})" in set_studies.interaction_grades()


def test_what_the_page_of_fills_says_is_the_record():
    page = (Path(__file__).parents[2] / "docs/explanation/fills.md").read_text("utf-8")
    rows = pd.DataFrame(small_records.newest("fills.json")["rows"])
    agreed, cost, time = "spearman of oracle_abs, mean over sites", "ratio of mean |change|", "times as long"
    for case, fill, column in [
        ("vgg-digits", "mean", agreed),
        ("vgg-digits", "resample", agreed),
        ("resnet-digits", "mean", agreed),
        ("resnet-digits", "resample", agreed),
        ("resnet-digits", "mean", cost),
        ("vgg-digits", "mean", cost),
        ("resnet-digits", "mean", "lowest site"),
        (None, "mean", time),
        (None, "resample", time),
    ]:
        own = rows[(rows.fill == fill) & (rows.case.eq(case) | (case is None))][column]
        assert f"{own.min():.2f} to {own.max():.2f}".replace("-", "−") in page
    assert "| resnet-digits | `mean`     | 0.53, 0.53, 0.60 " in small_records.fills()
