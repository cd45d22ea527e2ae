"""What the facts of a file must look like, and a check of it: a file from elsewhere is wrong in a sentence, not in a traceback.

A shape is a type; `[shape]`, a list of such; `{"name": shape}`, names that must be there, or may be where they end in `?`;
`{...: shape}`, any names; or a tuple of shapes, any of which will do. A whole number is a number, too, and `None` is a shape.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.files import RunFile

Shape = Any
SAID = {str: "text", int: "a whole number", float: "a number", bool: "true or false", list: "a list", dict: "names with values"}
LARGEST = 2**63 - 1
_Missing = object()  # the shape of what is not there


def checked_facts(file: RunFile, shape: Shape) -> RunFile:
    """Returns a file whose facts have a shape; BadInput names the first that does not."""
    if wrong := misfit(file.facts, shape, ""):
        raise BadInput(f"{file.path} is damaged, or of another version of this suite: {wrong}")
    return file


@contextlib.contextmanager
def built_of(path: Path) -> Iterator[None]:
    """Turns whatever fails while something is built of what a file says into a BadInput that names the file."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        raise BadInput(f"{path} is damaged, or of something else: what it says does not fit ({reason})") from error


def misfit(value: Any, shape: Shape, where: str) -> str:
    """What is wrong with a value that must have a shape; empty if nothing is. `where` names it."""
    if shape is _Missing:
        return f"{where} is missing"
    if isinstance(shape, tuple):
        every = [misfit(value, one, where) for one in shape]
        return "" if "" in every else every[0]
    rest: Any
    if isinstance(shape, list):
        rest = ((item, shape[0], f"{where}[{place}]") for place, item in enumerate(value)) if _is(value, list) else None
    elif isinstance(shape, dict):
        rest = _named(value, shape, where) if _is(value, dict) else None
    else:
        rest = iter(()) if (shape is None and value is None) or _is(value, shape) else None
    if rest is None:
        kind = list if isinstance(shape, list) else dict if isinstance(shape, dict) else shape
        return f"{where or 'the whole'} is {_short(value)}, which must be {SAID.get(kind, 'empty')}"
    return next((wrong for item in rest if (wrong := misfit(*item))), "")


def _named(value: dict[str, Any], shape: dict[Any, Shape], where: str) -> Any:
    for name, part in shape.items():
        if name is ...:
            yield from ((item, part, f"{where}[{key!r}]") for key, item in value.items())
        elif name.rstrip("?") in value:
            yield value[name.rstrip("?")], part, f"{where}[{name.rstrip('?')!r}]"
        elif not name.endswith("?"):
            yield None, _Missing, f"{where}[{name!r}]"


def _is(value: Any, kind: Any) -> bool:
    if kind is object:
        return True
    if isinstance(value, bool) or kind not in (int, float):
        return kind is not None and isinstance(value, kind)
    return (isinstance(value, int) and abs(value) <= LARGEST) or (kind is float and isinstance(value, float))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
