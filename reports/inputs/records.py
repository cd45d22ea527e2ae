"""The committed measurements of speed, memory and precision: what `make timings` wrote, as tables."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.provenance import ROOT as SUITE

ROOT = SUITE / "reports/records"
GIGA = 1e9
RIVALS = ("literal", "captum")  # of the fast engine


@dataclass(frozen=True)
class Record:
    """One run of `make timings`: every benchmark's seconds and facts, and where they come from."""

    name: str
    benchmarks: list[dict[str, Any]]
    machine: dict[str, Any]
    provenance: dict[str, Any]

    @property
    def said(self) -> str:
        """From what its figures come, for captions."""
        versions, facts = self.provenance["versions"], self.provenance
        named = ", ".join(f"{name} {versions[name]}" for name in ("torch", "captum") if name in versions)
        return (
            f"{self.machine['device']}, {self.machine['threads']} threads, Python {versions['python']}, {named},"
            f" commit {facts['commit']}, {facts['when'][:10]}; the record is reports/records/{self.name}"
        )


def read_record(folder: Path) -> Record:
    """The record in a folder; a missing or foreign file is refused by name."""
    path = folder / "timings.json"
    try:
        found = json.loads(path.read_text("utf-8"))
        return Record(folder.name, found["benchmarks"], found["machine_info"], found["provenance"])
    except FileNotFoundError as error:
        raise BadInput(f"no record at {path}: make timings RECORD={folder} writes one") from error
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise BadInput(f"{path} is not what make timings writes ({error})") from error


def newest_record() -> Record | None:
    """The committed record whose name, which begins with its date, comes last."""
    folders = sorted(path.parent for path in ROOT.glob("*/timings.json"))
    return read_record(folders[-1]) if folders else None


def trials() -> list[dict[str, Any]]:
    """What `python -m pruning_oracle.oracle.trial` found of every network, from the newest committed record of each."""
    found = {}
    for path in sorted(ROOT.glob("*/estimated-*.json")):
        trial = json.loads(path.read_text("utf-8"))
        found[trial["case"], trial["examples"]] = trial
    return list(found.values())


def engines(record: Record) -> pd.DataFrame:
    """One row per network that the fast engine was timed on: how many times as fast as each rival timed there it is.

    Median and range are over the turns of both; what was not timed is NaN.
    """
    rows = [
        {**bench["extra_info"], "seconds": bench["stats"]["median"] * bench["extra_info"]["share"]}
        for bench in record.benchmarks
        if "way" in bench["extra_info"]
    ]
    table = []
    for name, part in pd.DataFrame(rows).groupby("network", sort=False) if rows else ():
        seconds = part.pivot_table(index="turn", columns="way", values="seconds").reindex(columns=["replay", *RIVALS])
        if seconds.replay.isna().all():
            continue
        first = part.iloc[0]
        rate = first["operations of replay"] / seconds.replay.median()
        row = {"network": name, "maps": first["maps"], "of maps": first["of maps"], "examples": first["examples"]}
        for rival in RIVALS:
            ratio = seconds[rival] / seconds.replay
            row |= {rival: ratio.median(), f"{rival} low": ratio.min(), f"{rival} high": ratio.max()}
        row |= {"replay, s": seconds.replay.median(), "literal, s": seconds.literal.median()}
        row |= {"GFLOP/s": rate / GIGA, "share of a matrix product": rate / first["matrix product, FLOP/s"]}
        row["arithmetic allows"] = first["operations of literal"] / first["operations of replay"]
        row |= {f"peak of {way}, MB": first["peak bytes"][way] / 1e6 for way in ("replay", "literal")}
        table.append(row)
    return pd.DataFrame(table)


def precisions(record: Record) -> pd.DataFrame:
    """One row per case and precision: the oracle's ranks against those in float64, and the time it takes."""
    rows = []
    for bench in record.benchmarks:
        facts = bench["extra_info"]
        if "precision" in facts:
            row = {
                "case": facts["network"],
                "precision": facts["precision"],
                "maps": facts["maps"],
                "examples": facts["examples"],
            }
            for oracle, mean in facts["spearman, mean over sites"].items():
                row |= {oracle: mean, f"{oracle}, lowest site": facts["spearman, lowest site"][oracle]}
            rows.append(
                row | {"largest difference, nats": facts["largest difference, nats"], "seconds": bench["stats"]["median"]}
            )
    return pd.DataFrame(rows)
