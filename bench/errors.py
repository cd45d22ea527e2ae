"""The exception for a user's mistake, and the wrapper of a command that reports it in one line and exits with an error."""

import sys
from collections.abc import Callable, Iterable


class BadInput(Exception):  # noqa: N818 (the user's mistake, not the program's error)
    """A user's mistake; the message names the wrong value, where it is, and what is allowed."""


def unknown(kind: str, value: object, allowed: Iterable[object]) -> BadInput:
    """Returns (does not raise) the error for a name that does not exist; its message lists the names that do."""
    return BadInput(f"unknown {kind} {str(value)!r}: choose from {', '.join(sorted(map(str, allowed)))}")


def exit_with(main: Callable[[], None]) -> None:
    """Runs a command; BadInput ends the process with `error: …` and status 2, an interruption (Ctrl-C) with status 130."""
    try:
        main()
    except BadInput as error:
        sys.exit(_fail(f"error: {error}", 2))
    except KeyboardInterrupt:
        sys.exit(_fail("interrupted: files already written are complete, nothing else was written", 130))


def _fail(message: str, status: int) -> int:
    print(message, file=sys.stderr)
    return status
