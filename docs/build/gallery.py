"""The gallery: the report that `make compare` wrote in this checkout as part of the site, and what each of its figures says."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

REPORT = Path(__file__).parents[2] / "report"
HERE = "<!-- the live report -->"  # in the page, where the figures go
OVERVIEW = "all-overview"
SAYS = {  # by the name of the report's section
    OVERVIEW: "Every criterion on every network, in one order: networks disagree about it, and `random` lies in the grey band.",
    "sets-better": "What better sets cost less than the best criterion's: greedy removals win, the paper's oracle loses.",
    "sets-lds": "How well summed scores rank random sets: where few maps go nearly as well as noise lets anything.",
    "sets-additivity": "Whether changes add: on the diagonal they do, above it maps cost more together.",
    "sets-sensitivity": "What a growing share of one site costs, a curve per site.",
    "sets-interactions": "Which sites' maps interact: what two cost together beyond what each costs alone.",
    "sets-foretold": "What foretells the cost of pruning: Kendall's τ over criteria.",
    "price": "A better guess costs more passes; past a point the oracle itself, on a few examples, is the better buy.",
    "sample-size": "How soon a criterion has seen enough examples: most stop learning long before the oracle does.",
    "settling": "How many examples of the oracle settle which criterion is best: far fewer than settle the rank of a map.",
    "heat-map": "Where each criterion works, site by site: one that is good on average can fail in single sites.",
    "alike": "Which criteria say the same: families form blocks, and a second member of a block adds little.",
    "loss-change": "What removing each map costs, site by site: few maps cost much, and some make the network better by going.",
    "oracle-ranks": "Where the important maps are, from the input to the output.",
    "pruning-curves": "What is left when maps go a few at a time and the network learns on in between, by several criteria.",
    "scatter": "Score against oracle, map by map: a good criterion is a line, a bad one a cloud.",
}
ABSENT = """Nothing was measured in this checkout when these pages were built. `make compare` measures the three embedded
networks in a minute and a half and writes the report; then `make docs` shows it here."""


def files_of(report: Path) -> list[Path]:
    """What of a report's folder belongs to the site: its pages, figures and, to which a page links, figures for papers."""
    return sorted(file for form in ("html", "png", "pdf") for file in report.glob(f"*.{form}"))


def gallery(report: Path) -> str:
    """The report's pages and figures as Markdown, in the order of `SAYS`; without a report, how to make one."""
    if not (report / "index.html").is_file():
        return ABSENT
    parts = ["[The whole page](report/index.html), as it was written."]
    for section, says in SAYS.items():
        for figure in sorted(report.glob(f"*{section}.png")):
            case = figure.stem.removesuffix(section).removeprefix("pruning-").rstrip("-") or "all cases"
            parts.append(
                f"![{case}, {section}](report/{figure.name})\n\n*{case if section != OVERVIEW else 'All cases'}. {says}*"
            )
    return "\n\n".join(parts)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds the report to the site."""
    for path in files_of(REPORT):
        files.append(File.generated(config, f"report/{path.name}", content=path.read_bytes()))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Puts the report's figures into the page that has a place for them."""
    return markdown.replace(HERE, gallery(REPORT)) if HERE in markdown else markdown
