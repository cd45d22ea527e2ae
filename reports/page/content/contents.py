"""All that the explorable page holds: its facts and columns, of every case that it shows."""

from typing import Any

from pruning_oracle.reports.inputs.colours import looks
from pruning_oracle.reports.inputs.definitions import OWN, definitions, families
from pruning_oracle.reports.inputs.source import sentences, source
from pruning_oracle.reports.page.content.drawn import DrawnSection
from pruning_oracle.reports.page.content.networks import Network
from pruning_oracle.reports.page.content.pack import Columns
from pruning_oracle.reports.sections.section import CaseStudy

CONTROLS = "Controls"  # the family of criteria whose answer is known in advance, and of the oracle on few examples


def contents(
    studies: list[CaseStudy], networks: list[Network], sections: dict[str, list[DrawnSection]]
) -> tuple[dict[str, Any], Columns]:
    """Facts, which JSON can hold, and columns, those of the first network named `0/…`.

    Args:
        studies: the cases, in the page's order.
        networks: facts and columns of each, as `network` gives them.
        sections: the sections that were drawn beside the page, by what they are of.
    """
    found = [run for study in studies for run in study.runs]
    about = source(found)
    images: dict[str, int] = {}  # each once, since seeds and cases share examples
    facts: dict[str, Any] = {
        "criteria": _criteria(studies),
        "families": looks(families()),
        "source": {name: about[name] for name in ("suite", "commit", "measured", "cite", "bibtex")},
        "sentences": sentences(about),
        "networks": [one | {"pictures": _placed(one["pictures"], images)} for one, _ in networks],
        "images": list(images),
        "sections": [{"of": name} | _section(part) for name, parts in sections.items() for part in parts],
    }
    columns: Columns = {}
    for place, (_, own) in enumerate(networks):
        columns |= {f"{place}/{name}": column for name, column in own.items()}
    return facts, columns


def _placed(pictures: list[dict[int, str]], images: dict[str, int]) -> list[dict[int, int]]:
    """Of each seed the place of every example's picture among all `images`, to which new ones are added."""
    return [{example: images.setdefault(image, len(images)) for example, image in own.items()} for own in pictures]


def _section(part: DrawnSection) -> dict[str, Any]:
    """What the page says of a section that was drawn beside it: title, caption, table, and the names of its files."""
    table = part.table
    cells = (
        None
        if table is None
        else {"columns": [str(name) for name in table.columns], "rows": table.astype(str).to_numpy().tolist()}
    )
    return {"title": part.title, "caption": part.caption, "files": part.files, "table": cells}


def _criteria(studies: list[CaseStudy]) -> dict[str, dict[str, Any]]:
    """The card of every criterion, by name: what its definition says of it, and what the run files say."""
    cards: dict[str, dict[str, Any]] = {}
    for study in studies:
        facts = study.runs[0].criteria.facts["criteria"]
        for name in study.criteria:
            defined, said = definitions().get(name), facts.get(name, {})
            cards.setdefault(
                name,
                {
                    "family": defined.family if defined else OWN if said else CONTROLS,
                    "file": defined.file if defined else "",
                    "says": said.get("says", f"The {name}, measured by its engine: what a guess must beat at its price."),
                    **{key: said.get(key) or "" for key in ("reduce", "unit", "source", "order")},
                    "needs": said.get("needs", []),
                },
            )
    return cards
