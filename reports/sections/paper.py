"""The paper's own tables beside ours: Spearman with oracle_abs on shared examples (arXiv:1611.06440)."""

import pandas as pd

from pruning_oracle.reports.sections.section import SCOPES, CaseStudy, Section, number
from pruning_oracle.reports.sections.summaries import TITLES

OURS = {
    "mutual information": "mutual_information",
    "weight": "weight_mean_square",
    "activation mean": "activation_mean",
    "activation s.d.": "activation_deviation",
    "Taylor": "taylor_mean",
}
# in the order of OURS; None: not in the paper, whose second table has a single "activation"
PAPER: dict[str, dict[str, tuple[float | None, ...]]] = {
    "VGG-16, Birds-200 (the paper)": {
        "per site": (0.28, 0.27, 0.56, 0.57, 0.73),
        "all sites": (0.35, 0.34, 0.35, 0.30, 0.14),
        "all sites, ℓ2": (0.47, 0.33, 0.64, 0.66, 0.73),
    },
    "AlexNet, ImageNet (the paper)": {
        "per site": (None, 0.57, 0.11, None, 0.58),
        "all sites": (None, 0.67, 0.00, None, None),
        "all sites, ℓ2": (None, 0.44, 0.10, None, 0.55),
    },
}


def section(studies: list[CaseStudy]) -> Section:
    """A table of the paper's five criteria in its three summaries: the paper's networks first, then the cases measured here."""
    rows = []
    for network, scopes in PAPER.items():
        for scope, values in scopes.items():
            said = ["" if value is None else number(value) for value in values]
            rows.append({"network": network, "summary": scope} | dict(zip(OURS, said, strict=True)))
    for study in studies:
        chosen = study.agreement.query("oracle == 'oracle_abs' and examples == 'shared'")
        medians = chosen.groupby(["scope", "scaling", "criterion"]).spearman.median()
        for scope, scaling in SCOPES:
            found = {title: number(medians.get((scope, scaling, name), float("nan"))) for title, name in OURS.items()}
            rows.append({"network": study.case, "summary": TITLES[scope, scaling]} | found)
    caption = (
        "Spearman with oracle_abs on the oracle's own examples, as the paper has it; ours are medians over seeds. What differs:"
        " the paper's networks are a VGG-16 of 4,224 maps fine-tuned on about 6,000 photographs of birds, all of which its"
        " oracle is over, and ImageNet's AlexNet of 1,152, over 5,000 images; ours are the networks named, and the oracle's"
        " examples are a sample. The paper gives neither its quantisation for mutual information nor a spread; a field is"
        " empty where it gives nothing. Its Taylor is equation 8, our taylor_mean."
    )
    return Section("paper", "The paper's table, and ours", caption, table=pd.DataFrame(rows))
