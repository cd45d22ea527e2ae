"""The paper's own table beside ours: Spearman with oracle_abs on shared examples (arXiv:1611.06440, VGG-16 on Birds-200)."""

import pandas as pd

from reports.section import SCOPES, Section, Study, number
from reports.tables import TITLES

OURS = {
    "mutual information": "mutual_information",
    "weight": "weight_mean_square",
    "activation mean": "activation_mean",
    "activation s.d.": "activation_deviation",
    "Taylor": "taylor_mean",
}
PAPER = {
    "per site": (0.28, 0.27, 0.56, 0.57, 0.73),
    "all sites": (0.35, 0.34, 0.35, 0.30, 0.14),
    "all sites, ℓ2": (0.47, 0.33, 0.64, 0.66, 0.73),
}


def section(studies: list[Study]) -> Section:
    """The five criteria of the paper in its three summaries, the paper's network first."""
    rows = [
        {"network": "VGG-16, Birds-200 (the paper)", "summary": scope} | dict(zip(OURS, map(number, values), strict=True))
        for scope, values in PAPER.items()
    ]
    for study in studies:
        chosen = study.agreement.query("oracle == 'oracle_abs' and examples == 'shared'")
        medians = chosen.groupby(["scope", "scaling", "criterion"]).spearman.median()
        for scope, scaling in SCOPES:
            found = {title: number(medians.get((scope, scaling, name), float("nan"))) for title, name in OURS.items()}
            rows.append({"network": study.case, "summary": TITLES[scope, scaling]} | found)
    caption = (
        "Spearman with oracle_abs on the oracle's own examples, as the paper has it; ours are medians over seeds. What differs:"
        " the paper's network is a VGG-16 of 4,224 maps fine-tuned on about 6,000 photographs of birds, its oracle is over all"
        " of them; ours are small networks on digits, gestures or CIFAR-10, and the oracle's examples are a sample. The paper"
        " gives neither its quantisation for mutual information nor a spread. Its Taylor is equation 8, our taylor_mean."
    )
    return Section("paper", "The paper's table, and ours", caption, table=pd.DataFrame(rows))
