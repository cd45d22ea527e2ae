"""What files must hold to be reported on: their facts, and the arrays that these speak of."""

import numpy as np

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.scores import REDUCTIONS

TEXTS = {...: str}
SHARE = (float, None)  # None where it has no meaning
SOURCES = {"sources?": {"stage": str, "case": str, "criteria": str}, "libraries": TEXTS, "commit": str}
MEASURED = SOURCES | {"case": str, "seed": int, "suite?": str, "processor?": str, "when?": str}
RUN = MEASURED | {"weights": str, "sites": [{"name": str, "maps": int}]}
FILL = {"fill?": {"name": str, "examples?": int}}  # what stands in a removed map's place: zeros, where a file says nothing
SPLIT = {"data": str, "examples": int}
ORACLE = RUN | {"data": str, "examples": int, "precision": str, "engine": str, "estimated?": {"share": float}, "shipped?": bool}
ORACLE |= FILL | {"class names?": [str]}
CRITERIA = RUN | FILL | {"precision": str, "criteria": {...: {"reduce": str}}, "shared": SPLIT, "fresh": SPLIT}
SETS = RUN | FILL | {"data": str, "examples": int, "precision": str, "engine": str, "sets": [{...: [int]}]}
SETS |= {"repair?": str, "repair examples?": int}
# what the page needs beside what comparisons need
SHOWN_SETS = SETS | {"device": str, "threads": int, "commit": str}
SHOWN_ORACLE = {"sites": [{"mflops": float}], "seconds": float, "device": str, "threads": int, "batch": int, "why": str}
SHOWN_ORACLE |= {"versions": TEXTS, "test": {"loss": float, "accuracy": SHARE, "examples": int}}
SHOWN_ORACLE |= {"left_out": [{"convolution": str, "maps": int, "reason": str}]}
SHOWN_CRITERIA = {"criteria": {...: {"unit": str, "source": str, "says": str}}, "left_out_criteria": TEXTS}
SHOWN_CRITERIA |= {"device": str, "threads": int, "versions": TEXTS}
STEP = {"maps": int, "flops": float, "parameters": int, "test_accuracy": SHARE, "sites": [int], "seconds": {...: float}}
PRUNING = MEASURED | {"precision": str, "device": str, "sites": [str], "rows": [STEP], "settings": dict, "why": str}
PRUNING |= {"test examples?": int}
RETRAINED = {"chosen by": str, "share": float, "loss": float, "accuracy": SHARE, "test_loss?": float}
RETRAINED |= {f"loss after {repair}?": float for repair in ("bias", "batchnorm", "both")}
RETRAINED |= {f"sum of {criterion}?": float for criterion in ("taylor", "weight_l2", "activation_mean")}
SURVIVAL = MEASURED | {"rows": [RETRAINED], "settings": {"updates": int}, "examples": int, "repaired on?": int}
TIMED = {"network": str, "way": str, "batch": int, "median": float, "5 %": float, "95 %": float, "passes": int}
UNTIMED = {"missing": str, "way": str, "batch": int}
SIZE = {"flops": float}
LATENCY = MEASURED | {"rows": [(TIMED, UNTIMED)], "whole": SIZE, "pruned": SIZE, "device": str, "threads": int}
LATENCY |= {"versions": {"torch": str}}
SCRATCH = MEASURED | {"scratch": {"accuracy": SHARE}}
EPOCH = {"epoch": int, "loss": SHARE, "validation loss": SHARE, "validation accuracy": SHARE}
TRAINING = {"seed": int, "weights": str, "chosen": int, "accuracy": SHARE, "loss": float, "seconds": float, "curve": [EPOCH]}
TRAINING |= {"settings": {"adaptive": bool, "momentum": float, "rate": float, "weight_decay": float, "batch": int}}
TRAINING |= {"examples": dict, "left_out": str, "device": str, "threads": int, "commit": str}
BASELINE = {"case": str, "accepted": {...: TEXTS}, "origin": {...: dict}}


def check_arrays(oracle: RunFile, criteria: RunFile, whole: bool) -> None:
    """Raises BadInput unless both files hold numbers for every site; `whole` asks criteria for a column for every map."""
    for site in oracle.facts["sites"]:
        _check(oracle, f"change/{site['name']}", (oracle.facts["examples"], site["maps"]))
        for criterion, about in criteria.facts["criteria"].items():
            if not criterion.isprintable() or "/" in criterion or about["reduce"] not in REDUCTIONS:
                raise BadInput(
                    f"{criteria.path} is damaged: there is no criterion {criterion!r}, reduced by {about['reduce']!r}"
                )
            for name in ("shared", "fresh"):
                _check(criteria, f"{name}/{criterion}/{site['name']}", (None, site["maps"] if whole else None))


def check_joint(sets: RunFile) -> RunFile:
    """Returns a file of joint losses whose arrays hold a number for every example and set; else BadInput."""
    _check(sets, "joint", (sets.facts["examples"], len(sets.facts["sets"])))
    for name in ("kept", "rows"):
        _check(sets, name, (sets.facts["examples"],))
    if "repair" in sets.facts:
        _check(sets, "repaired", (sets.facts["examples"], len(sets.facts["sets"])))
    return sets


def _check(file: RunFile, name: str, shape: tuple[int | None, ...]) -> None:
    array = file.arrays.get(name)
    if array is None:
        raise BadInput(f"{file.path} is damaged: its array {name!r} is missing")
    alike = len(array.shape) == len(shape) and all(want in (None, got) for want, got in zip(shape, array.shape, strict=True))
    if not alike or not np.issubdtype(array.dtype, np.number):
        raise BadInput(f"{file.path} is damaged: its array {name!r} is {array.dtype} of {array.shape}, not {shape}")
