"""The mark of criteria whose scores depend on the order of the examples, and the legend that says so."""

from collections.abc import Sequence

from pruning_oracle.reports.sections.section import CaseStudy

MARK = "†"


def by_order(studies: Sequence[CaseStudy]) -> dict[str, str]:
    """The criteria of any case whose scores depend on the order of the examples, by name, and why they do."""
    facts = {name: of for study in studies for run in study.runs for name, of in run.criteria.facts["criteria"].items()}
    return {name: of["order"] for name, of in facts.items() if of.get("order")}


def marked(study: CaseStudy, name: str) -> str:
    """The name of a criterion, with the mark if its score depends on the order of the examples."""
    return f"{name} {MARK}" if name in by_order([study]) else name


def legend(studies: Sequence[CaseStudy]) -> str:
    """What the mark means here, as a sentence that follows another; empty if nothing is marked."""
    found = ", ".join(f"{name}: {why}" for name, why in sorted(by_order(studies).items()))
    return f" {MARK} depends on the order of the examples ({found})." if found else ""
