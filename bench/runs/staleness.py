"""Whether a file is still what its command would make: it remembers a digest of all that its numbers depend on.

That is code, weights, data, settings and the libraries that compute; neither a commit nor a file's age is among them.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.files import load
from pruning_oracle.bench.runs.sources import TRAINING, depends_on

Setting = dict[str, Any]


def measured_by(stage: Iterable[Path | str], case: Path | str, without: Iterable[str] = TRAINING) -> Setting:
    """Digests of the code of a stage and of a case's definition, and the versions of the libraries that both use."""
    parts = {"stage": depends_on(stage, without), "case": depends_on([case], TRAINING)}
    libraries = {name: version for part in parts.values() for name, version in part["libraries"].items()}
    return {"sources": {name: part["sources"] for name, part in parts.items()}, "libraries": dict(sorted(libraries.items()))}


def stamp(setting: Setting) -> str:
    """The digest under which a file remembers its setting."""
    return hashlib.sha256(json.dumps(setting, sort_keys=True, default=str).encode()).hexdigest()


def is_current(path: Path, kind: str, setting: Setting) -> bool:
    """Whether a whole file of this very setting lies there."""
    try:
        return path.is_file() and bool(load(path, kind).facts.get("setting") == stamp(setting))
    except BadInput:  # damaged or foreign: it is no result of ours
        return False
