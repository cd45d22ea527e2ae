"""What the page holds of a network's studies of sets: facts of each, and every pair of maps whose interaction was measured."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.reports.page.content.pack import Columns
from pruning_oracle.reports.sections.section import CaseStudy
from pruning_oracle.reports.sections.set_studies import EVERY
from pruning_oracle.reports.sections.set_study import SetStudy

DIGITS = 4  # that count of every number
PAIR = ("interaction", "low", "high", "curvature", "probability")


def studies(study: CaseStudy) -> list[dict[str, Any]]:
    """Every study of sets of a case that was measured, as JSON has it: rows as lists by their field."""
    found = [known for one in EVERY if (known := one.told(study))]
    return [_facts(one) for one in found]


def pairs(study: CaseStudy) -> Columns:
    """Of every seed with pairs `seed/pairs` [pair, 2], maps numbered over all sites, and `seed/pair` [pair, `PAIR`]."""
    table = study.studies.get("interactions")
    if table is None:
        return {}
    columns: Columns = {}
    sizes = {site["name"]: site["maps"] for site in study.runs[0].oracle.facts["sites"]}
    starts = dict(zip(sizes, np.cumsum([0, *sizes.values()])[:-1].tolist(), strict=True))
    for place, run in enumerate(study.runs):
        own = table.rows[table.rows.seed == run.seed]
        if not len(own):
            continue
        for end in "ab":
            if not own[f"map_{end}"].between(0, own[f"site_{end}"].map(sizes) - 1).all():
                raise BadInput(f"interactions.csv of {run.case} seed {run.seed} is damaged: it names a map that no site has")
        ends = [own[f"site_{end}"].map(starts) + own[f"map_{end}"] for end in "ab"]
        columns[f"{place}/pairs"] = np.stack(ends, 1).astype(np.int64)
        columns[f"{place}/pair"] = own[list(PAIR)].to_numpy(float)
    return columns


def _facts(one: SetStudy) -> dict[str, Any]:
    facts = {name: getattr(one, name) for name in ("name", "title", "finding", "how", "note", "chart", "axis", "form")}
    summary = None if one.summary is None else _lists(one.summary)
    lists = {"columns": [asdict(column) for column in one.columns], "choices": [asdict(choice) for choice in one.choices]}
    return facts | lists | {"rows": _lists(one.rows), "summary": summary}


def _lists(rows: pd.DataFrame) -> dict[str, list[Any]]:
    return {str(name): [_plain(value) for value in rows[name].tolist()] for name in rows}


def _plain(value: Any) -> Any:
    """A value as JSON has it; what is undefined as None."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
