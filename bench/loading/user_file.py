"""Imports a user's Python file, and turns whatever the code in it raises into a one-line error that names file and line."""

import contextlib
import functools
import hashlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.code_digest import LIBRARIES, STAGES, SUITE
from pruning_oracle.bench.runs.provenance import ROOT


def file_of(function: Callable[..., Any]) -> Path:
    """The file in which a function is written, even if decorators wrap it."""
    return Path(inspect.unwrap(function).__code__.co_filename)


def import_file(path: Path, what: str) -> ModuleType:
    """Imports a Python file as a module; BadInput if it is missing or raises. `what` is the kind of file, for the message.

    It can import the files beside it (see `neighbours`). It is known to Python by a name of its own, so that a file called
    `json.py` hides nothing.
    """
    if not path.is_file():
        raise BadInput(f"no such {what} file: {path}")
    name = f"_users_{hashlib.sha256(str(path.resolve()).encode(errors='surrogateescape')).hexdigest()[:12]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    with users_code(path):
        sys.modules[name] = module  # dataclasses look their module up
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return module


@contextmanager
def neighbours(folder: Path) -> Iterator[None]:
    """Lets code inside the block import the Python files and packages in `folder`, as a script that lies there could.

    What it imports stays known afterwards, for imports inside functions, unless a module from elsewhere has the name: then it
    is known inside the block alone, since two folders may both hold a `utils.py`.
    """
    place = folder.resolve()
    if any(ROOT / stage in (place, *place.parents) for stage in STAGES):
        yield
        return
    known = _IMPORTED.setdefault(place, {})
    names = _importable(place, place.stat().st_mtime_ns)
    others = {name: module for name, module in _called(names).items() if not _lies_in(module, place)}
    for name in others:
        del sys.modules[name]
    sys.modules.update(known)
    sys.path.insert(0, str(place))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(place))
        known.update({name: module for name, module in _called(names).items() if _lies_in(module, place)})
        users = {name: module for folder, of in _IMPORTED.items() if folder != place for name, module in of.items()}
        for name in _called(frozenset(name.partition(".")[0] for name in others | users)):
            del sys.modules[name]
        sys.modules.update({name: module for name, module in others.items() if users.get(name) is not module})


_IMPORTED: dict[Path, dict[str, ModuleType]] = {}  # what was imported from a user's folder, by name


@functools.lru_cache(maxsize=64)
def _importable(place: Path, changed: int) -> frozenset[str]:
    """The names of the files and packages in a folder, as of its last change, but for names that the suite itself imports."""
    importlib.invalidate_caches()
    names = {file.stem for file in place.glob("*.py")} | {file.parent.name for file in place.glob("*/__init__.py")}
    return frozenset(names - {*sys.stdlib_module_names, *LIBRARIES, SUITE})


def _called(names: frozenset[str]) -> dict[str, ModuleType]:
    return {name: module for name, module in list(sys.modules.items()) if name.partition(".")[0] in names}


def _lies_in(module: ModuleType, place: Path) -> bool:
    file = getattr(module, "__file__", None)
    return bool(file) and Path(str(file)).resolve().is_relative_to(place)


@contextmanager
def users_code(path: Path) -> Iterator[None]:
    """Runs code of a user's file: it can import its neighbours, and what it raises becomes a BadInput of one line.

    The line names the file `path` and the line in it.
    """
    try:
        with neighbours(path.parent) if path.is_file() else contextlib.nullcontext():  # a notebook's cell is no file
            yield
    except BadInput:
        raise
    except Exception as error:  # a user's file may raise anything
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if Path(frame.filename).resolve() == path.resolve()
        ]
        where = f"{path}, line {lines[-1]}" if lines else str(path)
        raise BadInput(f"{where}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}") from error
