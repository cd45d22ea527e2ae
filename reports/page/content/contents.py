"""All that the explorable page holds: its facts and columns, of every case that it shows."""

from collections.abc import Sequence
from typing import Any

from pruning_oracle.reports.inputs.colours import looks
from pruning_oracle.reports.inputs.definitions import OWN, definitions, families
from pruning_oracle.reports.inputs.pruning_runs import PrunedCase
from pruning_oracle.reports.inputs.source import sentences, source
from pruning_oracle.reports.page.content.drawn import DrawnSection
from pruning_oracle.reports.page.content.networks import Network
from pruning_oracle.reports.page.content.pack import Columns
from pruning_oracle.reports.page.content.pruning import files_of, pruning_runs
from pruning_oracle.reports.sections.section import CaseStudy

CONTROLS = "Controls"  # the family of criteria whose answer is known in advance, and of the oracle on few examples


def contents(
    studies: list[CaseStudy],
    networks: list[Network],
    sections: dict[str, list[DrawnSection]],
    pruned: Sequence[PrunedCase] = (),
) -> tuple[dict[str, Any], Columns]:
    """Facts, which JSON can hold, and columns, those of the first network named `0/…`.

    Args:
        studies: the cases, in the page's order.
        networks: facts and columns of each, as `network` gives them.
        sections: the sections that were drawn beside the page, by what they are of.
        pruned: the cases whose pruning runs it shows; columns of the first are named `pruning/0/…`.
    """
    found = [run for study in studies for run in study.runs]
    about = source(found)
    images: dict[str, int] = {}  # each once, since seeds and cases share examples
    known = {run.case: run.oracle.facts["test"]["examples"] for run in found}
    runs = [pruning_runs(one, known.get(one.case)) for one in pruned]
    about = source(found, [] if found else files_of(pruned))
    facts: dict[str, Any] = {
        "criteria": _criteria(studies),
        "families": looks(families()),
        "source": {name: about[name] for name in ("suite", "commit", "measured", "cite", "bibtex")},
        "sentences": sentences(about),
        "networks": [one | {"pictures": _placed(one["pictures"], images)} for one, _ in networks],
        "images": list(images),
        "pruning": [one for one, _ in runs],
        "sections": [{"of": name} | part.facts for name, parts in sections.items() for part in parts],
    }
    columns: Columns = {}
    for prefix, parts in (("", networks), ("pruning/", runs)):
        for place, (_, own) in enumerate(parts):
            columns |= {f"{prefix}{place}/{name}": column for name, column in own.items()}
    return facts, columns


def _placed(pictures: list[dict[int, str]], images: dict[str, int]) -> list[dict[int, int]]:
    """Of each seed the place of every example's picture among all `images`, to which new ones are added."""
    return [{example: images.setdefault(image, len(images)) for example, image in own.items()} for own in pictures]


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
