"""The paper's tables of Spearman beside what the committed records hold."""

import pandas as pd

from pruning_oracle.docs.build import agreement
from pruning_oracle.reports.inputs.tables import markdown
from pruning_oracle.reports.sections.paper import OURS, PAPER
from pruning_oracle.reports.sections.section import number


def paper_table(summary: str) -> str:
    """A row per network, for one of the paper's summaries: its own figures, then the records' on the oracle's own examples."""
    rows = []
    for network, scopes in PAPER.items():
        said = ["" if value is None else number(value) for value in scopes[summary]]
        rows.append({"network": f"**{network}**"} | dict(zip(OURS, said, strict=True)))
    for case in agreement.cases():
        said = [agreement.spearman(case, name, f"shared, {summary}").split(" ")[0] for name in OURS.values()]
        rows.append({"network": case} | dict(zip(OURS, said, strict=True)))
    return markdown(pd.DataFrame(rows), disable_numparse=True)


def sources() -> str:
    """From what the records' figures come."""
    return f"<small>{'; '.join(agreement.provenance(case) for case in agreement.cases())}.</small>"
