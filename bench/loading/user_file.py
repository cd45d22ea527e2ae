"""Imports a user's Python file, and turns whatever the code in it raises into a one-line error that names file and line."""

import importlib.util
import inspect
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from pruning_oracle.bench.errors import BadInput


def file_of(function: Callable[..., Any]) -> Path:
    """The file in which a function is written, even if decorators wrap it."""
    return Path(inspect.unwrap(function).__code__.co_filename)


def import_file(path: Path, what: str) -> ModuleType:
    """Imports a Python file as a module; BadInput if it is missing or raises. `what` is the kind of file, for the message."""
    if not path.is_file():
        raise BadInput(f"no such {what} file: {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    with users_code(path):
        spec.loader.exec_module(module)
    return module


@contextmanager
def users_code(path: Path) -> Iterator[None]:
    """Turns an exception inside the block into a BadInput of one line that names the file `path` and the line in it."""
    try:
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
