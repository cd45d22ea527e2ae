"""What mkdocs calls while it builds: fills pages with what records say, adds generated figures, sets formulas."""

import dataclasses
from pathlib import Path
from typing import Any

import jinja2
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from pruning_oracle.docs.build import (
    agreement,
    cards,
    chosen_sets,
    commands,
    first_oracle,
    foretelling,
    interface,
    paper_points,
    pictures,
    pruning,
    set_studies,
    small_records,
    survival,
)
from pruning_oracle.docs.build.formulas import mathml
from pruning_oracle.reports.inputs.records import newest_record, trials
from pruning_oracle.reports.sections import estimated, precision, speed

ROOT = Path(__file__).parents[2]
ASKS = "generated"  # in the head of a page whose {{ … }} are to be filled in


def speed_section() -> str:
    """The speed of the replay engine, from the newest record."""
    record = newest_record()
    return pictures.shown(speed.section(record) if record else None)


def precision_section() -> str:
    """Ranks and times in every precision, from the newest record."""
    record = newest_record()
    return pictures.shown(precision.section(record) if record else None)


def estimated_section() -> str:
    """The estimated oracle tried against the exact one, from the newest record of every network."""
    found = estimated.section(trials())
    assert found is not None
    assert found.table is not None
    turned = found.table.set_index("network").T.rename_axis("").reset_index()
    return pictures.shown(dataclasses.replace(found, table=turned))


def quoted(path: str) -> str:
    """A file of the repository as a block of code."""
    return f"```{Path(path).suffix.removeprefix('.').replace('py', 'python')}\n{(ROOT / path).read_text('utf-8')}```"


FUNCTIONS: dict[str, Any] = {
    found.__name__: found
    for found in (
        *(agreement.agreement_table, agreement.spearman, agreement.order_figure, agreement.provenance),
        *(cards.cards, cards.evidence, cards.shared_evidence),
        *(pruning.entry, pruning.pruning_table, pruning.latencies, pruning.pruning_curves, pruning.maps_left),
        *(pruning.loss_and_accuracy, pruning.furthest, pruning.ends_of_squeezenet),
        *(small_records.times_as_long, small_records.equal_quality, small_records.kills, small_records.random_networks),
        *(small_records.repairs, small_records.fills, survival.survival_predictors),
        chosen_sets.chosen_sets,
        *(foretelling.scores_of_random_sets, foretelling.ratios, foretelling.foretold),
        *(
            set_studies.better_sets,
            set_studies.reductions,
            set_studies.apart,
            set_studies.adding,
            set_studies.interaction_grades,
        ),
        *(commands.commands, interface.interface, first_oracle.first_picture, paper_points.paper_table, paper_points.sources),
        *(speed_section, precision_section, estimated_section, quoted),
    )
}


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fills the `{{ … }}` of a page that asks for it, and adds the figures that they draw to the site."""
    if not page.meta.get(ASKS):
        return markdown
    template = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False).from_string(markdown)  # noqa: S701 (Markdown)
    text = template.render(FUNCTIONS)
    for name, content in pictures.drawn.items():
        if files.get_file_from_path(name) is None:
            files.append(File.generated(config, name, content=content))
    return text


def on_page_content(html: str, **_: Any) -> str:
    """Sets the formulas of a page."""
    return mathml(html)
