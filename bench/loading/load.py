"""Loads a case by its name, by the path of a Python file that holds one, or as a network of torchvision or timm."""

import dataclasses
import importlib
import pkgutil
from pathlib import Path

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.loading import by_name
from pruning_oracle.bench.loading.case_line import LIBRARIES
from pruning_oracle.bench.loading.user_file import import_file, users_code
from pruning_oracle.bench.registry import CASES, Definition
from pruning_oracle.bench.runs.bounds import SEED

CASES_PACKAGE = "pruning_oracle.bench.cases"  # every module in it defines a case


def load(name: str, seed: int) -> Case:
    """The case that `name` means (see `find`), at a seed; BadInput if there is none or it does not build a Case."""
    SEED.check("--seed", seed)
    definition = find(name)
    with users_code(Path(definition.file)):
        loaded = definition.build(seed)
    if not isinstance(loaded, Case):
        raise BadInput(f"case {definition.name!r} in {definition.file} returned {type(loaded).__name__}, not a Case")
    return dataclasses.replace(loaded, name=definition.name, seed=seed, source=name)


def find(name: str) -> Definition:
    """The Definition of the case that `name` means; BadInput if there is none.

    `name` is a case's name, the path of a Python file that holds one `@case`, or a line that begins with `torchvision:` or
    `timm:` (see `by_name.py`).
    """
    if name.startswith(LIBRARIES):
        return by_name.definition(name)
    known = registered()
    if name.endswith(".py"):
        return _from_file(Path(name))
    if name not in known:
        raise BadInput(
            f"{unknown('case', name, known)}, or give the path of a .py file that holds an @case, or torchvision:NAME"
        )
    return known[name]


def registered() -> dict[str, Definition]:
    """The registered cases by name: the suite's own, and those in files that the user has named before."""
    package = importlib.import_module(CASES_PACKAGE)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{CASES_PACKAGE}.{module.name}")
    return CASES


def _from_file(path: Path) -> Definition:
    import_file(path, "case")
    inside = [definition for definition in CASES.values() if Path(definition.file).resolve() == path.resolve()]
    if len(inside) != 1:
        names = ", ".join(definition.name for definition in inside) or "none"
        raise BadInput(f"{path} must hold exactly one function marked @case; it holds: {names}")
    return inside[0]
