"""Tells whether a run file is up to date, by the digest that it stores of everything that its numbers depend on.

That is code, weights, data, settings and the versions of the libraries that compute, but not the commit or the file's age.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.code_digest import TRAINING, depends_on
from pruning_oracle.bench.runs.files import load

Setting = dict[str, Any]
MACHINE = ("device", "threads")  # what moves numbers by rounding alone: work that goes on asks for the same, files do not


def measured_by(
    stage: Iterable[Path | str], case: Setting, without: Iterable[str] = TRAINING, criteria: Setting | None = None
) -> Setting:
    """Digests of the code of a stage, of a case and of criteria, and the versions of the libraries that they use.

    `stage` are the files that compute whatever the criterion; `without` names files and folders that do not count as the
    stage's code. What case and criteria depend on is given as `depends_on` returns it.
    """
    parts = {"stage": depends_on(stage, without), "case": case, "criteria": criteria or depends_on(())}
    libraries = {name: version for part in parts.values() for name, version in part["libraries"].items()}
    return {"sources": {name: part["sources"] for name, part in parts.items()}, "libraries": dict(sorted(libraries.items()))}


def stamp(setting: Setting) -> str:
    """The digest of a setting, which a run file stores; another processor or number of threads does not make it stale."""
    counted = {name: value for name, value in setting.items() if name not in MACHINE}
    return hashlib.sha256(json.dumps(counted, sort_keys=True, default=str).encode()).hexdigest()


def is_current(path: Path, kind: str, setting: Setting) -> bool:
    """Whether `path` is an intact run file of that kind, made with that setting, whatever the processor and its threads."""
    try:
        return path.is_file() and bool(load(path, kind).facts.get("setting") == stamp(setting))
    except BadInput:  # damaged, or written by another program
        return False
