"""A user's own file: imported, and whatever it raises turned into one line that names the file and the line."""

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
    """The file in which a function is written, whatever wraps it."""
    return Path(inspect.unwrap(function).__code__.co_filename)


def import_file(path: Path, what: str) -> ModuleType:
    """The module in a file; `what` it should hold is said where there is none."""
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
    """Lets a mistake in the code of that file end as one line."""
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
