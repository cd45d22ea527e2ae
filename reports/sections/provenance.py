"""How a case's runs were measured: examples, machine and versions, and the maps and criteria that were left out."""

import pandas as pd

from pruning_oracle.bench.scores import shown
from pruning_oracle.reports.inputs.source import machine_of
from pruning_oracle.reports.sections.section import CaseStudy, Section


def section(study: CaseStudy) -> Section:
    """A table with a column per seed: network, examples, machine, versions and time of its run."""
    rows = []
    for run in study.runs:
        facts, guesses = run.oracle.facts, run.criteria.facts
        rows.append(
            {
                "seed": run.seed,
                "test accuracy": f"{shown(facts['test']['accuracy'], '.2%')} of {facts['test']['examples']}",
                "test loss": f"{facts['test']['loss']:.4f}",
                "training loss": f"{run.oracle.arrays['kept'].mean():.4f}",
                "oracle examples": facts["examples"],
                "fresh examples": guesses["fresh"]["examples"],
                "engine": f"{facts['engine']}, {facts['precision']}, batch {facts['batch']}",
                "device": machine_of(facts),
                "oracle, s": facts["seconds"],
                "criteria, s": round(guesses["shared"]["seconds"] + guesses["fresh"]["seconds"], 1),
                "versions": ", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
                "commit": facts["commit"],
                "weights": facts["weights"][:12],
                "data": facts["data"][:12],
            }
        )
    table = pd.DataFrame(rows).set_index("seed").T.reset_index(names="")
    table.columns = ["", *(f"seed {run.seed}" for run in study.runs)]
    left_out = study.runs[0].oracle.facts["left_out"]
    said = "; ".join(f"{out['convolution']} ({out['maps']} maps): {out['reason']}" for out in left_out) or "none"
    missing = study.runs[0].criteria.facts["left_out_criteria"]
    caption = (
        f"How the figures of this case were measured. Number of oracle examples: {study.runs[0].oracle.facts['why']}."
        f" Maps left out because removing them is not deleting them: {said}. Criteria that are unavailable here:"
        f" {'; '.join(f'{name} (it needs {why})' for name, why in missing.items()) or 'none'}."
    )
    return Section("provenance", "Provenance", caption, table=table)
