"""The table of a case's agreement: every criterion with the oracle."""

from pruning_oracle.reports.agreement.few_examples import why_none
from pruning_oracle.reports.sections.marks import legend
from pruning_oracle.reports.sections.section import CaseStudy, Section, number
from pruning_oracle.reports.sections.summaries import random_range, summary


def section(study: CaseStudy) -> Section:
    """A table with a row per criterion: its Spearman with oracle_abs, on fresh and on shared examples."""
    spread = "the 95 % interval over examples" if len(study.runs) == 1 else "the range over seeds around their median"
    caption = (
        f"Spearman with oracle_abs, with {spread}. Per site: computed within each site, then averaged over the sites where it"
        " is defined. All sites: over all maps at once, with scores as they are and divided by their ℓ2 norm within each site."
        " (The ℓ2 scaling favours sites with few maps, so that there even a random score need not be near 0.)"
        f" A random ranking lies within ±{number(random_range(study))} per site in 95 % of draws. The noise ceiling is the"
        " agreement of the oracle on one half of the examples with the other half, Spearman–Brown corrected: a yardstick, not"
        f" a bound.{why_none(study.runs[0])} Cost: what scoring {study.scored} examples takes, a part of it once and"
        f" the other for every example, in forward passes over as many.{legend([study])} {study.said}."
    )
    return Section("agreement", "Agreement with the oracle", caption, table=summary(study))
