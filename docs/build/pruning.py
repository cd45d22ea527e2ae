"""What pruning came to, from its committed record: the tables as they were printed, and the curves drawn anew."""

import dataclasses
import functools
import json
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd

from pruning_oracle.bench.runs import RunFile
from pruning_oracle.docs.build.agreement import markdown_rows, unbroken
from pruning_oracle.docs.build.pictures import shown
from pruning_oracle.reports.inputs.pruning_runs import PruningStudy
from pruning_oracle.reports.inputs.records import ROOT
from pruning_oracle.reports.inputs.tables import markdown
from pruning_oracle.reports.sections import curves, maps_kept, survival
from pruning_oracle.reports.sections.section import Section

HEAD = re.compile(r"^ *(\S+), (pruning\S*): (.*)$", re.MULTILINE)
Facts = dict[str, Any]


def folder() -> Path:
    """The newest record of pruning."""
    return sorted(path.parent for path in ROOT.glob("*/pruning.csv"))[-1]


@functools.cache
def tables() -> dict[tuple[str, str], list[pd.DataFrame]]:
    """By case and study: its table of runs and, where networks were timed, its table of latencies."""
    parts = HEAD.split((folder() / "pruning.md").read_text("utf-8"))[1:]
    found = {}
    for case, study, _, text in zip(*(parts[start::4] for start in range(4)), strict=True):
        blocks = re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE)
        found[case, study] = [markdown_rows(block) for block in blocks]
    return found


def entry(case: str, study: str, run: str, column: str) -> str:
    """An entry of a study's table of runs, such as `0.977 (0.976 to 0.980)`."""
    rows = tables()[case, study][0]
    return str(rows[rows.run == run][column].iloc[0])


def pruning_table(study: str, column: str, names: dict[str, str], *cases: str) -> str:
    """A row per run, a column per case, of one column of a study's tables; `names` says what the runs are called."""
    rows = [{"": title, **{case: entry(case, study, run, column) for case in cases}} for run, title in names.items()]
    return unbroken(markdown(pd.DataFrame(rows), disable_numparse=True))


def latencies(case: str, study: str = "pruning-far") -> str:
    """A study's table of latencies."""
    return unbroken(markdown(tables()[case, study][1], disable_numparse=True))


@functools.cache
def recorded_study(case: str, study: str = "pruning") -> PruningStudy:
    """The runs of a case as the stage wrote them, put together from the record's rows."""
    known = pd.read_csv(folder() / "pruning.csv", keep_default_na=False, na_values=[""])
    head = json.loads((folder() / "provenance.json").read_text("utf-8"))
    facts = {name: head[name] for name in ("precision", "device", "commit", "threads", "versions")}
    settings = head["settings"][case]
    facts |= {"settings": settings, "examples": settings["examples"], "why": ""}
    own = known[(known.case == case) & (known.study == study)]
    runs = {
        str(name): [_file(facts, seed, _steps(rows)) for seed, rows in part.groupby("seed")]
        for name, part in own.groupby("run")
    }
    subsets = known[(known.case == case) & (known.study == "survival")]
    retrained = [_file(facts, seed, _subsets(rows)) for seed, rows in subsets.groupby("seed")]
    seeds = tuple(sorted(int(seed) for seed in own.seed.unique()))
    return PruningStudy(case, study, seeds, runs, retrained if study == "pruning" else [], {}, {})


def _file(facts: Facts, seed: Any, rows: list[Facts]) -> RunFile:
    sites = [f"site {place + 1}" for place in range(len(rows[0].get("sites", ())))]
    return RunFile(Path(), {}, facts | {"seed": int(seed), "rows": rows, "sites": sites}, "")


def _steps(rows: pd.DataFrame) -> list[Facts]:
    steps = []
    for row in rows.sort_values("step").to_dict("records"):
        seconds = {str(name).removesuffix(", s"): value for name, value in row.items() if str(name).endswith(", s")}
        seconds = {name: value for name, value in seconds.items() if not math.isnan(value)}
        final = str(row["final"]) == "True"
        plain = {str(name): value for name, value in row.items()}
        steps.append(plain | {"sites": [int(maps) for maps in str(row["sites"]).split()], "seconds": seconds, "final": final})
    return steps


def _subsets(rows: pd.DataFrame) -> list[Facts]:
    found = []
    for row in rows.to_dict("records"):
        chosen, share = str(row["run"]).rsplit(" ", 1)
        found.append(
            {
                "chosen by": chosen,
                "share": float(share.rstrip("%")) / 100,
                "loss": row["loss before"],
                "accuracy": row["test_accuracy"],
            }
            | {str(name): row[name] for name in row if name == "test_loss" or str(name).startswith(("loss after ", "sum of "))}
        )
    return found


def pruning_curves(case: str) -> str:
    """The curves of `make prune` on a case, accuracy against what is left."""
    section = curves.section(recorded_study(case))
    return shown(
        _named(section, case), f"Test accuracy of {case} against maps and FLOPs left, a line per criterion", table=False
    )


def maps_left(case: str) -> str:
    """Where maps are left after `make prune` on a case."""
    return shown(_named(maps_kept.section(recorded_study(case)), case), f"Share of maps left per site of {case}")


def loss_and_accuracy(case: str) -> str:
    """Whether the loss before retraining predicts the accuracy after it on a case: the section's first figures in words."""
    found = survival.section(recorded_study(case))
    assert found is not None
    return found.caption.split("(95 %")[0].strip()


def _named(section: Section, case: str) -> Section:
    return dataclasses.replace(section, name=f"{case}-{section.name}")


def furthest(case: str, run: str, what: str = "times fewer FLOPs") -> str:
    """A figure of the runs that went furthest, of every seed, in the order of the seeds."""
    rows = json.loads((folder() / "far.json").read_text("utf-8"))
    values = [row[what] for row in rows if row["case"] == case and row["run"] == run]
    return ", ".join(
        f"{value:g}" if isinstance(value, int | float) else " → ".join(f"{v:.3g}" for v in value) for value in values
    )


def ends_of_squeezenet() -> str:
    """Where SqueezeNet's pruning runs on flowers end: accuracy and FLOPs, a row per ranking."""
    file = sorted(ROOT.glob("*/pruning-squeezenet-flowers102.csv"))[-1]
    rows = []
    for run, part in pd.read_csv(file).groupby("run"):
        first, last = part.iloc[0], part.iloc[-1]
        accuracies = f"{first.test_accuracy:.3f} → {last.test_accuracy:.3f}"
        rows.append({"ranking": f"`{run}`", "maps left": f"{last.maps / first.maps:.0%}", "test accuracy": accuracies})
        rows[-1]["times fewer FLOPs"] = f"{first.flops / last.flops:.1f}"
    ordered = sorted(rows, key=lambda row: row["test accuracy"], reverse=True)
    return f"{markdown(pd.DataFrame(ordered), disable_numparse=True)}\n\n<small>reports/records/{file.parent.name}</small>"
