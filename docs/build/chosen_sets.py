"""What the sets cost that criteria and the oracle itself choose, from the newest committed record."""

import pandas as pd

from pruning_oracle.docs.build.set_studies import newest, said_of
from pruning_oracle.reports.inputs.tables import markdown, read_csv

SHARE = 0.25
NETWORKS = (
    *("vgg-digits", "resnet-digits", "resnet-digits, batch norms mended", "r3dcnn-gestures", "cnn3-cifar10"),
    *("resnet20-cifar10", "resnet20-cifar10, batch norms mended", "squeezenet-flowers102"),
)


def chosen_sets(scope: str, scaling: str) -> str:
    """A row per chooser, cheapest first: joint loss in nats when a quarter of the maps goes, median over seeds with range.

    A network whose sets were repaired has a second column for that.
    """
    path = newest("chosen-sets.csv")
    rows = read_csv(path).query("share == @SHARE and scope == @scope and scaling == @scaling")
    repaired = rows.case + ", after the repair " + rows.repair
    rows = rows.assign(network=rows.case.where(rows.repair == "none", repaired))
    costs = rows.groupby(["chooser", "network"]).joint_loss.agg(["median", "min", "max"])
    grid = costs["median"].unstack()
    order = grid.rank().mean(axis=1).sort_values(kind="stable").index
    texts = [
        f"{middle:.2f}" + (f" ({low:.2f} to {high:.2f})" if low < high else "")
        for middle, low, high in costs.to_numpy(float).tolist()
    ]
    table = pd.Series(texts, costs.index).str.replace("-", "−").unstack().loc[order].fillna("unavailable")
    shown = table.rename(index=lambda name: f"`{name}`").rename_axis("chosen by").reset_index()
    return f"{markdown(shown, disable_numparse=True)}\n\n{said_of(rows, path.parent)}"


SHORT = {
    **{name: f"`{name}`" for name in ("gauss_newton", "fisher", "taylor", "taylor_second_signed", "wanda", "activation_mean")},
    **{name: f"`{name}`" for name in ("weight_l2", "random")},
    "oracle_abs": "the oracle of single maps (the paper's)",
    "oracle_mean_abs": "the same, a mean of magnitudes",
    "greedy_mean_abs": "that, measured anew as maps go",
}


def short_table() -> str:
    """README's table: joint loss in nats of a quarter of all maps, scores as they are, the median over seeds."""
    paths = (newest("chosen-sets.csv"), newest("better-sets.csv"))
    chosen, better = (read_csv(path).query("share == @SHARE and scope == 'all sites' and scaling == 'none'") for path in paths)
    rows = pd.concat([chosen, better[better.chooser == "greedy_mean_abs"].assign(repair="none")])
    rows = rows.assign(network=rows.case.where(rows.repair == "none", rows.case + ", batch norms mended"))
    grid = rows.groupby(["chooser", "network"]).joint_loss.median().unstack()
    order = [name for name in NETWORKS if name in grid.columns]
    table = grid.loc[list(SHORT), order].map(lambda cost: "" if pd.isna(cost) else f"{cost:.2f}")
    head = f"| | {' | '.join(order)} |\n|:--|{'--:|' * len(order)}"
    return "\n".join(
        [head, *(f"| {SHORT[name]} | {' | '.join(row)} |" for name, row in zip(table.index, table.values, strict=True))]
    )
