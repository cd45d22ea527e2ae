"""The card of every criterion: what it is by its definition, and how it does by the committed records."""

import inspect
import re
from collections.abc import Iterator

from pruning_oracle.bench.scores import reduction_name
from pruning_oracle.criteria.criterion import Criterion, discover
from pruning_oracle.criteria.evidence.source import sources
from pruning_oracle.criteria.evidence.statistics import SHARED_PASS
from pruning_oracle.docs.build import agreement

FIRST = ("1", "2", "3", "4", "5")  # places at which a criterion does well
FORMULA = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)


def formula(criterion: Criterion) -> str:
    """The formula in a criterion's docstring, without its dollars; empty if it has none."""
    found = FORMULA.search(criterion.saliency.__doc__ or "")
    return " ".join(found[1].split()) if found else ""


def says(criterion: Criterion) -> str:
    """A criterion's docstring without its formula."""
    return FORMULA.sub("", inspect.cleandoc(criterion.saliency.__doc__ or "")).strip()


def family(criterion: Criterion) -> str:
    """The first line of the file that defines a criterion, up to its colon."""
    document = inspect.getmodule(criterion.saliency).__doc__ or ""
    return re.split(r"[:,.] ", document, maxsplit=1)[0].removesuffix("as they ship")


def card(criterion: Criterion) -> str:
    """One criterion as Markdown: a heading, what it is, its formula, what it reads and gives, and its record."""
    reads = ", ".join(f"`{name}`" for name in sorted(criterion.needs)) or "the weights alone"
    group = "quick" if criterion.quick else "not among the quick ones (`--criteria all`)"
    facts = f"Reads {reads}. Reduced by `{reduction_name(criterion.reduce)}`. Unit: {criterion.unit}. {group.capitalize()}."
    order = f"\n\n† Its score depends on the order of the examples: {criterion.order}." if criterion.order else ""
    shown = f"$$\n{formula(criterion)}\n$$\n\n" if formula(criterion) else ""
    source = f"Source: {criterion.source}."
    return f"### {criterion.name}\n\n{says(criterion)}\n\n{shown}{facts} {source}{order}\n\n{record(criterion.name)}\n"


def record(name: str) -> str:
    """What the records hold of a criterion: agreement, ceiling, place among all criteria and price, per network."""
    rows = []
    for case in agreement.cases():
        said = agreement.spearman(case, name)
        if said != "unavailable":
            cost = agreement.spearman(case, name, "cost, forward passes")
            where = place(case, name)
            title = f"**{case}**" if where.split(" ")[0] in FIRST else case
            parts = (title, agreement.unbroken(said), agreement.spearman(case, agreement.CEILING), where, cost)
            rows.append(f"| {' | '.join(parts)} |")
    if not rows:
        return "No committed record holds it."
    head = "| network | Spearman, fresh, per site | ceiling | place | price, forward passes |\n|:--|:--|--:|:--|--:|\n"
    return head + "\n".join(rows)


def place(case: str, name: str) -> str:
    """Where a criterion stands among all of a case's record, such as `3 of 50`; equal figures share the better place."""
    known = agreement.recorded()
    of = known[(known.case == case) & (known.oracle == "oracle_abs") & known.criterion.isin(discover())]
    values = [agreement.number(text) for text in of[agreement.FRESH]]
    own = agreement.number(agreement.spearman(case, name))
    return f"{1 + sum(value > own for value in values)} of {len(values)}" if own == own else "undefined"  # noqa: PLR0124 (NaN)


def cards() -> str:
    """All criteria, by family."""
    families: dict[str, list[Criterion]] = {}
    for criterion in discover().values():
        families.setdefault(family(criterion), []).append(criterion)
    parts = [f"## {title}\n\n" + "\n".join(map(card, own)) for title, own in families.items()]
    return "\n".join(parts)


def evidence() -> str:
    """A row for each piece of evidence that is gathered by passes of its own, as Markdown."""
    return "| evidence | is | examples at most |\n|:--|:--|--:|\n" + "\n".join(_evidence_rows())


def _evidence_rows() -> Iterator[str]:
    for name, source in sorted(sources().items()):
        first = (inspect.getdoc(source.gather) or "").splitlines()[0]
        yield f"| `{name}` | {first} | {source.most or 'all'} |"


def shared_evidence() -> str:
    """The names of the evidence that one shared pass gathers."""
    return ", ".join(f"`{name}`" for name in sorted(SHARED_PASS))
