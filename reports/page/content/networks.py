"""Facts and columns of every network on the page: how criteria agree with its oracle, and how it was measured."""

import math
import shlex
from typing import Any

import numpy as np

from pruning_oracle.reports.agreement.cost import passes_of_criterion, passes_of_oracle
from pruning_oracle.reports.agreement.few_examples import control_examples, why_none
from pruning_oracle.reports.agreement.noise_ceiling import ALL, MEAN
from pruning_oracle.reports.agreement.paired import Paired, paired
from pruning_oracle.reports.inputs.pictures import pictures_of
from pruning_oracle.reports.inputs.read import EXAMPLES
from pruning_oracle.reports.page.content.maps import columns_of_maps
from pruning_oracle.reports.page.content.pack import Columns
from pruning_oracle.reports.page.content.studies import pairs, studies
from pruning_oracle.reports.sections import provenance
from pruning_oracle.reports.sections.alike import agreement_of_criteria
from pruning_oracle.reports.sections.section import CaseStudy

SUMMARIES = ((MEAN, "none"), (ALL, "none"), (ALL, "l2"))  # scopes behind those of the sites
Network = tuple[dict[str, Any], Columns]


def network(study: CaseStudy) -> Network:
    """The facts of a case, and its columns; those of seeds are named `0/change`, those of all seeds as they are."""
    measured = list(study.runs[0].criteria.facts["criteria"])
    every = study.criteria
    facts, pairs_of = study.runs[0].oracle.facts, paired(study.runs)
    about = {
        "name": study.case,
        "sites": [{name: site.get(name) for name in ("name", "maps", "mflops", "convolutions")} for site in facts["sites"]],
        "seeds": [run.seed for run in study.runs],
        "criteria": every,
        "scored": measured,
        "rows": _rows(study, pairs_of),
        "compared": pairs_of.names,
        "ceiling": _defined(_of(study, "ceiling")),
        "passes": _defined(float(np.median([passes_of_oracle(run) for run in study.runs]))),
        "quarter": _quarter(study, "oracle_abs"),
        "examples": facts["examples"],
        "fresh": study.runs[0].criteria.facts["fresh"]["examples"],
        "class_names": facts.get("class names"),
        "pictures": [pictures_of(run) for run in study.runs],
        "estimated": study.runs[0].estimated,
        "said": study.said,
        "why_none": why_none(study.runs[0]).strip(),
        "studies": studies(study),
    }
    columns = _agreements(study, every) | {"likeness": agreement_of_criteria(study, measured).to_numpy()} | pairs(study)
    columns |= {"mean": pairs_of.agreement, "errors": pairs_of.errors}
    for place, run in enumerate(study.runs):
        columns |= {f"{place}/{name}": column for name, column in columns_of_maps(run).items()}
    return about | _trust(study), columns


def _trust(study: CaseStudy) -> dict[str, Any]:
    """How the case was measured, what was measured again, and the commands that repeat it."""
    trust = provenance.section(study)
    assert trust.table is not None
    return {
        "trust": {"columns": list(trust.table.columns), "rows": trust.table.astype(str).to_numpy().tolist()},
        "trust_said": trust.caption,
        "checks": [run.oracle.facts.get("recheck") for run in study.runs],
        "commands": _commands(study),
    }


def _rows(study: CaseStudy, pairs_of: Paired) -> list[dict[str, Any]]:
    """What the first table says of each criterion, best first."""
    known = [name for name in study.criteria if name in study.runs[0].criteria.facts["criteria"]]
    distances = pairs_of.behind(known[0]).set_index("criterion")
    fresh = dict(list(_fresh(study).groupby("criterion")))
    rows = []
    for name in study.criteria:
        row: dict[str, Any] = {"criterion": name, "passes": _defined(passes_of_criterion(study.runs, name))}
        row |= _spread(fresh[name], "spearman") or {}
        row["quarter"] = _quarter(study, name)
        row["control"] = control_examples(name) is not None
        if name in distances.index:
            row |= {key: _defined(distances.loc[name, key]) for key in ("behind", "low", "high")}
            row["tied"] = bool(distances.loc[name, "tied"])
        rows.append(row)
    return rows


def _fresh(study: CaseStudy) -> Any:
    return study.agreement.query(f"scope == {MEAN!r} and oracle == 'oracle_abs' and examples == 'fresh'")


def _of(study: CaseStudy, column: str) -> float:
    return float(_fresh(study).groupby("seed")[column].first().median())


def _quarter(study: CaseStudy, chooser: str) -> dict[str, Any] | None:
    """What a quarter of each site costs when a chooser names the maps, nats; None where it was not tried."""
    return None if study.quarter is None else _spread(study.quarter[study.quarter.chooser == chooser], "joint_loss")


def _spread(rows: Any, column: str) -> dict[str, Any] | None:
    """A figure of some rows, one per seed: the median with the range over seeds; of a single one its 95 % interval."""
    if not len(rows):
        return None
    values, one = rows[column], rows.iloc[0]
    ends = (one.low, one.high) if len(rows) == 1 else (values.min(), values.max())
    return {"value": _defined(values.median()), "from": _defined(ends[0]), "to": _defined(ends[1]), "seeds": len(rows)}


def _agreements(study: CaseStudy, criteria: list[str]) -> Columns:
    """`fresh` and `shared` [criterion, scope, seed, 3]: Spearman, low and high; and `ceiling` [scope, seed], on fresh ones."""
    scopes = [*((site, "none") for site in study.sites), *SUMMARIES]
    seeds = [run.seed for run in study.runs]
    rows = study.agreement[study.agreement.oracle == "oracle_abs"]
    shape = (len(criteria), len(scopes), len(seeds), 3)
    columns = {examples: np.full(shape, np.nan) for examples in EXAMPLES} | {"ceiling": np.full(shape[1:3], np.nan)}
    places = [{key: place for place, key in enumerate(keys)} for keys in (criteria, scopes, seeds)]
    for row in rows.itertuples():
        at = places[0].get(row.criterion), places[1].get((row.scope, row.scaling)), places[2][row.seed]
        if None not in at:
            columns[str(row.examples)][at] = row.spearman, row.low, row.high
            columns["ceiling"][at[1:]] = row.ceiling
    return columns


def _commands(study: CaseStudy) -> list[str]:
    """The commands that measured the runs, as they were given, each once."""
    files = [file for run in study.runs for file in (run.oracle, run.criteria)]
    return list(dict.fromkeys(shlex.join(map(str, file.facts["command"])) for file in files if "command" in file.facts))


def _defined(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
