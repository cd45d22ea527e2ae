"""@command: makes a function a command. Groups of options are laid out, and with --json its answer is all that it prints."""

import contextlib
import dataclasses
import functools
import inspect
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, get_type_hints

import typer

from pruning_oracle.bench.terminal import one_line
from pruning_oracle.command_line.options import OUTPUT

JSON = Annotated[bool, typer.Option("--json", help="Print what a machine reads: one JSON object.", rich_help_panel=OUTPUT)]


@dataclass(frozen=True)
class Answer:
    """What a command came to: facts that JSON can hold, and the exit status."""

    facts: dict[str, Any] = field(default_factory=dict)
    status: int = 0


def command(
    app: typer.Typer, panel: str, *examples: str, name: str | None = None
) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Decorator: adds a function to the application, in a panel of its help, with examples of how it is called.

    A parameter whose type is a dataclass of options becomes an option for each of its fields.
    """
    epilog = "Examples:\n\n" + "\n\n".join(f"    pruning-oracle {example}" for example in examples) if examples else None

    def register(function: Callable[..., Answer]) -> Callable[..., Answer]:
        app.command(name, rich_help_panel=panel, epilog=epilog)(_laid_out(function))
        return function

    return register


def _laid_out(function: Callable[..., Answer]) -> Callable[..., None]:
    """`function` with a parameter for every field of the groups that it takes, and the switch --json."""
    hints = get_type_hints(function, include_extras=True)
    parameters, groups = list[inspect.Parameter](), dict[str, Any]()
    for parameter in inspect.signature(function).parameters.values():
        kind = hints[parameter.name]
        if not dataclasses.is_dataclass(kind):
            parameters.append(parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        groups[parameter.name] = kind
        own = get_type_hints(kind, include_extras=True)
        for one in dataclasses.fields(kind):
            made = inspect.Parameter.empty if one.default_factory is dataclasses.MISSING else one.default_factory()
            default = made if one.default is dataclasses.MISSING else one.default
            parameters.append(
                inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=own[one.name])
            )
    parameters.append(inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=JSON))

    @functools.wraps(function)
    def call(as_json: bool, **given: Any) -> None:
        for name, kind in groups.items():
            given[name] = kind(**{one.name: given.pop(one.name) for one in dataclasses.fields(kind)})
        with printing_to_stderr() if as_json else contextlib.nullcontext():
            answer = function(**given)
        if as_json:
            print(json.dumps(_plain(answer.facts), indent=1))
        if answer.status:
            sys.exit(answer.status)

    del call.__wrapped__  # the signature is the one below
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return call


@contextlib.contextmanager
def printing_to_stderr() -> Iterator[None]:
    """What is printed inside the block, by processes that are started there too, goes to standard error."""
    sys.stdout.flush()
    before = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(before, 1)
        os.close(before)


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: what is not a finite number is null, and what is no JSON is text."""
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, bool) or value is None or isinstance(value, (int, str)):
        return value
    if hasattr(value, "item"):  # a number of NumPy's
        return _plain(value.item())
    return (value if math.isfinite(value) else None) if isinstance(value, float) else str(value)


def told(text: str) -> None:
    """Prints a line, whatever is in it."""
    print(one_line(text))
