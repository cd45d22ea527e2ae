"""Readable tables of the agreement of criteria: a row per criterion, seeds combined."""

import math

import numpy as np
import pandas as pd

from pruning_oracle.reports.agreement.cost import passes_of_criterion, passes_of_oracle, readable
from pruning_oracle.reports.agreement.noise_ceiling import MEAN
from pruning_oracle.reports.sections.marks import marked
from pruning_oracle.reports.sections.section import SCOPES, CaseStudy, number, over_seeds

QUARTER = "a quarter of each site removed, nats"
TITLES = {(MEAN, "none"): "per site", ("all sites", "none"): "all sites", ("all sites", "l2"): "all sites, ℓ2"}


def summary(study: CaseStudy, oracle: str = "oracle_abs") -> pd.DataFrame:
    """A row per criterion: cost, and Spearman on fresh and shared examples in each scope of SCOPES; the noise ceiling last.

    Where a quarter of each site was removed, too, what that costs; in the last row, with the maps that the oracle chooses.
    """
    chosen = study.agreement[study.agreement.oracle == oracle]
    rows = []
    for criterion in study.criteria:
        row = {
            "criterion": marked(study, criterion),
            "cost, forward passes": readable(passes_of_criterion(study.runs, criterion)),
        }
        row |= _quarter(study, criterion, "{}")
        for examples in ("fresh", "shared"):
            for scope, scaling in SCOPES:
                found = chosen.query(
                    "criterion == @criterion and examples == @examples and scope == @scope and scaling == @scaling"
                )
                row[f"{examples}, {TITLES[scope, scaling]}"] = over_seeds(found)
        rows.append(row)
    whole = float(np.median([passes_of_oracle(run) for run in study.runs]))
    ceiling = {"criterion": "noise ceiling", "cost, forward passes": f"the oracle: {readable(whole)}"}
    ceiling |= _quarter(study, oracle, "the oracle: {}")
    for examples in ("fresh", "shared"):
        for scope, scaling in SCOPES:
            found = chosen.query("examples == @examples and scope == @scope and scaling == @scaling")
            ceiling[f"{examples}, {TITLES[scope, scaling]}"] = number(found.groupby("seed").ceiling.first().median())
    return pd.DataFrame([*rows, ceiling])


def _quarter(study: CaseStudy, chooser: str, form: str) -> dict[str, str]:
    """The cell that says what a quarter of each site costs when a chooser names the maps; none where it was not tried."""
    if study.quarter is None:
        return {}
    found = study.quarter[study.quarter.chooser == chooser]
    return {QUARTER: form.format(over_seeds(found, "joint_loss", 3)) if len(found) else ""}


def random_range(study: CaseStudy) -> float:
    """Half the width of the 95 % interval, around 0, of the mean-over-sites Spearman of random rankings, for one network."""
    sizes = [site["maps"] for site in study.runs[0].oracle.facts["sites"] if site["maps"] >= 3]
    if not sizes:
        return float("nan")
    return 1.96 * math.sqrt(sum(1 / (size - 1) for size in sizes)) / len(sizes)


def all_summaries(studies: list[CaseStudy]) -> pd.DataFrame:
    """The summaries of all cases, by both oracles, in one table."""
    parts = []
    for study in studies:
        for oracle in ("oracle_abs", "oracle_loss"):
            part = summary(study, oracle)
            part.insert(0, "oracle", oracle)
            part.insert(0, "case", study.case)
            parts.append(part)
    return pd.concat(parts, ignore_index=True)
