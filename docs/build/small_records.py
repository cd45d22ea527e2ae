"""The smaller committed records: what evidence adds to a pass, how fast an equally good oracle is, kills, random networks."""

import json
from statistics import median
from typing import Any

import pandas as pd

from pruning_oracle.reports.inputs.records import ROOT
from pruning_oracle.reports.inputs.tables import markdown

FILL_COLUMNS = {
    "`oracle_abs`, mean over sites": "spearman of oracle_abs, mean over sites",
    "lowest site": "lowest site",
    "mean of magnitudes": "spearman of oracle_mean_abs, mean over sites",
    "ceiling": "ceiling of zero",
    "magnitude of changes, of zeros'": "ratio of mean |change|",
    "times as long": "times as long",
}


def newest(name: str) -> Any:
    """The content of the newest record's JSON file of that name."""
    return json.loads(sorted(ROOT.glob(f"*/{name}"))[-1].read_text("utf-8"))


def times_as_long(name: str, plain: str) -> str:
    """By network, how many times as long a benchmark's work takes as its plain turns, whose seconds lie under `plain`."""
    found = newest(name)["benchmarks"]
    ratios = {bench["extra_info"]["network"]: bench["stats"]["median"] / median(bench["extra_info"][plain]) for bench in found}
    return ", ".join(f"{ratio:.2f} (`{network}`)" for network, ratio in ratios.items())


def equal_quality() -> str:
    """A row per network and share: how many times as fast the estimated oracle is as an exact one that agrees as well."""
    record = newest("equal-quality.json")
    rows = []
    for row in record["rows"]:
        whole = median(exact / estimated for exact, estimated in zip(row["exact, s"], row["estimated, s"], strict=True))
        as_good = row["examples of an exact oracle as good"]
        rows.append(
            {"network": row["network"], "share of pairs": f"{row['share']:g}", "examples": f"{row['examples']:,}"}
            | {"of an exact oracle as good": f"{as_good:,}", "times as fast": f"{whole * as_good / row['examples']:.1f}"}
        )
    where = f"{record['device']}, {record['threads']} thread, torch {record['torch']}, commit {record['commit'][:12]}"
    said = f"<small>Median of {record['rounds']} turns; {where}, {record['when'][:10]}.</small>"
    return f"{markdown(pd.DataFrame(rows), disable_numparse=True)}\n\n{said}"


def kills() -> str:
    """How often commands were killed, and how many stored pieces of work were lost."""
    record = newest("kills.json")
    lost = sum(stage["lost"] for stage in record["stages"].values())
    stored = sum(stage["stored"] for stage in record["stages"].values())
    return f"{record['kills']} kills of all stages' commands, {stored:,} pieces of stored work, {lost} lost or done twice"


def repairs() -> str:
    """A row per network, share and way of choosing: the loss without the maps, and what each repair gives back."""
    record = newest("repairs.json")
    known = {"bias": "`bias`", "batchnorm": "`batchnorm`", "both": "both"}
    rows: dict[tuple[str, str, float], dict[str, str]] = {}
    for row in record["summary"]:
        head = {"network": row["case"], "maps gone": f"{row['share']:.0%}", "chosen by": row["chosen by"]}
        head |= {"sets": str(row["sets"]), "loss without them": f"{row['removed']:.2f}"}
        own = rows.setdefault((row["case"], row["chosen by"], row["share"]), head)
        back, least, most = (f"{row[name]:.2f}".replace("-", "−") for name in ("given back", "least", "most"))
        own[f"{known[row['repair']]} gives back"] = f"{back} ({least} to {most})"
    table = pd.DataFrame(list(rows.values())).fillna("—")
    where = (
        f"{record['device']}, {record['threads']} thread, torch {record['versions']['torch']}, commit {record['commit'][:12]}"
    )
    said = (
        f"<small>Nats: medians over sets of three seeds, with ranges. Loss on {record['tested']} training examples that"
        f" neither chose nor repaired; repairs saw {record['repaired on']}. {where}, {record['when'][:10]}.</small>"
    )
    return f"{markdown(table, disable_numparse=True)}\n\n{said}"


def fills() -> str:
    """A row per network and fill: how its order agrees with that of zeros, how large changes are, and its time."""
    record = newest("fills.json")
    rows = []
    for (network, fill), own in pd.DataFrame(record["rows"]).groupby(["case", "fill"], sort=False):
        row = {"network": network, "fill": f"`{fill}`"}
        for title, column in FILL_COLUMNS.items():
            row[title] = ", ".join(f"{value:.2f}".replace("-", "−") for value in own[column])
        rows.append(row)
    one = record["rows"][0]
    where = (
        f"{record['device']}, {record['threads']} thread, torch {record['versions']['torch']}, commit {record['commit'][:12]}"
    )
    said = (
        f"<small>Seeds 0, 1, 2; {one['examples']} training examples, fills from {one['fill examples']} others. Spearman within"
        " each site with the order of `zero` on the same examples; the ceiling is how well `zero` on half of them predicts its"
        f" order on the other half, corrected for length. Time is a processor's. {where}, {record['when'][:10]}.</small>"
    )
    return f"{markdown(pd.DataFrame(rows), disable_numparse=True)}\n\n{said}"


def random_networks() -> str:
    """How many random networks were judged with deletion by hand."""
    record = newest("fuzz.json")
    return (
        f"{record['networks']:,} random networks with {record['sites']:,} sites and {record['maps']:,} maps, of which"
        f" {record['removed']:,} were deleted by hand and compared"
    )
